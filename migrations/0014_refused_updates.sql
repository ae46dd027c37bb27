-- Updates of the bot that cannot be read, or that the inbox cannot take: bytes that are no JSON, what `jsonb` refuses, what no
-- handler knows. They are kept so that the program can be mended; Telegram is told that they came, or it would send them for ever.
--
--   refused_updates   (none) ── keep ──▶ kept ── a week later, or a hundred newer ones ──▶ (none)
--
-- They may name a person. When one is forgotten, those that hold the Telegram id go, too.

create table vault.refused_updates (
  digest bytea primary key,
  bytes bytea not null,
  size_bytes bigint not null,
  update_id bigint,
  source text not null check (source in ('polling', 'webhook', 'inbox')),
  why text not null,
  refused_at timestamptz not null default clock_timestamp()
);
alter table vault.refused_updates alter column bytes set statistics 0;
comment on table vault.refused_updates is 'updates of the bot that cannot be read or stored';
comment on column vault.refused_updates.digest is 'SHA-256 of bytes and size: one that comes again is kept once';
comment on column vault.refused_updates.bytes is 'as it came, up to 1 MiB of it';
comment on column vault.refused_updates.size_bytes is 'how long it was as a whole';
comment on column vault.refused_updates.update_id is 'Telegram''s number, where it can be found';
comment on column vault.refused_updates.source is 'how it came; inbox: it could be stored, and no handler can read it';
comment on column vault.refused_updates.why is 'why it was refused, without anything of what it says';
comment on column vault.refused_updates.refused_at is 'when it came';
create index on vault.refused_updates (refused_at);
