-- Keys of other services. A key is shown once, when it is made; the database has the SHA-256 of its secret alone, so a copy of this
-- table lets nobody in. Every request looks its key up by its id, so a key that is revoked is refused by every process at once.
--
--   (none) ── made ──▶ valid ── expires_at is over ──▶ expired
--                        └────────── revoked ────────▶ revoked
--
-- Rows stay: the log names keys by their ids.

create table vault.api_keys (
    key_id        text        primary key check (key_id ~ '^[0-9a-f]{16}$'),
    secret_sha256 bytea       not null check (length(secret_sha256) = 32),
    name          text        not null,
    scopes        text[]      not null,
    created_by    text        not null,
    created_at    timestamptz not null,
    expires_at    timestamptz,
    last_used_at  timestamptz,
    revoked_at    timestamptz
);
create index api_keys_by_time on vault.api_keys (created_at desc, key_id);
comment on table  vault.api_keys               is 'who may use the API for other services';
comment on column vault.api_keys.key_id        is 'the id in events and in the key: 4 random bytes and 4 of a MAC';
comment on column vault.api_keys.secret_sha256 is 'SHA-256 of the secret part, as it is written in the key';
comment on column vault.api_keys.name          is 'what people call it';
comment on column vault.api_keys.scopes        is 'what it may do: users:read, events:read, …';
comment on column vault.api_keys.created_by    is 'the actor who made it: an account id, or tool:cli:<system user>';
comment on column vault.api_keys.created_at    is 'when';
comment on column vault.api_keys.expires_at    is 'from when on it is refused; null: it does not expire';
comment on column vault.api_keys.last_used_at  is 'its last request, a minute late at most; null: it was never used';
comment on column vault.api_keys.revoked_at    is 'since when it is refused; null: it was not revoked';

comment on column events.aggregate_type is 'which kind of stream: invite, login, account, audit, service';
