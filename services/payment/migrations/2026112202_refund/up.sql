create table refund (
    id uuid not null,
    payment_id uuid not null,
    amount_minor bigint not null,
    currency text not null,
    state text not null,
    reason text not null,
    failure_code text,
    create_time timestamptz not null,
    update_time timestamptz not null,
    constraint refund_pkey primary key (id),
    constraint refund_payment_fkey foreign key (payment_id) references payment (id),
    constraint refund_amount_positive check (amount_minor > 0),
    constraint refund_currency_form check (currency ~ '^[A-Z]{3}$'),
    constraint refund_state_known check (state in ('PENDING', 'SUCCEEDED', 'FAILED'))
);
comment on table refund is
    'Money on its way back. The one that reverses a whole order has the id of its payment, so '
    'that there is one at most.';

create index refund_payment on refund (payment_id);
