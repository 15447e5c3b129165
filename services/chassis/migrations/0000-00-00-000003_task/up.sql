create table task (
    id uuid primary key,
    kind text not null,
    subject_id text not null,
    payload jsonb not null,
    state text not null default 'READY'
        constraint task_state check (state in ('READY', 'LEASED', 'DONE', 'DEAD')),
    attempt integer not null default 0,
    run_at timestamptz not null,
    lease_owner uuid,
    lease_epoch bigint not null default 0,
    lease_until timestamptz,
    giving_up boolean not null default false,
    last_error text,
    on_behalf_of text,
    correlation_id uuid not null,
    causation_id uuid,
    traceparent text,
    tracestate text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint task_kind_subject unique (kind, subject_id)
);
comment on table task is
    'Work that talks to others, once per (kind, subject); a worker leases it, and only the owner of the lease writes its result.';
create index task_due on task (run_at) where state in ('READY', 'LEASED');
create index task_settled on task (updated_at) where state = 'DONE';
