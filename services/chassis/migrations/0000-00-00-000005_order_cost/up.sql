-- A worker claims so many of each kind, the oldest first.
drop index task_due;
create index task_due on task (kind, run_at) where state in ('READY', 'LEASED');
drop index task_settled;
create index task_settled on task (updated_at) where state in ('DONE', 'DEAD');

alter table inbox_version add column updated_at timestamptz not null default now();
-- For the sweep alone; rows are written in the order of time, and an index of this kind does not
-- keep their updates from staying on their page.
create index inbox_version_updated on inbox_version using brin (updated_at);

alter table parked_event add column place text;
comment on column parked_event.place is
    'Partition and offset of a record that has no readable event id, so that it is parked once.';
alter table parked_event
    add constraint parked_event_place_once unique (consumer_group, topic, place);
