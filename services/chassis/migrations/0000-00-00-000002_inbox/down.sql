drop table parked_event;
drop table inbox_version;
drop table inbox;
