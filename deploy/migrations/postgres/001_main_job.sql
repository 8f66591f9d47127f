-- Orders, stock with its ledger, and the sellers' numbered messages.
--
-- Keys are COLLATE "C", so that arrays sorted by bytes lock rows in index order. Seller-owned tables have keys that
-- begin with seller_id, the others with the order or event id, and no foreign key crosses the two: the same
-- statements run on a database distributed by those columns.

create type order_state as enum ('ready', 'reserved', 'pending', 'rejected', 'cancelled');

-- One row a cart, written by whoever comes first: the cart or its cancellation. It is the inbox of both and holds the
-- answer that a repeat gets.
create table orders (
    order_id       text collate "C" primary key,
    state          order_state not null,
    content_hash   bytea,                         -- of the canonical cart; null while only a cancellation is known
    answer         text not null,                 -- `data` of the event of this state
    filled_by      text collate "C",              -- the doorbell that filled it, when it was held
    reply_to       text,                          -- kept while held: its sender is told when it is filled
    correlation_id text,
    received_at    timestamptz not null default now()
);
create index orders_filled_by on orders (filled_by) where filled_by is not null;

-- Units of a SKU of a seller in a warehouse: the fold of its ledger.
create table stock_position (
    seller_id  text collate "C" not null,
    sku        text collate "C" not null,
    warehouse  text collate "C" not null,
    on_hand    bigint not null default 0,
    reserved   bigint not null default 0,
    shortfall  bigint not null default 0,         -- on_hand - shortfall is what is physically there
    version    bigint not null default 0,         -- that of the newest ledger row
    last_taken bigint not null default 0,         -- what the newest reserving statement took here, for its caller
    counted_at timestamptz,                       -- when the newest applied count was taken
    primary key (seller_id, sku, warehouse),
    constraint reserved_within_on_hand check (0 <= reserved and reserved <= on_hand),
    constraint shortfall_within_on_hand check (0 <= shortfall and shortfall <= on_hand)
) with (fillfactor = 70);

create type stock_event_kind as enum
    ('receipt', 'count', 'adjustment', 'reservation', 'release', 'dispatch', 'return');

-- The ledger: append-only, one row a change, versions 1..n without a gap.
create table stock_event (
    seller_id       text collate "C" not null,
    sku             text collate "C" not null,
    warehouse       text collate "C" not null,
    version         bigint not null,
    kind            stock_event_kind not null,
    on_hand_delta   bigint not null,
    reserved_delta  bigint not null,
    shortfall_delta bigint not null,
    cause           text not null,                -- id of the event that caused it; the order id for a reservation
    order_id        text,
    source          text not null,
    reason          text,
    occurred_at     timestamptz not null,
    recorded_at     timestamptz not null default now(),
    primary key (seller_id, sku, warehouse, version)
);
-- For a count that arrives late: what moved physically since it was taken. Reservations, the bulk of the ledger, stay out.
create index stock_event_physical on stock_event (seller_id, sku, warehouse, occurred_at)
    where kind in ('receipt', 'count', 'adjustment', 'dispatch', 'return');

create table reservation (
    seller_id  text collate "C" not null,
    order_id   text collate "C" not null,
    line_id    text collate "C" not null,
    warehouse  text collate "C" not null,
    sku        text collate "C" not null,
    reserved   bigint not null check (reserved > 0),
    open       bigint not null,
    dispatched bigint not null default 0,
    released   bigint not null default 0,
    returned   bigint not null default 0,
    primary key (seller_id, order_id, line_id, warehouse),
    constraint every_unit_is_somewhere check (open >= 0 and open + dispatched + released = reserved),
    constraint returned_within_dispatched check (0 <= returned and returned <= dispatched)
) with (fillfactor = 85);

-- Held carts by what they wait for.
create table held_line (
    seller_id text collate "C" not null,
    sku       text collate "C" not null,
    held_at   timestamptz not null,
    order_id  text collate "C" not null,
    primary key (seller_id, sku, held_at, order_id)
);

-- Claims: a movement by (event id, 'movement/<index>'), the splitter's work by (order id, 'split/<kind>[/<event id>]').
create table inbox (
    id          text collate "C" not null,
    item        text collate "C" not null,
    answer      text,
    received_at timestamptz not null default now(),
    primary key (id, item)
) with (fillfactor = 60);

-- The splitter's row of a stream: the last number given.
create table seller_stream (
    seller_id     text collate "C" not null,
    stream        text collate "C" not null,
    last_assigned bigint not null,
    primary key (seller_id, stream)
) with (fillfactor = 70);

create table seller_message (
    seller_id  text collate "C" not null,
    stream     text collate "C" not null,
    number     bigint not null,
    order_id   text collate "C" not null,
    kind       text not null,
    body       text not null,                     -- exactly the bytes that the seller gets
    created_at timestamptz not null default now(),
    primary key (seller_id, stream, number)
);

-- The router's row of a stream, which the splitter never touches.
create table seller_delivery (
    seller_id       text collate "C" not null,
    stream          text collate "C" not null,
    last_delivered  bigint not null default 0,
    claimed_from    bigint not null default 0,    -- last_delivered before the newest claim, for its caller
    next_attempt_at timestamptz,                  -- the stream is held until then
    attempts        bigint not null default 0,    -- failed runs in a row
    trouble         text,                         -- why it is held
    primary key (seller_id, stream)
) with (fillfactor = 70);

-- Messages that were being handled when their process died, so that only deaths count against them.
create table attempt (
    worker      text collate "C" not null,
    message_key text collate "C" not null,
    deaths      bigint not null,
    begun_at    timestamptz not null default now(),
    primary key (worker, message_key)
);
