-- $1 lease, $2 epoch, $3 how many. A message is due where no earlier one of its lane waits. The condition is a comparison with
-- the lane's first message, not an anti-join, so that a large outbox is never read as a whole.
with held as materialized (
  select from vault.leases
   where name = $1
     and epoch = $2
     and expires_at > clock_timestamp()
),
waiting as (
  select due.id, priorities.priority, due.due_at
    from (values (0::smallint), (1::smallint), (2::smallint)) as priorities (priority)
   cross join lateral (
     select id, due_at
       from vault.outbox o
      where state = 'waiting'
        and priority = priorities.priority
        and due_at <= statement_timestamp()
        and id = (select min(id) from vault.outbox e where e.state in ('waiting', 'sending') and e.lane = o.lane)
      order by due_at, id
      limit $3
   ) as due
),
anothers as (
  select id, -1 as priority, due_at
    from vault.outbox o
   where state = 'sending'
     and (epoch < $2 or epoch > $2 or epoch is null)
     and id = (select min(id) from vault.outbox e where e.state in ('waiting', 'sending') and e.lane = o.lane)
   order by id
   limit $3
),
found as materialized (
  select id
    from (select * from anothers union all select * from waiting) as candidates
   where exists (select from held)
   order by priority, due_at, id
   limit $3
),
due as (
  select id, state = 'sending' as unclear
    from vault.outbox
   where id = any (array(select id from found))
     and (state = 'waiting' or state = 'sending' and epoch is distinct from $2)
     for update skip locked
)
update vault.outbox o
   set state = 'sending',
       unclear = o.unclear or due.unclear,
       epoch = $2,
       sender = null,
       announced_as = null,
       claimed_at = clock_timestamp()
  from due
 where o.id = due.id
returning o.id, o.dedup_key, o.chat, o.account_id, o.body as "body!", o.unclear, o.message_id
