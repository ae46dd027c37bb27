-- A linked session may be ended in Telegram without our being told: each is looked at now and then.

alter table vault.sessions add column checked_at timestamptz not null default clock_timestamp();
comment on column vault.sessions.checked_at is 'when it was last looked at; also the claim of whoever looks now';
create index on vault.sessions (checked_at);
