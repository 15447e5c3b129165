create table idempotency (
    scope text not null,
    method text not null,
    key text not null,
    fingerprint bytea not null,
    answer bytea,
    created_at timestamptz not null default now(),
    constraint idempotency_key primary key (scope, method, key)
);
comment on table idempotency is
    'Answers of requests that had an effect, by (user or peer, method, key), written in the transaction of the effect.';
create index idempotency_created on idempotency (created_at);
