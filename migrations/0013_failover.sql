-- A standby that takes over is another timeline, in which transaction ids are given anew. A sequencer whose connections were led
-- there without an error must notice: its snapshot speaks of the old one.

create function this_cluster() returns text
language sql stable
as $$
    select system_identifier || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
      from pg_control_system()
$$;

comment on function this_cluster() is 'system identifier/timeline: what transaction ids and positions belong to';

create or replace function sequence_events(my_epoch bigint) returns bigint
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
    if s.cluster <> this_cluster() then
        raise exception 'the log lives in another cluster or timeline now' using errcode = 'QR001';
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
