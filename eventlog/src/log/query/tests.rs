//! What the history filters by is found by index: at a hundred thousand events no query reads them all.

use std::collections::BTreeSet;

use domain::{AccountId, InviteId, StreamKind};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{Executor, Postgres, QueryBuilder};
use uuid::Uuid;

use super::{
    Cause, SELECT, Window, about, at, beside, count_about, history, in_time, last, led_to, next, nth_last,
    of_streams, one, stream,
};
use crate::database::Database;
use crate::log::{Filter, Log, LogEvent};
use crate::sequencer::Sequencer;
use crate::testing;

const BEGIN: &str = "2026-11-01T00:00:00Z";

/// 100,000 events of 2,000 people: each is registered and logs in 7 times, each time with 7 events, one a second.
const EVENTS: &str = "
insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, recorded_at)
select case when n % 50 = 0 then 'account' when n % 7 = 1 then 'invite' else 'login' end,
       case when n % 50 = 0 then account when n % 7 = 1 then invite else login end,
       n + 1,
       case when n % 50 = 0 then 'AccountRegistered'
            when n % 7 = 1 then 'InviteRedeemed'
            when n % 7 = 2 then 'LoginStarted'
            when n % 7 = 6 then case when n % 9973 = 6 then 'LoginFailed' else 'AuthorizationConfirmed' end
            else 'QrIssued' end,
       '1',
       json_build_object('account_id', account, 'filling', repeat('x', 200)),
       json_build_object('actor', 'system', 'account_id', account, 'correlation_id', login),
       '2026-11-01T00:00:00Z'::timestamptz + n * interval '1 second'
  from (select n,
               md5('account' || n / 50)::uuid::text as account,
               md5('invite' || n / 500)::uuid::text as invite,
               substr(md5('login' || n / 7), 1, 32) as login
          from generate_series(0, 99999) n) numbered
 order by n";

async fn busy_log() -> Database {
    let db = testing::database().await.db;
    // Outside of the pool, whose statements have 10 s: a busy machine takes longer.
    let mut connection = db.direct().await.unwrap();
    connection.execute(EVENTS).await.unwrap();
    while Sequencer::take_over(&db).await.unwrap().pass().await.unwrap() > 0 {}
    connection.execute("analyze").await.unwrap();
    connection.close().await;
    db
}

/// Rows that the scans of the plan looked at, and the plan as text.
async fn rows_read(db: &Database, mut query: QueryBuilder<'_, Postgres>) -> (f64, Vec<String>) {
    let Json(plan): Json<Value> = query.build_query_scalar().fetch_one(db.pool()).await.unwrap();
    let (mut rows, mut nodes) = (0.0, Vec::new());
    walk(&plan[0]["Plan"], &mut rows, &mut nodes);
    (rows, nodes)
}

fn walk(node: &Value, rows: &mut f64, nodes: &mut Vec<String>) {
    let number = |name: &str| node[name].as_f64().unwrap_or(0.0);
    let kind = node["Node Type"].as_str().unwrap_or_default();
    if kind.contains("Scan") && !kind.contains("Subquery") && !kind.contains("Bitmap Index") {
        let looked_at = number("Actual Rows")
            + number("Rows Removed by Filter")
            + number("Rows Removed by Index Recheck");
        *rows += looked_at * number("Actual Loops");
    }
    nodes.push(format!(
        "{kind} {} {} rows {} loops {}",
        node["Relation Name"].as_str().unwrap_or(""),
        node["Index Name"].as_str().unwrap_or(""),
        number("Actual Rows"),
        number("Actual Loops")
    ));
    for child in node["Plans"].as_array().into_iter().flatten() {
        walk(child, rows, nodes);
    }
}

#[tokio::test]
async fn no_filter_of_the_history_reads_the_whole_log() {
    let db = busy_log().await;
    let text = |sql: &'static str| async {
        sqlx::query_scalar::<_, String>(sql).fetch_one(db.pool()).await.unwrap()
    };
    let account = AccountId(text("select md5('account1000')::uuid::text").await.parse::<Uuid>().unwrap());
    let invite = InviteId(text("select md5('invite100')::uuid::text").await.parse::<Uuid>().unwrap());
    let login = text("select substr(md5('login7000'), 1, 32)").await.parse().unwrap();
    let begin: Timestamp = BEGIN.parse().unwrap();
    let late = begin + SignedDuration::from_secs(99_000);
    let all = Filter::default();
    let filters = [
        ("nothing", all.clone()),
        ("account", Filter { account: Some(account), ..all.clone() }),
        ("login", Filter { login: Some(login), ..all.clone() }),
        ("invite", Filter { invite: Some(invite), ..all.clone() }),
        ("a rare event", Filter { name: Some("LoginFailed".to_owned()), ..all.clone() }),
        ("a frequent event", Filter { name: Some("QrIssued".to_owned()), ..all.clone() }),
        ("no event", Filter { name: Some("Nonsense".to_owned()), ..all.clone() }),
        ("since", Filter { since: Some(late), ..all.clone() }),
        ("until", Filter { until: Some(begin + SignedDuration::from_secs(900)), ..all.clone() }),
        ("account since", Filter { account: Some(account), since: Some(late), ..all.clone() }),
        ("all but a frequent event", Filter { not_names: vec!["QrIssued".to_owned()], ..all.clone() }),
        ("a frequent actor", Filter { actor: Some("system".to_owned()), ..all.clone() }),
        (
            "event of an account",
            Filter { account: Some(account), name: Some("QrIssued".to_owned()), ..all.clone() },
        ),
    ];
    let select = format!("explain (analyze, timing off, format json) {SELECT}");
    for (name, filter) in &filters {
        let window = Log::new(&db).window(filter).await.unwrap();
        for (way, query) in [
            ("from the start", history(&select, filter, window, 0, 500)),
            ("from the middle", history(&select, filter, window, 50_000, 500)),
            ("the last", last(&select, filter, window, i64::MAX, 10)),
            ("the last before the middle", last(&select, filter, window, 50_000, 10)),
        ] {
            let (rows, plan) = rows_read(&db, query).await;
            assert_found_by_index(&format!("{name}, {way}"), rows, &plan);
        }
    }
    let id = account.to_string();
    let (rows, plan) = rows_read(&db, about(&select, &id, 100_000)).await;
    assert_found_by_index("about a row", rows, &plan);
    let login = text("select substr(md5('login7000'), 1, 32)").await;
    let name = format!("login/{login}/49002");
    let cause = |account: Option<&String>, login| Cause {
        name: name.clone(),
        position: 500,
        account: account.cloned(),
        login,
    };
    for (what, query) in [
        ("at a position", at(&select, 50_000)),
        ("the cause", one(&select, "login", &login, 49_002)),
        ("what followed", led_to(&select, &cause(Some(&id), Some(&login)), 100)),
        ("what followed for nobody", led_to(&select, &cause(None, None), 100)),
    ] {
        let (rows, plan) = rows_read(&db, query).await;
        assert_found_by_index(what, rows, &plan);
        assert!(rows < 200.0, "{what} looks at {rows} rows: {plan:#?}");
    }

    // The bisection cuts nothing off that the filter lets through.
    let log = Log::new(&db);
    let found = log.history(&filters[7].1, 0, 5_000).await.unwrap();
    assert_eq!(found.len(), 1_000);
    assert!(found.iter().all(|event| event.recorded_at >= late));
    assert_eq!(log.history(&filters[8].1, 0, 5_000).await.unwrap().len(), 900);
    let of_the_invite = log.history(&filters[3].1, 0, 5_000).await.unwrap();
    let named = |event: &LogEvent| event.metadata.login_id.clone();
    let logins: BTreeSet<_> =
        of_the_invite.iter().filter(|it| it.name == "InviteRedeemed").map(named).collect();
    assert!(of_the_invite.len() > 400 && of_the_invite.iter().all(|event| logins.contains(&named(event))));
}

/// The compiler checks no statement that is put together at run time: here a migrated database does, in all its shapes.
#[tokio::test]
async fn each_assembled_statement_is_accepted_by_a_migrated_database() {
    let db = testing::database().await.db;
    let (uuid, beginning) = (Uuid::nil(), Timestamp::UNIX_EPOCH);
    let all = Filter {
        account: Some(AccountId(uuid)),
        login: Some("a".repeat(32).parse().unwrap()),
        invite: Some(InviteId(uuid)),
        name: Some("QrIssued".to_owned()),
        not_names: vec!["LoginStarted".to_owned()],
        actor: Some("system".to_owned()),
        since: Some(beginning),
        until: Some(beginning),
    };
    let window = Window { from: Some(1), to: Some(2) };
    let filters = [
        (Filter::default(), Window::default()),
        (Filter { account: all.account, ..Filter::default() }, Window::default()),
        (Filter { login: all.login.clone(), ..Filter::default() }, Window::default()),
        (Filter { invite: all.invite, ..Filter::default() }, Window::default()),
        (Filter { name: all.name.clone(), ..Filter::default() }, Window::default()),
        (Filter { not_names: all.not_names.clone(), ..Filter::default() }, Window::default()),
        (Filter { actor: all.actor.clone(), ..Filter::default() }, Window::default()),
        (Filter { since: all.since, ..Filter::default() }, Window { to: None, ..window }),
        (Filter { until: all.until, ..Filter::default() }, Window { from: None, ..window }),
        (all, window),
    ];
    let id = uuid.to_string();
    let mut queries = vec![
        next(SELECT, 0, 1),
        beside(SELECT, &id, 1),
        stream(StreamKind::Login, &id),
        about(SELECT, &id, 1),
        count_about(&id, 1),
    ];
    let cause = Cause { name: "login/a/1".to_owned(), position: 1, account: None, login: None };
    queries.extend([at(SELECT, 1), one(SELECT, "login", &id, 1), led_to(SELECT, &cause, 1)]);
    let ids = [id.clone()];
    queries.extend([
        of_streams(StreamKind::Login, &ids, "LoginStarted"),
        in_time(&["LoginStarted"], "2026-11-29T09", 1),
    ]);
    for (filter, window) in &filters {
        queries.push(history(SELECT, filter, *window, 0, 1));
        queries.push(last(SELECT, filter, *window, 1, 1));
        queries.push(nth_last(filter, *window, 1));
    }
    for query in &queries {
        let accepted = db.pool().prepare(query.sql()).await;
        accepted.unwrap_or_else(|error| panic!("{}: {error}", query.sql()));
    }
}

fn assert_found_by_index(query: &str, rows: f64, plan: &[String]) {
    assert!(!plan.iter().any(|node| node.starts_with("Seq Scan")), "{query}: {plan:#?}");
    // An hour more at either end of a time, at an event a second, in both tables.
    assert!(rows < 20_000.0, "{query} looks at {rows} rows: {plan:#?}");
}
