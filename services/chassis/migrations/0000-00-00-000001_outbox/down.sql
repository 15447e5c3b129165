drop table relay_lease;
drop table outbox;
