alter table parked_event drop column place;
alter table inbox_version drop column updated_at;
drop index task_settled;
create index task_settled on task (updated_at) where state = 'DONE';
drop index task_due;
create index task_due on task (run_at) where state in ('READY', 'LEASED');
