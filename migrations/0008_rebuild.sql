-- Rebuilding a view beside the live one: where each stands, and what the slot that is being built knows of poison.
--
--   idle ──▶ loading ──▶ following ──swap──▶ emptying ──▶ idle
--               └────────────┴── given up, or died ──▲
--
-- loading: the rebuild alone writes the idle slot. following: the projector writes both slots in one transaction, so that
-- every snapshot sees the same position in either. emptying: the slot that is not live is not needed any more.

create table rebuilds (
  view text primary key,
  state text not null default 'idle' check (state in ('idle', 'loading', 'following', 'emptying')),
  epoch bigint not null default 0
);
comment on table rebuilds is 'one row a view: whether it is being rebuilt';
comment on column rebuilds.view is 'which view';
comment on column rebuilds.state is 'idle, loading, following, emptying: see the drawing in 0008_rebuild.sql';
comment on column rebuilds.epoch is 'of the rebuild that may write the idle slot; drawn from reader_epoch';

insert into rebuilds (view) values ('users'), ('login_status'), ('invites'), ('subscriptions');

create table rebuild_parked (
  view text not null,
  key text not null,
  position bigint not null,
  error text not null,
  parked_at timestamptz not null default clock_timestamp(),
  primary key (view, key)
);
comment on table rebuild_parked is 'parked keys of the slot that is being built; they replace those in parked with the swap';
comment on column rebuild_parked.view is 'which view';
comment on column rebuild_parked.key is 'which row of it';
comment on column rebuild_parked.position is 'of the first event that was not folded in';
comment on column rebuild_parked.error is 'why, without the event''s payload';
comment on column rebuild_parked.parked_at is 'since when';

alter table checkpoints add column version integer not null default 1;
comment on column checkpoints.version is 'of the fold that the live slot was built by; a program with another version rebuilds the view';

do $$
begin
  if to_regrole('qr_auditor') is not null then
    grant select on rebuilds, rebuild_parked to qr_auditor;
  end if;
end $$;
