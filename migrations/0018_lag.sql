-- How many events have no position yet. It is asked with every answer of the bot and at every probe, and was found by a scan of all
-- events once they are many: the planner knows neither the snapshot nor the number that it compares with. Here it is told what to
-- leave alone, as in sequence_events().
--
--   events ── without a position ──▶ events_without_position() ── sequence_events() ──▶ log_index

create function events_without_position(out unplaced bigint, out since timestamptz, out last_position bigint)
language plpgsql stable
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    s       sequencer;
    beyond  xid8;
    running xid8[];
begin
    select * into s from sequencer;
    beyond := pg_snapshot_xmax(s.taken);
    running := array(select pg_snapshot_xip(s.taken));
    with fresh as (
        select recorded_at from events where cluster_no = s.cluster_no and transaction_id >= beyond
        union all
        select recorded_at from events where cluster_no = s.cluster_no and transaction_id = any (running)
    )
    select count(*), min(recorded_at), (select coalesce(max(position), 0) from log_index)
      into unplaced, since, last_position
      from fresh;
end $$;

comment on function events_without_position() is 'committed events that have no position yet, the time of the oldest, and the last position given';
