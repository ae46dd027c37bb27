-- People, invites and sessions that are taken over from the system that this service replaces (`qr-login import`). The log has what
-- they are; these tables have how far the import came, so that it goes on after a kill, and a second one adds only what is new.
--
--   imported_people    (none) ── gets an account ──▶ begun ── its events are appended ──▶ taken ── the person is erased ──▶ without account
--   imported_invites   (none) ── its code is kept ──▶ begun ── its events are appended ──▶ taken
--   imported_sessions  (none) ── sealed in the vault ──▶ linked ── SessionImported ──▶ recorded ── somebody here uses it ──▶ used, for good
--                                       │                            └── --undo ──▶ returned ── SessionReturned ──▶ recorded
--                                       └── --undo ──▶ returned
--   timed_blocks       (none) ── blocked until a date ──▶ waiting ── the date has come ──▶ (none)
--
-- The program before this one knows none of the tables. It may use a session that was imported: the trigger notes that for it.

create table vault.imported_people (
    person bytea primary key check (length(person) = 32),
    account_id uuid unique references vault.subjects on delete set null,
    begun_at timestamptz not null default clock_timestamp(),
    taken_at timestamptz
);
comment on table  vault.imported_people            is 'people whom the import has taken over';
comment on column vault.imported_people.person     is 'who: a keyed HMAC of the Telegram id, which also keeps an erased person from being taken over again';
comment on column vault.imported_people.account_id is 'their account; null: they were erased since';
comment on column vault.imported_people.begun_at   is 'when they got it';
comment on column vault.imported_people.taken_at   is 'when all their events were appended; null: an import died before that, and the next one goes on';

create table vault.imported_invites (
    invite_id uuid primary key references vault.invite_codes on delete cascade,
    begun_at timestamptz not null default clock_timestamp(),
    taken_at timestamptz
);
comment on table  vault.imported_invites           is 'invites that the import has taken over';
comment on column vault.imported_invites.invite_id is 'which; its code is in invite_codes';
comment on column vault.imported_invites.begun_at  is 'when its code was kept';
comment on column vault.imported_invites.taken_at  is 'when its events were appended; null: an import died before that, and the next one goes on';

create table vault.imported_sessions (
    login_id text primary key,
    account_id uuid not null references vault.subjects on delete cascade,
    linked_at timestamptz not null default clock_timestamp(),
    recorded_at timestamptz,
    used_at timestamptz,
    returned_at timestamptz
);
create unique index imported_sessions_account on vault.imported_sessions (account_id) where returned_at is null;
create index imported_sessions_of_account on vault.imported_sessions (account_id);
comment on table  vault.imported_sessions             is 'sessions of Telethon that the import has linked; the keys themselves are in sessions';
comment on column vault.imported_sessions.login_id    is 'stands for the login that linked it, in events and in sessions';
comment on column vault.imported_sessions.account_id  is 'whose it is; the row goes with the person''s key';
comment on column vault.imported_sessions.linked_at   is 'when it was sealed in the vault';
comment on column vault.imported_sessions.recorded_at is 'when the event was appended that says how it stands: SessionImported, or SessionReturned for a returned one; null: not yet';
comment on column vault.imported_sessions.used_at     is 'when somebody here first borrowed it; null: nobody has, so it can be given back';
comment on column vault.imported_sessions.returned_at is 'when it was given back to the other system; null: it was not';

create table vault.timed_blocks (
    account_id uuid primary key references vault.subjects on delete cascade,
    until timestamptz not null
);
create index timed_blocks_until on vault.timed_blocks (until);
comment on table  vault.timed_blocks            is 'blocks that end by themselves; the event of the block decides whether it still does';
comment on column vault.timed_blocks.account_id is 'who is blocked';
comment on column vault.timed_blocks.until      is 'until when';

create function vault.note_use_of_imported_session() returns trigger
language plpgsql
set search_path = vault, pg_temp
as $$
begin
    update vault.imported_sessions set used_at = clock_timestamp() where login_id = new.login_id and used_at is null;
    return new;
end $$;
comment on function vault.note_use_of_imported_session() is 'notes that a session was borrowed which the import has linked: it cannot be given back any more';
create trigger note_use_of_imported_session
    after update of in_use_until on vault.sessions
    for each row when (new.in_use_until is not null)
    execute function vault.note_use_of_imported_session();
