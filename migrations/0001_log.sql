-- The log: every fact, once, for ever.
--
--   append (any writer) ──▶ events ──(committed)──▶ sequence_events() ──▶ log_index: position 1, 2, 3, …
--
-- An identity column is no commit order: a reader of "event_no > checkpoint" overlooks whoever commits late. So positions
-- are given after the commit, by one sequencer, to what its snapshot sees and its last snapshot did not see.

create table events (
    aggregate_type text not null,
    aggregate_id   text not null,
    sequence       bigint not null check (sequence >= 1),
    event_type     text not null,
    event_version  text not null,
    payload        json not null,
    metadata       json not null,
    event_no       bigint generated always as identity,
    transaction_id xid8 not null default pg_current_xact_id(),
    recorded_at    timestamptz not null default clock_timestamp(),
    primary key (aggregate_type, aggregate_id, sequence)
);

comment on table events is 'every event of every stream; never updated, never deleted';
comment on column events.aggregate_type is 'which kind of stream: invite, login, account';
comment on column events.aggregate_id is 'which stream of that kind';
comment on column events.sequence is 'place in the stream, from 1 without gaps; the primary key is the optimistic lock';
comment on column events.event_type is 'the stored name of the event, which never changes';
comment on column events.event_version is 'the version of the payload''s shape';
comment on column events.payload is '{"<event_type>": {…}}; personal data only sealed with the person''s own key';
comment on column events.metadata is 'the envelope, all strings: actor, account_id, correlation_id (the login), causation_id (stream/id/sequence), update_id, epoch, attempt';
comment on column events.event_no is 'order of insertion, not of commit; ties within one snapshot are broken by it';
comment on column events.transaction_id is 'the transaction that wrote it: what the sequencer compares snapshots by; 0 after a move from another cluster';
comment on column events.recorded_at is 'the database''s clock at insertion; may run backwards by milliseconds along positions';

create unique index events_event_no on events (event_no);
create index events_transaction_id on events (transaction_id);
-- What the history filters by.
create index events_account on events ((metadata ->> 'account_id'), event_no);
create index events_login on events ((metadata ->> 'correlation_id'), event_no);
create index events_event_type on events (event_type, event_no);
create index events_recorded_at on events using brin (recorded_at);

create table log_index (
    position bigint primary key check (position >= 1),
    event_no bigint not null unique
);

comment on table log_index is 'the one order of all events';
comment on column log_index.position is 'dense, from 1; order, checkpoint and "read your writes" mean this number';
comment on column log_index.event_no is 'which event';

create table sequencer (
    one           bool primary key default true check (one),
    epoch         bigint not null default 0,
    taken         pg_snapshot not null default '1:1:',
    next_position bigint not null default 1,
    cluster       text
);

comment on table sequencer is 'where the giving of positions stands; one row';
comment on column sequencer.one is 'there is one row';
comment on column sequencer.epoch is 'who may give positions: taking over adds one, and whoever has an older number is fenced';
comment on column sequencer.taken is 'everything this snapshot sees has its position';
comment on column sequencer.next_position is 'the next one to give';
comment on column sequencer.cluster is 'system identifier/timeline that the transaction ids belong to; null before the first sequencer';

insert into sequencer default values;

-- Gives positions to what has been committed since the last call and answers how many. To be called on its own, in READ
-- COMMITTED: the row is locked by the first statement, and the snapshot that counts is taken by the one after it.
create function sequence_events(my_epoch bigint) returns bigint
language plpgsql
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    s       sequencer;
    n       bigint;
    beyond  xid8;
    running xid8[];
begin
    select * into s from sequencer where epoch = my_epoch for no key update;
    if not found then
        raise exception 'another sequencer has taken over' using errcode = 'QR001';
    end if;
    beyond := pg_snapshot_xmax(s.taken);
    running := array(select pg_snapshot_xip(s.taken));
    with fresh as materialized (
        select event_no from events where transaction_id >= beyond
        union all
        select event_no from events where transaction_id = any (running)
    ), placed as (
        insert into log_index
        select s.next_position - 1 + row_number() over (order by event_no), event_no from fresh
        returning 1
    )
    update sequencer
       set taken = pg_current_snapshot(),
           next_position = s.next_position + (select count(*) from placed)
     where exists (select from fresh)
    returning next_position - s.next_position into n;
    return coalesce(n, 0);
end $$;

comment on function sequence_events(bigint) is 'gives committed events their positions; QR001 if the epoch is not the current one';

create function refuse_change() returns trigger
language plpgsql
as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'QR002';
end $$;

comment on function refuse_change() is 'QR002: the log is append-only';

create trigger events_append_only before update or delete or truncate on events
for each statement execute function refuse_change();
create trigger log_index_append_only before update or delete or truncate on log_index
for each statement execute function refuse_change();
