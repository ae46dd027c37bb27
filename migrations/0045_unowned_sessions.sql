-- A failover that loses the tail of the log loses logins: Telegram goes on knowing their sessions, and nobody here holds their
-- keys. A linked session of the same person can tell: now and then Telegram is asked with it for all sessions of the account.
--
--   unowned_sessions   (none) ── the person is told of it ──▶ told ── the person is erased ──▶ (none)
--
-- The program before this one knows neither the column nor the table, and changes nothing about them.

alter table vault.sessions add column listed_at timestamptz;
comment on column vault.sessions.listed_at is 'when Telegram was last asked with it for all sessions of the account, by the service''s clock; null: never';

create table vault.unowned_sessions (
    account_id uuid not null references vault.subjects on delete cascade,
    mark bytea not null check (length(mark) = 32),
    told_at timestamptz not null default clock_timestamp(),
    primary key (account_id, mark)
);
comment on table vault.unowned_sessions is 'sessions that Telegram knows, that nobody here holds, and that their person was told of';
comment on column vault.unowned_sessions.account_id is 'whose it is; the row goes with the person''s key';
comment on column vault.unowned_sessions.mark is 'which one: a keyed HMAC of the person and of Telegram''s number for the session';
comment on column vault.unowned_sessions.told_at is 'when the person was told';
