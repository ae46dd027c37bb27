-- Statistics: what happened in each hour, and how many there are now.
--
--   log ──▶ projector ──▶ slots.hourly_counts_a | slots.hourly_counts_b    (one of the two is live)
--                              └── public.hourly_counts
--
--   slots.users_*, slots.invites_* ──triggers──▶ slots.tallies    (how many rows of a slot are so; changed with the rows)
--
-- Hours are UTC. An hour in which nothing happened has no row.

do $$
declare
    taken text;
begin
    select format('a relation called public.%I is in this database already and is not ours: it was left untouched; rename it or give qr-login a database of its own',
             relname)
      into taken
      from pg_class
     where relnamespace = 'public'::regnamespace and relname = 'hourly_counts';
    if taken is not null then
        raise exception '%', taken;
    end if;
end $$;

create table slots.hourly_counts_a (
    hour text collate "C" primary key,
    registered bigint not null,
    logins_started bigint not null,
    logins_authorized bigint not null,
    logins_expired bigint not null,
    logins_cancelled bigint not null,
    logins_rejected bigint not null,
    logins_failed bigint not null,
    by_qr bigint not null,
    by_phone bigint not null,
    invites_used bigint not null,
    subscriptions_started jsonb not null,
    subscriptions_ended jsonb not null,
    seconds_to_log_in bigint[] not null
);
comment on table slots.hourly_counts_a is 'what happened in each hour, by the time in the events; nobody is named';
comment on column slots.hourly_counts_a.hour is 'the hour in UTC: 2026-11-29T09';
comment on column slots.hourly_counts_a.registered is 'people who wrote to the bot for the first time; stays when they are erased';
comment on column slots.hourly_counts_a.logins_started is 'attempts that began; a retry is one more';
comment on column slots.hourly_counts_a.logins_authorized is 'attempts that the person confirmed';
comment on column slots.hourly_counts_a.logins_expired is 'attempts whose time passed';
comment on column slots.hourly_counts_a.logins_cancelled is 'attempts that were cancelled';
comment on column slots.hourly_counts_a.logins_rejected is 'attempts that another account confirmed';
comment on column slots.hourly_counts_a.logins_failed is 'attempts in which something broke';
comment on column slots.hourly_counts_a.by_qr is 'confirmed by a QR code or its link';
comment on column slots.hourly_counts_a.by_phone is 'confirmed by a code on one phone';
comment on column slots.hourly_counts_a.invites_used is 'final uses of invites';
comment on column slots.hourly_counts_a.subscriptions_started is '{tier: how many were activated, granted or renewed}';
comment on column slots.hourly_counts_a.subscriptions_ended is '{tier: how many expired or were revoked}';
comment on column slots.hourly_counts_a.seconds_to_log_in is
    'from the start of an attempt to its confirmation: element n counts those of less than 1.25^(n-1) s that no earlier element counts';

create table slots.hourly_counts_b (like slots.hourly_counts_a including all);

create view hourly_counts as
select hour,
       registered,
       logins_started,
       logins_authorized,
       logins_expired,
       logins_cancelled,
       logins_rejected,
       logins_failed,
       by_qr,
       by_phone,
       invites_used,
       subscriptions_started,
       subscriptions_ended,
       seconds_to_log_in
  from slots.hourly_counts_a;
comment on view hourly_counts is 'What happened in each hour, in UTC. Read it freely; only the projector writes what is behind it';

insert into rebuilds (view) values ('hourly_counts');

-- Events before this one's position are not folded in: version 0 has the new leader rebuild the view. An empty log needs none.
insert into checkpoints (consumer, position, version)
select 'hourly_counts', position, case when position = 0 then 1 else 0 end from checkpoints where consumer = 'users';

-- A leader of the version before does not move this checkpoint. It must not seem to be behind meanwhile.
create function carry_hourly_counts() returns trigger
language plpgsql security definer
set search_path = public, pg_temp
as $$
begin
    if exists (select from moved join before using (consumer) where consumer = 'users' and moved.position > before.position)
       and not exists (select from moved where consumer = 'hourly_counts') then
        update checkpoints
           set position = (select position from moved where consumer = 'users'),
               version = 0
         where consumer in (select consumer from checkpoints where consumer = 'hourly_counts' for no key update skip locked);
    end if;
    return null;
end $$;
comment on function carry_hourly_counts() is 'moves the checkpoint of hourly_counts with that of users where a leader of the version before leads';
revoke execute on function carry_hourly_counts() from public;
create trigger checkpoints_carry after update on checkpoints
    referencing old table as before new table as moved
    for each statement execute function carry_hourly_counts();

-- Which invites can no longer be redeemed in the hour that runs.
create index on slots.invites_a (valid_until);
create index on slots.invites_b (valid_until);

create table slots.tallies (
    view text not null,
    slot text not null,
    tally text not null,
    value text not null,
    count bigint not null,
    primary key (view, slot, tally, value)
) with (fillfactor = 50);
comment on table slots.tallies is 'how many rows of a slot are so; kept by triggers in the transaction that changes the rows';
comment on column slots.tallies.view is 'users or invites';
comment on column slots.tallies.slot is 'a or b';
comment on column slots.tallies.tally is 'people, authenticated, blocked; active: with a subscription of the tier; ends: whose subscription ends in the hour; open: redeemable invites that are valid until the hour';
comment on column slots.tallies.value is 'a tier, an hour in UTC (2026-11-29T09), or empty';
comment on column slots.tallies.count is 'how many rows; 0 where there were some';

create function tally_hour(at timestamptz) returns text
language sql stable
as $$ select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24') $$;
comment on function tally_hour(timestamptz) is 'the hour in UTC, as hourly_counts and tallies spell it';

create function tallies_of_user(is_authenticated boolean, is_blocked boolean, tier text, status text, expires_at timestamptz)
returns table (tally text, value text)
language sql stable
as $$
    select t.tally, t.value
      from (values ('people', '', true),
                   ('authenticated', '', is_authenticated),
                   ('blocked', '', is_blocked),
                   ('active', tier, status = 'active'),
                   ('ends', tally_hour(expires_at), status = 'active' and expires_at is not null)) t (tally, value, is_so)
     where t.is_so
$$;
comment on function tallies_of_user(boolean, boolean, text, text, timestamptz) is 'what a row of users is counted in';

create function tallies_of_invite(max_uses integer, reserved integer, used integer, revoked boolean, valid_until timestamptz)
returns table (tally text, value text)
language sql stable
as $$ select 'open', tally_hour(valid_until) where not revoked and reserved + used < max_uses $$;
comment on function tallies_of_invite(integer, integer, integer, boolean, timestamptz) is 'what a row of invites is counted in';

-- The same three statements for both views; the trigger's argument is the slot.
create function tally_users() returns trigger
language plpgsql security definer
set search_path = public, pg_temp
as $$
begin
    case tg_op
        when 'TRUNCATE' then
            delete from slots.tallies where view = 'users' and slot = tg_argv[0];
        when 'INSERT' then
            insert into slots.tallies as kept (view, slot, tally, value, count)
            select 'users', tg_argv[0], t.tally, t.value, count(*)
              from new_rows r, tallies_of_user(r.is_authenticated, r.is_blocked, r.subscription_type, r.subscription_status, r.subscription_expires_at) t
             group by t.tally, t.value
            on conflict (view, slot, tally, value) do update set count = kept.count + excluded.count;
        when 'DELETE' then
            insert into slots.tallies as kept (view, slot, tally, value, count)
            select 'users', tg_argv[0], t.tally, t.value, -count(*)
              from old_rows r, tallies_of_user(r.is_authenticated, r.is_blocked, r.subscription_type, r.subscription_status, r.subscription_expires_at) t
             group by t.tally, t.value
            on conflict (view, slot, tally, value) do update set count = kept.count + excluded.count;
        else
            insert into slots.tallies as kept (view, slot, tally, value, count)
            select 'users', tg_argv[0], t.tally, t.value, sum(r.one)
              from (select is_authenticated, is_blocked, subscription_type, subscription_status, subscription_expires_at, 1 as one from new_rows
                    union all
                    select is_authenticated, is_blocked, subscription_type, subscription_status, subscription_expires_at, -1 from old_rows) r,
                   tallies_of_user(r.is_authenticated, r.is_blocked, r.subscription_type, r.subscription_status, r.subscription_expires_at) t
             group by t.tally, t.value
            having sum(r.one) <> 0
            on conflict (view, slot, tally, value) do update set count = kept.count + excluded.count;
    end case;
    return null;
end $$;
comment on function tally_users() is 'keeps the tallies of a slot of users';
revoke execute on function tally_users() from public;

create function tally_invites() returns trigger
language plpgsql security definer
set search_path = public, pg_temp
as $$
begin
    case tg_op
        when 'TRUNCATE' then
            delete from slots.tallies where view = 'invites' and slot = tg_argv[0];
        when 'INSERT' then
            insert into slots.tallies as kept (view, slot, tally, value, count)
            select 'invites', tg_argv[0], t.tally, t.value, count(*)
              from new_rows r, tallies_of_invite(r.max_uses, r.reserved, r.used, r.revoked, r.valid_until) t
             group by t.tally, t.value
            on conflict (view, slot, tally, value) do update set count = kept.count + excluded.count;
        when 'DELETE' then
            insert into slots.tallies as kept (view, slot, tally, value, count)
            select 'invites', tg_argv[0], t.tally, t.value, -count(*)
              from old_rows r, tallies_of_invite(r.max_uses, r.reserved, r.used, r.revoked, r.valid_until) t
             group by t.tally, t.value
            on conflict (view, slot, tally, value) do update set count = kept.count + excluded.count;
        else
            insert into slots.tallies as kept (view, slot, tally, value, count)
            select 'invites', tg_argv[0], t.tally, t.value, sum(r.one)
              from (select max_uses, reserved, used, revoked, valid_until, 1 as one from new_rows
                    union all
                    select max_uses, reserved, used, revoked, valid_until, -1 from old_rows) r,
                   tallies_of_invite(r.max_uses, r.reserved, r.used, r.revoked, r.valid_until) t
             group by t.tally, t.value
            having sum(r.one) <> 0
            on conflict (view, slot, tally, value) do update set count = kept.count + excluded.count;
    end case;
    return null;
end $$;
comment on function tally_invites() is 'keeps the tallies of a slot of invites';
revoke execute on function tally_invites() from public;

create function count_tallies(view_name text, slot text)
returns table (tally text, value text, count bigint)
language plpgsql stable
as $$
begin
    if view_name = 'users' then
        return query execute format(
            'select t.tally, t.value, count(*) from slots.users_%s r,
                    public.tallies_of_user(r.is_authenticated, r.is_blocked, r.subscription_type, r.subscription_status, r.subscription_expires_at) t
              group by 1, 2', slot);
    elsif view_name = 'invites' then
        return query execute format(
            'select t.tally, t.value, count(*) from slots.invites_%s r,
                    public.tallies_of_invite(r.max_uses, r.reserved, r.used, r.revoked, r.valid_until) t
              group by 1, 2', slot);
    end if;
end $$;
comment on function count_tallies(text, text) is 'the tallies of a slot, counted from its rows';

-- Before and after a mass of rows: triggers would count them chunk by chunk.
create function begin_load(view_name text, slot text) returns void
language plpgsql security definer
set search_path = public, pg_temp
as $$
declare
    event text;
begin
    if view_name in ('users', 'invites') and slot in ('a', 'b') then
        foreach event in array array['insert', 'update', 'delete'] loop
            execute format('drop trigger if exists tally_%s on slots.%I', event, view_name || '_' || slot);
        end loop;
        delete from slots.tallies t where t.view = view_name and t.slot = begin_load.slot;
    end if;
end $$;
comment on function begin_load(text, text) is 'takes from a slot that is empty what slows down loading it';
revoke execute on function begin_load(text, text) from public;

create function end_load(view_name text, slot text) returns void
language plpgsql security definer
set search_path = public, pg_temp
as $$
declare
    relation text := view_name || '_' || slot;
begin
    if view_name in ('users', 'invites') and slot in ('a', 'b') then
        perform begin_load(view_name, slot);
        execute format('create trigger tally_insert after insert on slots.%I referencing new table as new_rows '
                       'for each statement execute function tally_%s(%L)', relation, view_name, slot);
        execute format('create trigger tally_update after update on slots.%I referencing old table as old_rows new table as new_rows '
                       'for each statement execute function tally_%s(%L)', relation, view_name, slot);
        execute format('create trigger tally_delete after delete on slots.%I referencing old table as old_rows '
                       'for each statement execute function tally_%s(%L)', relation, view_name, slot);
        insert into slots.tallies (view, slot, tally, value, count)
        select view_name, end_load.slot, t.tally, t.value, t.count from count_tallies(view_name, slot) t;
    end if;
end $$;
comment on function end_load(text, text) is 'gives a slot back what begin_load took, for the rows that it has now';
revoke execute on function end_load(text, text) from public;

do $$
declare
    name text;
    slot text;
begin
    foreach name in array array['users', 'invites'] loop
        foreach slot in array array['a', 'b'] loop
            execute format('create trigger tally_truncate after truncate on slots.%I for each statement execute function tally_%s(%L)',
                           name || '_' || slot, name, slot);
            perform end_load(name, slot);
        end loop;
    end loop;
    if to_regrole('qr_auditor') is not null then
        grant select on hourly_counts, slots.hourly_counts_a, slots.hourly_counts_b, slots.tallies to qr_auditor;
    end if;
end $$;
