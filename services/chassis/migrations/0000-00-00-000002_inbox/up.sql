create table inbox (
    consumer_group text not null,
    event_id uuid not null,
    event_type text not null,
    aggregate_type text not null,
    aggregate_id text not null,
    aggregate_version bigint not null,
    received_at timestamptz not null default now(),
    constraint inbox_event primary key (consumer_group, event_id)
);
comment on table inbox is
    'Events that had their effect, written in the transaction of the effect: each is effective once per group.';
create index inbox_received on inbox (received_at);

create table inbox_version (
    consumer_group text not null,
    aggregate_type text not null,
    aggregate_id text not null,
    last_version bigint not null,
    constraint inbox_version_aggregate primary key (consumer_group, aggregate_type, aggregate_id)
);
comment on table inbox_version is
    'The last version of each aggregate that a group has applied: older events are dropped, later ones wait for their turn.';

create table parked_event (
    id bigint generated always as identity primary key,
    consumer_group text not null,
    topic text not null,
    key text not null,
    record bytea not null,
    headers jsonb not null,
    event_id uuid,
    aggregate_type text,
    aggregate_version bigint,
    cause text not null constraint parked_event_cause check (cause in ('POISON', 'GAP', 'BEHIND')),
    error text not null,
    attempts integer not null default 1,
    parked_at timestamptz not null default now(),
    dead_at timestamptz,
    constraint parked_event_once unique (consumer_group, event_id)
);
comment on table parked_event is
    'Events that could not be applied, in order per (group, topic, key); later events of such a key wait behind them.';
create index parked_event_key on parked_event (consumer_group, topic, key, id);
