-- What came of tries: $1 numbers, $2 outcomes, $3 waits in seconds, $4 statuses, $5 reasons. A message that is not there any more, or
-- does not wait any more, was dropped or settled by somebody else.
with outcomes as materialized (
  select *
    from unnest($1::bigint[], $2::text[], $3::float8[], $4::smallint[], $5::text[]) as o (delivery_no, outcome, wait, status, why)
),
dropped as (
  delete from vault.webhook_deliveries d
   using outcomes o
   where d.delivery_no = o.delivery_no
     and d.state = 'waiting'
     and o.outcome = 'dropped'
  returning d.webhook_id, d.lane
),
recorded as (
  update vault.webhook_deliveries d
     set state = case
                   when o.outcome = 'delivered' then 'delivered'
                   when o.outcome = 'unreadable' or o.outcome = 'failed' and d.give_up_at <= clock_timestamp() then 'parked'
                   else 'waiting'
                 end,
         due_at = case
                    -- Another one is the first of its lane by now: it was replayed while this one was under way.
                    when d.due_at is null then null
                    when o.outcome = 'failed' and d.give_up_at > clock_timestamp()
                    then least(d.give_up_at, clock_timestamp() + make_interval(secs => o.wait))
                    when o.outcome = 'gone' then clock_timestamp()
                  end,
         settled_at = case
                        when o.outcome in ('delivered', 'unreadable') or o.outcome = 'failed' and d.give_up_at <= clock_timestamp()
                        then clock_timestamp()
                      end,
         attempts = attempts + 1,
         last_status = o.status,
         last_error = o.why
    from outcomes o
   where d.delivery_no = o.delivery_no
     and d.state = 'waiting'
     and o.outcome <> 'dropped'
  returning d.webhook_id, d.lane, d.state, o.outcome
),
noted as (
  update vault.webhooks w
     set last_delivered_at = case when r.delivered then clock_timestamp() else w.last_delivered_at end,
         gone_at = case when r.gone then coalesce(w.gone_at, clock_timestamp()) else w.gone_at end
    from (select webhook_id, bool_or(outcome = 'delivered') as delivered, bool_or(outcome = 'gone') as gone
            from recorded group by webhook_id) r
   where w.webhook_id = r.webhook_id
     and (r.delivered or r.gone)
)
select webhook_id as "webhook_id!", lane as "lane!", state = 'parked' as "parked!"
  from recorded
 where state <> 'waiting'
union all
select webhook_id, lane, false from dropped
