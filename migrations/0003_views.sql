-- The read side: what everybody reads, built from the log alone, and how far each reader of the log has come.
--
--   log ──▶ projector ──▶ slots.users_a | slots.users_b      (one of the two is live)
--                │                └── public.users           (a view over the live slot: the name others know)
--                └── checkpoints, parked
--
-- Every table below can be emptied and built again by `replay rebuild`; nothing else may write to them.

do $$
declare
  taken text;
begin
  select format('a %s called public.%I is in this database already and is not ours: it was left untouched; rename it or give qr-login a database of its own',
           case relkind when 'f' then 'foreign table' when 'r' then 'table' when 'p' then 'table' when 'v' then 'view' when 'm' then 'view' else 'relation' end,
           relname)
    into taken
    from pg_class
   where relnamespace = 'public'::regnamespace
     and relname in ('users', 'login_status', 'invites', 'subscriptions')
   limit 1;
  if taken is not null then
    raise exception '%', taken;
  end if;
end $$;

create schema slots;
comment on schema slots is 'The tables behind the views: two slots each, so that one can be rebuilt while the other is read';

-- How far each reader of the log has come. A reader that took over raises the epoch; a batch that finds another epoch
-- than its own is refused.
create table checkpoints (
  consumer text primary key,                                  -- a view's name, or 'reactor'
  position bigint not null default 0 check (position >= 0),   -- the last position of the log that is folded in
  epoch bigint not null default 0,                            -- of the leader that may move it
  slot text not null default 'a' check (slot in ('a', 'b')),  -- a view's live slot; no meaning for the reactor
  moved_at timestamptz not null default clock_timestamp()     -- when position last moved
);
create sequence reader_epoch;                                 -- each takeover draws the next

insert into checkpoints (consumer)
values ('users'), ('login_status'), ('invites'), ('subscriptions'), ('reactor');

-- Poison: from this event on, this key of this view stands still; everything else goes on.
create table parked (
  view text not null,                                         -- which view, or 'reactor'
  key text not null,                                          -- which row of it; for the reactor stream/id/sequence
  position bigint not null,                                   -- of the first event that was not folded in
  error text not null,                                        -- why, without the event's payload
  parked_at timestamptz not null default clock_timestamp(),   -- since when
  primary key (view, key)
);

-- What people without a subscription have: as configured today, and so no part of any event. Written by the leader.
create table free_limits (
  one boolean primary key default true check (one),
  limits jsonb not null
);
insert into free_limits (limits)
values ('{"max_channels": 3, "max_groups": 2, "posts_per_day": 100, "rag_per_day": 10, "voice_per_day": 0, "ai_digest": false, "priority": false}');

-- users: one row a person; an erased person has none.
create table slots.users_a (
  account_id uuid primary key,             -- the person, as events know them
  telegram_id bigint unique not null,      -- the person, as Telegram knows them
  first_name text,                         -- as Telegram last told it
  last_name text,                          -- as Telegram last told it
  username text,                           -- without the @
  language_code text,                      -- IETF tag, as Telegram last told it
  role text not null,                      -- user, admin, auditor
  is_authenticated boolean not null,       -- whether a session is linked
  is_blocked boolean not null,             -- refused everywhere
  subscription_type text not null,         -- the tier; free without one
  subscription_status text not null,       -- none, active, expired
  subscription_started_at timestamptz,     -- null without one
  subscription_expires_at timestamptz,     -- null: unlimited, or none
  limits jsonb,                            -- as granted; null: the free ones of today
  invited_by uuid,                         -- who made the invite that started the first subscription
  session_exported boolean not null,       -- whether the linked session was handed over
  linked_login_id text,                    -- the login that linked the session
  created_at timestamptz not null,         -- of the registration
  updated_at timestamptz not null          -- of the last event that changed the row
);

-- login_status: one row a login, as its latest attempt stands.
create table slots.login_status_a (
  login_id text primary key,               -- the session_id of the Mini App
  account_id uuid not null,                -- whose login it is
  attempt integer not null,                -- from 1; a retry is the next
  status text not null,                    -- waiting … failed
  version bigint not null,                 -- position of the login's last event
  started_position bigint not null,        -- position of the event that began the attempt
  invite_id uuid,                          -- whose use is reserved
  started_at timestamptz not null,         -- of the attempt
  deadline_at timestamptz not null,        -- when it expires, unless it ends before
  qr_expires_at timestamptz,               -- when the QR code on the screen dies
  code_via text,                           -- how Telegram sent the login code
  code_length integer,                     -- its number of digits, where known
  code_rejected boolean not null,          -- the last code was wrong
  password_rejected boolean not null,      -- the last password was wrong
  reason text,                             -- why it was cancelled or failed
  ended_at timestamptz                     -- null while it is live
);
create index on slots.login_status_a (deadline_at) where ended_at is null;
create index on slots.login_status_a (account_id, version desc);

-- invites: one row an invite. Its code is in the vault.
create table slots.invites_a (
  invite_id uuid primary key,              -- the stream's id
  tier text not null,                      -- what it promises
  max_uses integer not null,               -- reserved and used ones together never exceed it
  reserved integer not null,               -- uses that a live login holds
  used integer not null,                   -- uses for good
  redemptions jsonb not null,              -- {account id: {login_id, attempt, used, at}}
  valid_until timestamptz not null,        -- nobody redeems it from then on
  subscription_days integer not null,      -- 0: unlimited
  revoked boolean not null,                -- an admin took it back
  created_by uuid,                         -- null: made from the command line
  created_at timestamptz not null          -- when
);
create index on slots.invites_a (created_at desc, invite_id);

-- subscriptions: one row a person who ever had one: the latest, also when it is over.
create table slots.subscriptions_a (
  account_id uuid primary key,             -- whose
  tier text not null,                      -- which
  status text not null,                    -- active, expired
  limits jsonb not null,                   -- as they were on the day it was granted
  started_at timestamptz not null,         -- of the running span
  expires_at timestamptz,                  -- null: unlimited
  login_id text                            -- the login that started it; null: an admin
);
create index on slots.subscriptions_a (expires_at) where status = 'active';

create table slots.users_b (like slots.users_a including all);
create table slots.login_status_b (like slots.login_status_a including all);
create table slots.invites_b (like slots.invites_a including all);
create table slots.subscriptions_b (like slots.subscriptions_a including all);

-- Statistics keep samples of values: an erased person's name would live on in pg_stats.
do $$
declare
  slot text;
  personal text;
begin
  foreach slot in array array['a', 'b'] loop
    foreach personal in array array['telegram_id', 'first_name', 'last_name', 'username', 'language_code'] loop
      execute format('alter table slots.users_%s alter column %I set statistics 0', slot, personal);
    end loop;
  end loop;
end $$;

create view users as
select u.telegram_id,
       u.account_id,
       u.first_name,
       u.last_name,
       u.username,
       u.language_code,
       u.role,
       u.is_authenticated,
       u.is_blocked,
       u.subscription_type,
       u.subscription_status,
       u.subscription_started_at,
       u.subscription_expires_at,
       (coalesce(u.limits, f.limits) ->> 'max_channels')::integer as max_channels,
       coalesce(u.limits, f.limits) as limits,
       u.invited_by,
       u.session_exported,
       u.created_at,
       u.updated_at
  from slots.users_a u
 cross join free_limits f;
comment on view users is 'One row a person. Read it freely; only the projector writes what is behind it';

create view login_status as
select login_id,
       account_id,
       attempt,
       status,
       version,
       started_position,
       invite_id,
       started_at,
       deadline_at,
       qr_expires_at,
       code_via,
       code_length,
       code_rejected,
       password_rejected,
       reason,
       ended_at
  from slots.login_status_a;

create view invites as
select invite_id,
       tier,
       max_uses,
       reserved,
       used,
       redemptions,
       valid_until,
       subscription_days,
       revoked,
       created_by,
       created_at
  from slots.invites_a;

create view subscriptions as
select account_id,
       tier,
       status,
       limits,
       started_at,
       expires_at,
       login_id
  from slots.subscriptions_a;
