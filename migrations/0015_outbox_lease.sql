-- A message that is being sent belongs to the lease of its sender, no longer to the sender for a minute; and a try is counted
-- once for what caused it, however often its handler runs.
--
--   outbox   waiting ── claim under a lease ──▶ sending ── sent ──▶ sent
--                                                 │  the lease has another holder: claimed again, as unclear
--
-- The program before this one does not know the columns: what it claimed has no epoch, which is nobody's, and what it
-- counted has no cause.

alter table vault.outbox add column epoch bigint;
comment on column vault.outbox.epoch is 'the epoch of the lease under which it was taken last';
comment on column vault.outbox.sender is 'no longer used: who took it last';
comment on column vault.outbox.announced_as is 'no longer used: the sender''s number in vault.present()';
comment on column vault.outbox.message_id is 'Telegram''s number of the message; before it is sent: a former sender has learned it';

alter table vault.tries add column causes text[] not null default '{}';
comment on column vault.tries.causes is 'what caused each of them, in the same order; null: not known';
