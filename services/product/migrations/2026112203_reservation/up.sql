create table reservation (
    order_id uuid not null,
    state text not null,
    version bigint not null,
    expire_time timestamptz,
    actor text not null,
    trace_id text,
    create_time timestamptz not null default now(),
    update_time timestamptz not null default now(),
    constraint reservation_pkey primary key (order_id),
    constraint reservation_state_known check (
        state in ('HELD', 'CONFIRMED', 'COMMITTED', 'RELEASED', 'REJECTED')
    ),
    constraint reservation_version_not_negative check (version >= 0),
    constraint reservation_hold_expires check (state <> 'HELD' or expire_time is not null)
);
comment on table reservation is
    'What was promised to an order, at most once. RELEASED without lines is a tombstone: the order '
    'was given up before its reserve arrived, which is then refused.';
comment on column reservation.version is
    'Events of this reservation, their aggregateVersion; 0 while none was published.';
comment on column reservation.actor is 'Who made its latest move.';

create table reservation_line (
    order_id uuid not null,
    product_id uuid not null,
    quantity integer not null,
    constraint reservation_line_pkey primary key (order_id, product_id),
    constraint reservation_line_reservation_fkey
        foreign key (order_id) references reservation (order_id),
    constraint reservation_line_product_fkey foreign key (product_id) references product (id),
    constraint reservation_line_quantity_positive check (quantity > 0)
);
comment on table reservation_line is 'Units of each product that a reservation holds or held.';

create index reservation_line_product on reservation_line (product_id);
