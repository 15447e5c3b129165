-- Orders, their lines, their history, and what is known of the customer.

create table orders (
    id uuid primary key,
    customer_id text not null,
    status text not null
        constraint orders_status_known
        check (status in ('PENDING', 'CONFIRMED', 'PAID', 'CANCELLING', 'CANCELLED')),
    stock_held boolean,
    payment_held boolean,
    cancel text
        constraint orders_cancel_known
        check (cancel in ('OUT_OF_STOCK', 'PAYMENT_FAILED', 'CANCEL_REQUESTED', 'DEADLINE_PASSED')),
    reason text
        constraint orders_reason_known
        check (reason in ('OUT_OF_STOCK', 'PAYMENT_FAILED', 'CANCEL_REQUESTED', 'DEADLINE_PASSED')),
    stock_release text
        constraint orders_stock_release_known
        check (stock_release in ('NOT_NEEDED', 'ASKED', 'DONE')),
    payment_reversal text
        constraint orders_payment_reversal_known
        check (payment_reversal in ('NOT_NEEDED', 'ASKED', 'DONE')),
    total_minor bigint not null constraint orders_total_not_negative check (total_minor >= 0),
    currency text not null constraint orders_currency_code check (currency ~ '^[A-Z]{3}$'),
    version bigint not null constraint orders_version_positive check (version >= 1),
    create_time timestamptz not null,
    update_time timestamptz not null,
    -- Each status has what the saga must remember in it, and nothing else.
    constraint orders_saga_shape check (
        (stock_held is not null) = (status = 'PENDING')
        and (payment_held is not null) = (status = 'PENDING')
        and (cancel is null or status = 'CONFIRMED')
        and (reason is not null) = (status in ('CANCELLING', 'CANCELLED'))
        and (stock_release is not null) = (status = 'CANCELLING')
        and (payment_reversal is not null) = (status = 'CANCELLING')
    )
);

comment on table orders is
    'One row per order: where it stands and what its saga remembers. Locked by every move of it.';
comment on column orders.cancel is
    'Why the order is to be cancelled as soon as the outcome of its capture is known.';
comment on column orders.version is
    'Moves published so far: the version of the aggregate in its events.';

-- Pages of one customer, newest first; ids are in the order of time.
create index orders_customer_newest on orders (customer_id, id desc);

create table order_line (
    order_id uuid not null constraint order_line_order references orders (id),
    position integer not null,
    product_id uuid not null,
    sku text not null,
    name text not null,
    quantity integer not null
        constraint order_line_quantity_range check (quantity between 1 and 999),
    unit_price_minor bigint not null
        constraint order_line_price_not_negative check (unit_price_minor >= 0),
    amount_minor bigint not null
        constraint order_line_amount_is_product check (amount_minor = unit_price_minor * quantity),
    constraint order_line_pkey primary key (order_id, position),
    constraint order_line_product_once unique (order_id, product_id)
);

comment on table order_line is
    'What was ordered, with name and price as they were then. Never changes; currency: orders.';

create table order_transition (
    order_id uuid not null constraint order_transition_order references orders (id),
    version bigint not null,
    from_status text,
    to_status text not null,
    reason text,
    actor text not null,
    event_id uuid not null constraint order_transition_event_once unique,
    trace_id text not null,
    transition_time timestamptz not null,
    constraint order_transition_pkey primary key (order_id, version)
);

comment on table order_transition is
    'History: one row per published move, append-only; orders.status is the fold of it.';

create function order_transition_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'order_transition is append-only';
end
$$;
create trigger order_transition_append_only before update or delete on order_transition
    for each row execute function order_transition_append_only();

create table order_contact (
    order_id uuid constraint order_contact_pkey primary key
        constraint order_contact_order references orders (id),
    email text not null,
    payment_token text not null
);

comment on table order_contact is
    'What no event may carry: the customer''s address and means of payment. Erasable by itself.';
