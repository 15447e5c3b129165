create table notification (
    id uuid not null,
    event_id uuid not null,
    order_id uuid not null,
    template text not null,
    status text not null,
    amount_minor bigint,
    refunded_minor bigint,
    currency text,
    reason text,
    subject text not null,
    message_id text,
    failure text,
    actor text not null,
    trace_id text,
    create_time timestamptz not null,
    send_time timestamptz,
    constraint notification_pkey primary key (id),
    constraint notification_event_template_key unique (event_id, template),
    constraint notification_template_known check (
        template in ('order_received', 'receipt', 'payment_failed', 'order_cancelled', 'refund')
    ),
    constraint notification_status_known check (
        status in ('QUEUED', 'SENDING', 'SENT', 'FAILED')
    ),
    constraint notification_sending_has_message_id check (
        status not in ('SENDING', 'SENT') or message_id is not null
    ),
    constraint notification_sent_has_time check ((status = 'SENT') = (send_time is not null)),
    constraint notification_failed_has_failure check ((status = 'FAILED') = (failure is not null)),
    constraint notification_amounts_have_currency check (
        (amount_minor is null) = (currency is null)
    )
);
comment on table notification is
    'What is told by mail to a customer about one event, once; kept as the history of what was sent.';
comment on column notification.amount_minor is
    'With refunded_minor, currency and reason: what the template says, so that it can be said again.';
comment on column notification.message_id is
    'Message-ID of the mail, the same at every try; holds a hash of the address, not the address.';
comment on column notification.failure is
    'Reply code of the mail server, or invalid_address, no_contact, attempts_exhausted.';

-- Pages of one order, newest first; ids are in order of time.
create index notification_order_id on notification (order_id, id);
