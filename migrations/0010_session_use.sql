-- A key in two places is killed by Telegram: whoever uses a linked session (the check, an export, a question asked for an
-- admin) takes it first, and a session that is retired while it is in use is logged out only afterwards.
--
--   free ── taken ──▶ in use until … ── released, or over ──▶ free
--                                    └─ handed over ──▶ in use for ever: no key of ours any more, until its row goes

alter table vault.sessions drop column checked_at;
alter table vault.sessions add column check_at timestamptz;
alter table vault.sessions add column in_use_until timestamptz;
comment on column vault.sessions.check_at is 'when it is looked at next, by the service''s clock; null: nobody has planned that yet';
comment on column vault.sessions.in_use_until is 'somebody speaks to Telegram with it until then; infinity: handed over to another service';
create index on vault.sessions (check_at);
