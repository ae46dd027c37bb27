-- The next messages to send are found at once, however many wait; and answers to strangers wait for all others.
--
--   outbox   waiting, priority 0, due ──▶ claimed first, the longest due before the others
--            waiting, priority 1, due ──▶ claimed where no message of priority 0 is due
--
-- The program before this one does not know the column: what it queues has priority 0, and what it claims has any.

alter table vault.outbox add column priority smallint not null default 0;
comment on column vault.outbox.priority is 'what is sent first: 0 before 1; 1 is an answer to a stranger';

-- The messages that are due, by priority.
create index outbox_due on vault.outbox (priority, due_at, id) where state = 'waiting';
-- What a sender that lost its lease was sending.
create index outbox_sending on vault.outbox (epoch, id) where state = 'sending';
-- What is not sent any more because it is too late.
create index outbox_not_after on vault.outbox (not_after) where state = 'waiting' and message_id is null;
-- Updates of strangers that nobody handles are not kept for ever.
create index inbox_received_at on vault.inbox (received_at);
