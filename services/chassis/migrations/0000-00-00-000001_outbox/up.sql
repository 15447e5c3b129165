create table outbox (
    seq bigint generated always as identity primary key,
    event_id uuid not null constraint outbox_event_id unique,
    topic text not null,
    aggregate_type text not null,
    aggregate_id text not null,
    aggregate_version bigint not null constraint outbox_version_positive check (aggregate_version > 0),
    event_type text not null,
    schema_version integer not null,
    data jsonb not null,
    correlation_id uuid not null,
    causation_id uuid,
    actor_principal text not null,
    actor_subject text,
    traceparent text,
    tracestate text,
    occurred_on timestamptz not null,
    created_at timestamptz not null default now(),
    published_at timestamptz,
    constraint outbox_aggregate_version unique (aggregate_type, aggregate_id, aggregate_version)
);
comment on table outbox is
    'Facts that are true since their transaction committed; the relay publishes those without published_at, in order per aggregate.';
create index outbox_unpublished on outbox (seq) where published_at is null;
create index outbox_published on outbox (published_at) where published_at is not null;

create table relay_lease (
    name text primary key,
    owner uuid not null,
    epoch bigint not null,
    lease_until timestamptz not null
);
comment on table relay_lease is
    'Who publishes the outbox now; the epoch fences an owner that was overtaken.';
