create table payment (
    id uuid not null,
    order_id uuid not null,
    customer_id text,
    status text not null,
    amount_minor bigint,
    currency text,
    captured_minor bigint not null,
    refunded_minor bigint not null,
    returned_minor bigint not null,
    authorization_id text,
    failure_code text,
    reverse_reason text,
    version bigint not null,
    create_time timestamptz not null,
    update_time timestamptz not null,
    constraint payment_pkey primary key (id),
    constraint payment_order_key unique (order_id),
    constraint payment_status_known check (
        status in (
            'REQUIRES_CONFIRMATION', 'PROCESSING', 'REQUIRES_CAPTURE',
            'SUCCEEDED', 'CANCELED', 'FAILED'
        )
    ),
    constraint payment_amount_positive check (amount_minor > 0),
    constraint payment_currency_form check (currency ~ '^[A-Z]{3}$'),
    constraint payment_amount_whole check ((amount_minor is null) = (currency is null)),
    constraint payment_tombstone_canceled check (
        status = 'CANCELED' or (amount_minor is not null and customer_id is not null)
    ),
    constraint payment_held_is_named check (
        status not in ('REQUIRES_CAPTURE', 'SUCCEEDED') or authorization_id is not null
    ),
    constraint payment_captured_whole check (
        captured_minor = case when status = 'SUCCEEDED' then amount_minor else 0 end
    ),
    constraint payment_refund_within_captured check (
        0 <= returned_minor and returned_minor <= refunded_minor
        and refunded_minor <= captured_minor
    ),
    constraint payment_version_not_negative check (version >= 0)
);
comment on table payment is
    'The money of each order, one row per order. CANCELED without an amount is a tombstone: the '
    'order was given up before it was heard of, and is not charged when it is.';
comment on column payment.refunded_minor is
    'Accepted refunds, done or on their way. Accepting one moves it first, so that two refunds '
    'can never share the same money.';
comment on column payment.returned_minor is 'Refunds that the provider has confirmed.';
comment on column payment.authorization_id is 'The provider''s name for the money it holds.';
comment on column payment.reverse_reason is
    'Why the order service wants it undone; from then on nothing is captured any more.';
comment on column payment.version is 'Events of this payment, their aggregateVersion.';

-- Pages of one customer, newest first.
create index payment_customer_id on payment (customer_id, id);

create table payment_transition (
    id bigint generated always as identity,
    payment_id uuid not null,
    from_status text,
    to_status text not null,
    note text not null,
    actor text not null,
    trace_id text,
    create_time timestamptz not null,
    constraint payment_transition_pkey primary key (id),
    constraint payment_transition_payment_fkey foreign key (payment_id) references payment (id)
);
comment on table payment_transition is
    'Every change of every payment, for good: from, to, why, who. Refunds keep the status.';

create index payment_transition_payment on payment_transition (payment_id, id);
