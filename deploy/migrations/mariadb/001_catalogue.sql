-- The vendor catalogue: who sells what at which price, and from where.

create table if not exists seller (
    seller_id varchar(200) collate utf8mb4_bin not null primary key,
    status    enum('active', 'suspended') not null default 'active',
    region    varchar(100) not null default '',
    tags      varchar(1000) not null default ''    -- separated by commas
) engine = innodb default charset = utf8mb4;

create table if not exists offer (
    seller_id   varchar(200) collate utf8mb4_bin not null,
    sku         varchar(200) collate utf8mb4_bin not null,
    price_minor bigint not null,
    currency    char(3) collate utf8mb4_bin not null,
    status      enum('active', 'inactive') not null default 'active',
    category    varchar(200) not null default '',
    version     bigint not null default 1,         -- raised by every change of the row
    primary key (seller_id, sku),
    key offer_by_sku (sku)
) engine = innodb default charset = utf8mb4;

-- The order in which a seller's warehouses are used, lowest first; one that is not named here comes last, by name.
create table if not exists warehouse (
    seller_id varchar(200) collate utf8mb4_bin not null,
    warehouse varchar(200) collate utf8mb4_bin not null,
    priority  int not null default 100,
    primary key (seller_id, warehouse)
) engine = innodb default charset = utf8mb4;
