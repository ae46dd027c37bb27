-- A reminder is sent where nothing else is due, so that a hundred thousand of them delay no answer, not even a stranger's.
--
--   outbox   waiting, priority 2, due ──▶ claimed where no message of priority 0 or 1 is due
--
-- The program before this one leaves them waiting.

comment on column vault.outbox.priority is 'what is sent first: 0, then 1, then 2; 1 is an answer to a stranger, 2 a reminder';
