create table stock (
    product_id uuid not null,
    on_hand integer not null,
    reserved integer not null,
    version bigint not null,
    constraint stock_pkey primary key (product_id),
    constraint stock_product_fkey foreign key (product_id) references product (id),
    constraint stock_reserved_within_on_hand check (0 <= reserved and reserved <= on_hand),
    constraint stock_version_positive check (version > 0)
);
comment on table stock is
    'Units of each product. A row of its own, so that reserving never waits for an edited text.';

create table stock_ledger (
    product_id uuid not null,
    version bigint not null,
    reason text not null,
    on_hand_delta integer not null,
    reserved_delta integer not null,
    on_hand integer not null,
    reserved integer not null,
    order_id uuid,
    note text,
    event_id uuid not null,
    actor text not null,
    trace_id text,
    create_time timestamptz not null default now(),
    constraint stock_ledger_pkey primary key (product_id, version),
    constraint stock_ledger_event_key unique (event_id),
    constraint stock_ledger_product_fkey foreign key (product_id) references product (id),
    constraint stock_ledger_reason_known check (
        reason in ('INITIAL', 'ADJUSTED', 'RESERVED', 'RELEASED', 'COMMITTED', 'RETURNED')
    )
);
comment on table stock_ledger is
    'Every change of every stock row, for good: who, why, how many. Its sums are the stock.';
comment on column stock_ledger.version is 'stock.version after the change.';
comment on column stock_ledger.event_id is 'The ProductStockUpdatedEvent that told of the change.';

create index stock_ledger_order on stock_ledger (order_id) where order_id is not null;

create function stock_ledger_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'stock_ledger is append-only';
end
$$;
create trigger stock_ledger_append_only before update or delete on stock_ledger
    for each row execute function stock_ledger_append_only();
