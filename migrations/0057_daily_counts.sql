-- Statistics over years: the counts of hourly_counts, by the day in UTC.
--
--   log ──▶ projector ──▶ slots.daily_counts_a | slots.daily_counts_b    (one of the two is live)
--                              └── public.daily_counts
--
-- A day on which nothing happened has no row.

do $$
declare
    taken text;
begin
    select format('a relation called public.%I is in this database already and is not ours: it was left untouched; rename it or give qr-login a database of its own',
             relname)
      into taken
      from pg_class
     where relnamespace = 'public'::regnamespace and relname = 'daily_counts';
    if taken is not null then
        raise exception '%', taken;
    end if;
end $$;

create table slots.daily_counts_a (
    day text collate "C" primary key,
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
comment on table slots.daily_counts_a is 'what happened on each day, by the time in the events; nobody is named';
comment on column slots.daily_counts_a.day is 'the day in UTC: 2026-11-29';
comment on column slots.daily_counts_a.registered is 'people who wrote to the bot for the first time; stays when they are erased';
comment on column slots.daily_counts_a.logins_started is 'attempts that began; a retry is one more';
comment on column slots.daily_counts_a.logins_authorized is 'attempts that the person confirmed';
comment on column slots.daily_counts_a.logins_expired is 'attempts whose time passed';
comment on column slots.daily_counts_a.logins_cancelled is 'attempts that were cancelled';
comment on column slots.daily_counts_a.logins_rejected is 'attempts that another account confirmed';
comment on column slots.daily_counts_a.logins_failed is 'attempts in which something broke';
comment on column slots.daily_counts_a.by_qr is 'confirmed by a QR code or its link';
comment on column slots.daily_counts_a.by_phone is 'confirmed by a code on one phone';
comment on column slots.daily_counts_a.invites_used is 'final uses of invites';
comment on column slots.daily_counts_a.subscriptions_started is '{tier: how many were activated, granted or renewed}';
comment on column slots.daily_counts_a.subscriptions_ended is '{tier: how many expired or were revoked}';
comment on column slots.daily_counts_a.seconds_to_log_in is
    'from the start of an attempt to its confirmation: element n counts those of less than 1.25^(n-1) s that no earlier element counts';

create table slots.daily_counts_b (like slots.daily_counts_a including all);

create view daily_counts as
select day,
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
  from slots.daily_counts_a;
comment on view daily_counts is 'What happened on each day, in UTC. Read it freely; only the projector writes what is behind it';

insert into rebuilds (view) values ('daily_counts');

-- Events before this one's position are not folded in: version 0 has the new leader rebuild the view. An empty log needs none.
insert into checkpoints (consumer, position, version)
select 'daily_counts', position, case when position = 0 then 1 else 0 end from checkpoints where consumer = 'users';

-- A leader of a version before moves neither this checkpoint nor, if it is older, that of hourly_counts. They must not seem to be
-- behind meanwhile. One trigger for both: it runs with each batch of the projector.
drop trigger checkpoints_carry on checkpoints;
drop function carry_hourly_counts();
create function carry_counts() returns trigger
language plpgsql security definer
set search_path = public, pg_temp
as $$
begin
    if exists (select from moved join before using (consumer) where consumer = 'users' and moved.position > before.position) then
        update checkpoints
           set position = (select position from moved where consumer = 'users'),
               version = 0
         where consumer in (select consumer
                              from checkpoints
                             where consumer in ('hourly_counts', 'daily_counts')
                               and consumer not in (select consumer from moved)
                               for no key update skip locked);
    end if;
    return null;
end $$;
comment on function carry_counts() is
    'moves the checkpoints of hourly_counts and daily_counts with that of users where a leader of a version before leads';
revoke execute on function carry_counts() from public;
create trigger checkpoints_carry after update on checkpoints
    referencing old table as before new table as moved
    for each statement execute function carry_counts();

do $$
begin
    if to_regrole('qr_auditor') is not null then
        grant select on daily_counts, slots.daily_counts_a, slots.daily_counts_b to qr_auditor;
    end if;
end $$;
