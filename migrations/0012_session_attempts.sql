-- A session is linked by one attempt of a login, before that is confirmed. Whoever ends the attempt without it takes away
-- what it linked, and nothing that a retry of the same login has linked since.

alter table vault.sessions add column attempt bigint not null default 1 check (attempt > 0);
comment on column vault.sessions.attempt is 'the attempt of the login that linked it';
