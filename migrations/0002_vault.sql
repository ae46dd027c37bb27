-- The vault: what is not derived from events and never rebuilt. Rows here are deleted when their time is over, which is
-- why they are here and not in the log.
--
--   attempts      (none) ── open_attempt ──▶ open ── end_attempt ──▶ ended ── close_attempt ──▶ (none)
--                 held by a worker under an epoch, or free; open ones are closed directly after a confirmed login
--   retired_keys  (none) ── retire ──▶ to be logged out, tried again and again ── confirm_retired ──▶ (none)
--   inbox         waiting ──▶ done | failed              the body goes when it is handled
--   outbox        waiting ◀──▶ sending ──▶ sent | gave_up   the body goes when it is settled
--   leases        held until expires_at, then free; the row stays and keeps the epoch
--
-- All leases go by clock_timestamp() of this database. An epoch is drawn from one sequence, so that no two holders of
-- anything, in any order of deletion and creation, ever share one.

create schema vault;
comment on schema vault is 'what is not derived from events: people''s keys, codes, attempts, sessions, queues';

create sequence vault.epoch as bigint;
comment on sequence vault.epoch is 'one number for each change of hands of a lease';

-- Who lives: session-level advisory locks (presence.rs). The first key marks them as ours ("QRLO").
create function vault.presence_id(holder text) returns bigint language sql immutable
  return hashtext(holder)::bigint & 4294967295;
comment on function vault.presence_id is 'the number under which a holder is seen in vault.present()';

create function vault.announce(holder text) returns void language sql
  begin atomic select pg_advisory_lock_shared(1364348751, hashtext(holder)); end;
comment on function vault.announce is 'while this connection lives, the holder is present';

create function vault.present() returns setof bigint language sql volatile
  begin atomic
    select objid::bigint from pg_locks
     where locktype = 'advisory' and granted and classid = 1364348751 and objsubid = 2
       and database = (select oid from pg_database where datname = current_database());
  end;
comment on function vault.present is 'the holders whose processes live';

-- People ---------------------------------------------------------------------------------------------------------------

create table vault.subjects (
  account_id uuid primary key,
  telegram_id bigint not null unique,
  person_key bytea not null check (length(person_key) = 32),
  created_at timestamptz not null default clock_timestamp()
);
alter table vault.subjects alter column telegram_id set statistics 0;
alter table vault.subjects alter column person_key set statistics 0;
comment on table vault.subjects is 'who is who; deleting a row erases the person from the whole history';
comment on column vault.subjects.account_id is 'the person as events know them: random';
comment on column vault.subjects.telegram_id is 'the person as Telegram knows them';
comment on column vault.subjects.person_key is 'opens the person''s data in events: XChaCha20-Poly1305';
comment on column vault.subjects.created_at is 'when the person first wrote to us';

create table vault.invite_codes (
  invite_id uuid primary key,
  code text not null unique check (code ~ '^[A-Z0-9]{12}$'),
  note text,
  created_at timestamptz not null default clock_timestamp()
);
comment on table vault.invite_codes is 'the codes that open invites, and the notes on them';
comment on column vault.invite_codes.invite_id is 'the stream of the invite';
comment on column vault.invite_codes.code is 'what a person types, in upper case';
comment on column vault.invite_codes.note is 'free text of whoever made it';
comment on column vault.invite_codes.created_at is 'when it was made';

create table vault.tries (
  kind text not null,
  who bytea not null,
  at timestamptz[] not null,
  primary key (kind, who)
);
comment on table vault.tries is 'recent tries, counted against a limit';
comment on column vault.tries.kind is 'which limit: login';
comment on column vault.tries.who is 'whose tries: a keyed HMAC of the Telegram id';
comment on column vault.tries.at is 'when, within the limit''s window at the last try; by the service''s clock';

-- Logins that run ------------------------------------------------------------------------------------------------------

create table vault.attempts (
  login_id text not null,
  attempt bigint not null check (attempt > 0),
  account_id uuid not null,
  state text not null default 'open' check (state in ('open', 'ended')),
  opened_at timestamptz not null default clock_timestamp(),
  holder text,
  announced_as bigint,
  epoch bigint not null default 0,
  expires_at timestamptz,
  sealed_session bytea,
  key_id text,
  primary key (login_id, attempt),
  check ((holder is null) = (expires_at is null))
);
comment on table vault.attempts is 'attempts that have, or may have, a key at Telegram, with the lease of their worker';
comment on column vault.attempts.login_id is 'the login: its public session id';
comment on column vault.attempts.attempt is 'which attempt of it, from 1';
comment on column vault.attempts.account_id is 'whose login it is';
comment on column vault.attempts.state is 'ended: nothing is left to do but to log the key out';
comment on column vault.attempts.opened_at is 'when it was offered to the workers';
comment on column vault.attempts.holder is 'the worker that took it last; null before the first';
comment on column vault.attempts.announced_as is 'the holder''s number in vault.present(); null: it did not announce itself';
comment on column vault.attempts.epoch is 'what every write of the holder has to name';
comment on column vault.attempts.expires_at is 'the end of the lease';
comment on column vault.attempts.sealed_session is 'the MTProto session, sealed with the master key';
comment on column vault.attempts.key_id is 'which master key sealed it; null: a format we do not know, or nothing';

-- Unlogged: a token is worth nothing after half a minute, and so reaches no WAL, no replica and no backup.
create unlogged table vault.qr_tokens (
  login_id text primary key,
  attempt bigint not null,
  token bytea not null,
  expires_at timestamptz not null,
  foreign key (login_id, attempt) references vault.attempts on delete cascade
);
comment on table vault.qr_tokens is 'the token that can be scanned now';
comment on column vault.qr_tokens.login_id is 'the login';
comment on column vault.qr_tokens.attempt is 'which attempt of it';
comment on column vault.qr_tokens.token is 'Telegram''s bytes';
comment on column vault.qr_tokens.expires_at is 'until when Telegram takes it';
create index on vault.qr_tokens (login_id, attempt);

create table vault.requests (
  id bigint generated always as identity primary key,
  login_id text not null,
  attempt bigint not null,
  kind text not null check (kind in ('phone', 'code', 'password')),
  body bytea not null,
  requested_at timestamptz not null default clock_timestamp(),
  foreign key (login_id, attempt) references vault.attempts on delete cascade
);
comment on table vault.requests is 'what the page asks of the worker of a login; gone as soon as it is taken';
comment on column vault.requests.id is 'their order';
comment on column vault.requests.login_id is 'the login';
comment on column vault.requests.attempt is 'which attempt of it';
comment on column vault.requests.kind is 'what is asked';
comment on column vault.requests.body is 'with what: sealed with the master key';
comment on column vault.requests.requested_at is 'when';
create index on vault.requests (login_id, attempt);

-- The fence of the log: a worker that lost its attempt cannot append. `for share` makes the next claim wait until what
-- was appended under this epoch is committed, so that the new holder reads all of it; a worker that freezes before its
-- commit makes it wait two seconds.
create function vault.refuse_fenced_event() returns trigger language plpgsql as $$
begin
  perform set_config('idle_in_transaction_session_timeout', '2s', true);
  perform from vault.attempts
    where login_id = new.metadata ->> 'correlation_id'
      and attempt = (new.metadata ->> 'attempt')::bigint
      and epoch = (new.metadata ->> 'epoch')::bigint
      for share;
  if not found then
    raise exception 'the attempt belongs to another worker' using errcode = 'QR001';
  end if;
  return new;
end $$;
comment on function vault.refuse_fenced_event is 'lets a worker''s event in only while the worker holds its attempt';

create trigger events_fence before insert on events for each row
  when ((new.metadata ->> 'epoch') is not null) execute function vault.refuse_fenced_event();

-- Sessions -------------------------------------------------------------------------------------------------------------

create table vault.sessions (
  account_id uuid not null,
  login_id text not null,
  sealed bytea not null,
  key_id text not null,
  linked_no bigint generated always as identity,
  linked_at timestamptz not null default clock_timestamp(),
  primary key (account_id, login_id)
);
comment on table vault.sessions is 'linked sessions; the newest of a person counts, older ones wait for its confirmation';
comment on column vault.sessions.account_id is 'whose it is';
comment on column vault.sessions.login_id is 'the login that linked it';
comment on column vault.sessions.sealed is 'the MTProto session, sealed with the master key';
comment on column vault.sessions.key_id is 'which master key sealed it';
comment on column vault.sessions.linked_no is 'their order';
comment on column vault.sessions.linked_at is 'when it was linked';

create table vault.retired_keys (
  id bigint generated always as identity primary key,
  account_id uuid not null,
  login_id text not null,
  sealed bytea not null,
  key_id text not null,
  reason text not null check (reason in ('login_ended', 'holder_frozen', 'replaced', 'logged_out')),
  retired_at timestamptz not null default clock_timestamp(),
  not_before timestamptz not null default clock_timestamp(),
  tries integer not null default 0
);
comment on table vault.retired_keys is 'keys that must still be logged out at Telegram';
comment on column vault.retired_keys.id is 'to confirm with';
comment on column vault.retired_keys.account_id is 'whose login it was';
comment on column vault.retired_keys.login_id is 'the login that made the key';
comment on column vault.retired_keys.sealed is 'the MTProto session, sealed with the master key';
comment on column vault.retired_keys.key_id is 'which master key sealed it';
comment on column vault.retired_keys.reason is 'why it is no longer wanted';
comment on column vault.retired_keys.retired_at is 'since when';
comment on column vault.retired_keys.not_before is 'when it is tried next; also the claim of whoever tries it now';
comment on column vault.retired_keys.tries is 'how often it was tried';
create index on vault.retired_keys (not_before);

-- Queues and leases ----------------------------------------------------------------------------------------------------

create table vault.inbox (
  update_id bigint primary key,
  chat bigint,
  body jsonb,
  state text not null default 'waiting' check (state in ('waiting', 'done', 'failed')),
  why text,
  received_at timestamptz not null default clock_timestamp(),
  check ((state = 'waiting') = (body is not null))
);
alter table vault.inbox alter column chat set statistics 0;
alter table vault.inbox alter column body set statistics 0;
comment on table vault.inbox is 'updates of the bot, each handled once';
comment on column vault.inbox.update_id is 'Telegram''s number';
comment on column vault.inbox.chat is 'where it came from; null once handled';
comment on column vault.inbox.body is 'as Telegram sent it; null once handled';
comment on column vault.inbox.state is 'handled, or not yet, or given up';
comment on column vault.inbox.why is 'why it was given up';
comment on column vault.inbox.received_at is 'when it came';
create index on vault.inbox (update_id) where state = 'waiting';

create table vault.outbox (
  id bigint generated always as identity primary key,
  dedup_key text not null unique,
  lane text,
  chat bigint,
  account_id uuid,
  body jsonb,
  state text not null default 'waiting' check (state in ('waiting', 'sending', 'sent', 'gave_up')),
  unclear boolean not null default false,
  queued_at timestamptz not null default clock_timestamp(),
  due_at timestamptz not null default clock_timestamp(),
  not_after timestamptz,
  sender text,
  announced_as bigint,
  claimed_at timestamptz,
  message_id bigint,
  why text,
  check ((state in ('waiting', 'sending')) = (body is not null)),
  check ((body is null) = (lane is null))
);
alter table vault.outbox alter column lane set statistics 0;
alter table vault.outbox alter column chat set statistics 0;
alter table vault.outbox alter column body set statistics 0;
comment on table vault.outbox is 'messages to people, each sent once';
comment on column vault.outbox.id is 'their order';
comment on column vault.outbox.dedup_key is 'why it is sent; a second message with the same reason is none';
comment on column vault.outbox.lane is 'within which they are sent in order: the account, else the chat; null once settled';
comment on column vault.outbox.chat is 'where to, for an answer; null once settled';
comment on column vault.outbox.account_id is 'to whom, for a notice';
comment on column vault.outbox.body is 'what to say; null once settled';
comment on column vault.outbox.state is 'how it stands';
comment on column vault.outbox.unclear is 'a sender died over it: Telegram may have it already';
comment on column vault.outbox.queued_at is 'when it was queued';
comment on column vault.outbox.due_at is 'not to be sent before: Telegram asked to wait';
comment on column vault.outbox.not_after is 'not to be sent after, by the service''s clock: a restored backup floods nobody';
comment on column vault.outbox.sender is 'who took it last';
comment on column vault.outbox.announced_as is 'the sender''s number in vault.present(); null: it did not announce itself';
comment on column vault.outbox.claimed_at is 'when it was taken last';
comment on column vault.outbox.message_id is 'Telegram''s number of the message, once sent';
comment on column vault.outbox.why is 'why it was given up';
create index on vault.outbox (lane, id) where state in ('waiting', 'sending');
create index on vault.outbox (id) where state in ('waiting', 'sending');

create table vault.leases (
  name text primary key,
  holder text not null,
  announced_as bigint,
  epoch bigint not null,
  expires_at timestamptz not null
);
comment on table vault.leases is 'what one process at a time may do';
comment on column vault.leases.name is 'what';
comment on column vault.leases.holder is 'who does it, or did last';
comment on column vault.leases.announced_as is 'the holder''s number in vault.present(); null: it did not announce itself';
comment on column vault.leases.epoch is 'grows with every change of hands';
comment on column vault.leases.expires_at is 'until when';
