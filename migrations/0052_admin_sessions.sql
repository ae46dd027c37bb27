-- An admin or an auditor who opens the admin's page exchanges Telegram's launch data for a token. Only the token's hash is kept, so a
-- copy of this table lets nobody in. A launch is exchanged once: its row stays until the launch data is too old for another try.
--
--   (none) ── POST /api/admin/session ──▶ open ── an hour later ──▶ expired ──▶ (none)
--                                          │                          ▲
--                                          └── ended: by the person, ─┘
--                                              by another role, a block or an erasure

create table vault.admin_sessions (
    token_sha256  bytea       primary key check (length(token_sha256) = 32),
    account_id    uuid        not null,
    role          text        not null check (role in ('admin', 'auditor')),
    language      text        not null,
    launch_sha256 bytea       not null unique check (length(launch_sha256) = 32),
    created_at    timestamptz not null,
    expires_at    timestamptz not null,
    revoked_at    timestamptz
);
create index admin_sessions_account on vault.admin_sessions (account_id);
comment on table  vault.admin_sessions               is 'who may use the admin API for now';
comment on column vault.admin_sessions.token_sha256  is 'SHA-256 of the token that the person''s page holds';
comment on column vault.admin_sessions.account_id    is 'the person';
comment on column vault.admin_sessions.role          is 'their role when it began: with another one it is over';
comment on column vault.admin_sessions.language      is 'the language of their Telegram: ru or en';
comment on column vault.admin_sessions.launch_sha256 is 'SHA-256 of the signed launch data that was exchanged for it';
comment on column vault.admin_sessions.created_at    is 'when it began';
comment on column vault.admin_sessions.expires_at    is 'when it is over';
comment on column vault.admin_sessions.revoked_at    is 'when it was ended before; null: it was not';

alter table installation add column bot_username text;
comment on column installation.bot_username is 'the bot''s name at Telegram, for t.me links; null: no process has asked Telegram yet';

comment on column events.metadata is 'the envelope, all strings: actor, account_id, correlation_id (the login), causation_id (stream/id/sequence), update_id, reason (sealed), epoch, attempt';
