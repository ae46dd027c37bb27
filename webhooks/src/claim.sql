-- $1 webhooks, $2 how many of each. Within one webhook the longest due first; the sender says whose turn it is among webhooks. A
-- webhook's own messages alone are read for it, and no more than are taken: however many wait, for it or for others.
select d.delivery_no as "delivery_no!",
       d.message_id as "message_id!",
       d.webhook_id as "webhook_id!",
       d.type as "kind!",
       d.position,
       d.account_id,
       d.lane as "lane!",
       d.attempts as "attempts!",
       d.created_at as "created_at!: jiff_sqlx::Timestamp"
  from unnest($1::uuid[], $2::bigint[]) as e (webhook_id, most)
 cross join lateral (
   select *
     from vault.webhook_deliveries w
    where w.webhook_id = e.webhook_id
      and w.state = 'waiting'
      and w.due_at <= statement_timestamp()
    order by w.due_at, w.delivery_no
    limit e.most) d
