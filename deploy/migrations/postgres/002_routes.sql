-- Where streams go: the recorded destination of each, its switches, and what endpoints may have seen.

-- Rule sets that routers have loaded; the one activated last is the newest, and only who has it switches streams.
create table rules_version (
    version      text collate "C" primary key,
    activated_at timestamptz not null default clock_timestamp()
);

alter table seller_delivery
    add column destination      text not null default 'shared', -- of numbers below next_from, or of all
    add column wished           text not null default 'shared', -- what the rules wanted when they last decided it
    add column next_destination text,                           -- a switch whose number is not reached yet
    add column next_from        bigint,
    add column tried            bigint not null default 0,      -- an endpoint is being called with numbers up to here
    add column doubtful         bigint not null default 0,      -- it may have got numbers up to here, nobody knows
    add column refused          bigint,                         -- the number that the destination certainly did not take
    add column replaced         bigint not null default 0,      -- the newest number whose message was replaced
    add column failing_since    timestamptz,                    -- nothing but failures since
    add column held_for         text,                           -- failing, full, refused, gone, unknown_destination
    add column lease_epoch      bigint not null default 0,      -- of the newest lease; progress counts only under it
    add column lease_until      timestamptz;

-- Every switch of a stream, for people and for the checker.
create table seller_switch (
    seller_id   text collate "C" not null,
    stream      text collate "C" not null,
    decided_at  timestamptz not null default clock_timestamp(),
    from_number bigint not null,
    previous    text not null,
    destination text not null,
    decided_by  text not null,          -- rules <version>, fallback, or operator <name>
    reason      text not null,
    may_double  bigint[],               -- first and last number that an operator's override may have doubled
    primary key (seller_id, stream, decided_at)
);

-- Messages that were replaced by `voided` under the same number: what they were.
create table seller_void (
    seller_id text collate "C" not null,
    stream    text collate "C" not null,
    number    bigint not null,
    kind      text not null,
    body      text not null,
    reason    text not null,
    voided_by text not null,
    may_double boolean not null default false, -- it may have arrived all the same
    voided_at timestamptz not null default now(),
    primary key (seller_id, stream, number)
);

-- The rule that chose the stream; null: by default.
alter table seller_message add column stream_rule text;
