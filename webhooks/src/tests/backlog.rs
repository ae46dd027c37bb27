//! However much waits, a claim reads what it takes.

use serde_json::Value;

use super::receiver::Receiver;
use super::world::World;

/// 1 webhook with 100,000 messages: 50,000 of one person, of which one is due, and 50,000 of as many people, half of them due.
async fn fill(world: &World, webhook_id: uuid::Uuid) {
    let fill = format!(
        "insert into vault.webhook_deliveries (message_id, webhook_id, type, position, account_id, lane, due_at, give_up_at)
         select 'msg_' || n, '{webhook_id}', 'user.blocked', n, lane, lane,
                case when n = 1 or n > 50000 and n % 2 = 0 then clock_timestamp()
                     when n > 50000 then clock_timestamp() + interval '1 hour' end,
                clock_timestamp() + interval '3 days'
           from (select n, case when n <= 50000 then '00000000-0000-0000-0000-000000000001'::uuid else gen_random_uuid() end as lane
                   from generate_series(1, 100000) n) t;
         analyze vault.webhook_deliveries"
    );
    world.story.run(&fill).await;
}

fn nodes<'a>(plan: &'a Value, all: &mut Vec<&'a Value>) {
    all.push(plan);
    for below in plan["Plans"].as_array().into_iter().flatten() {
        nodes(below, all);
    }
}

/// The rows that a statement reads from the queue, by its plan as it was carried out; and the kinds of its scans.
async fn reads(world: &World, statement: &str) -> (f64, Vec<String>) {
    let explain = format!("explain (analyze, format json, timing off) {statement}");
    let plan: Value = sqlx::query_scalar(&explain).fetch_one(world.story.db.pool()).await.unwrap();
    let mut all = Vec::new();
    nodes(&plan[0]["Plan"], &mut all);
    let scans: Vec<_> = all.iter().filter(|it| it["Relation Name"] == "webhook_deliveries").collect();
    let number = |node: &Value, key: &str| node[key].as_f64().unwrap_or(0.0);
    let rows = scans.iter().map(|it| {
        (number(it, "Actual Rows") + number(it, "Rows Removed by Filter")) * number(it, "Actual Loops")
    });
    let kinds = scans.iter().map(|it| it["Node Type"].as_str().unwrap().to_owned());
    (rows.sum(), kinds.collect())
}

#[tokio::test]
async fn a_claim_reads_no_more_of_a_long_queue_than_it_takes() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    fill(&world, webhook_id).await;
    let claimed = world.queue.claim(&[(webhook_id, 64)]).await.unwrap();
    assert_eq!(claimed.len(), 64);
    let claim = include_str!("../claim.sql")
        .replace("$1::uuid[]", &format!("array['{webhook_id}']::uuid[]"))
        .replace("$2::bigint[]", "array[64]::bigint[]");
    let (rows, kinds) = reads(&world, &claim).await;
    assert_eq!(kinds, ["Index Scan"]);
    assert!(rows <= 64.0, "{rows} rows were read");
}

#[tokio::test]
async fn the_next_of_a_long_lane_is_found_at_once() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    fill(&world, webhook_id).await;
    let first = format!(
        "select delivery_no from vault.webhook_deliveries e
          where e.webhook_id = '{webhook_id}' and e.lane = '00000000-0000-0000-0000-000000000001' and e.state = 'waiting'
          order by delivery_no limit 1"
    );
    let (rows, _) = reads(&world, &first).await;
    assert!(rows <= 1.0, "{rows} rows were read");
}

#[tokio::test]
async fn the_metrics_say_how_much_waits_and_for_how_long() {
    let (world, receiver) = (World::begin().await, Receiver::start().await);
    let webhook_id = world.webhook(&receiver.url()).await.webhook.webhook_id;
    let empty = crate::backlog(&world.story.db).await.unwrap();
    assert_eq!((empty.waiting, empty.oldest.as_secs(), empty.parked, empty.behind), (0, 0, 0, 0));
    fill(&world, webhook_id).await;
    world.story.run("update vault.webhook_deliveries set created_at = created_at - interval '1 hour' where position = 7").await;
    world.block(world.person().await).await;
    world.story.project().await;
    let full = crate::backlog(&world.story.db).await.unwrap();
    assert_eq!((full.waiting, full.behind), (100_000, 2));
    assert!((3_600..3_700).contains(&full.oldest.as_secs()), "{full:?}");
}
