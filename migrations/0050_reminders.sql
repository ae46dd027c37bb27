-- Before a subscription ends its person is told, three days and one day ahead. Ends are gone through in their order, so one moment
-- says who has been told.
--
--   reminders   no row ──▶ told_until: everybody whose subscription ends until then has been told ──▶ a later told_until

create table vault.reminders (
    days       smallint    primary key check (days > 0),
    told_until timestamptz not null
);
comment on table  vault.reminders            is 'how far people have been reminded of the end of their subscription';
comment on column vault.reminders.days       is 'how many days before the end this reminder is sent';
comment on column vault.reminders.told_until is 'the latest end of a subscription whose person has been told';
