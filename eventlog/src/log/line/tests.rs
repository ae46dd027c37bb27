//! The form of a line, frozen by `golden/lines.jsonl`, and what it must be for any row.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::StoredEvent;
use crate::log::Log;
use crate::sequencer::Sequencer;
use crate::testing;

/// Never edited: these lines are leaves of trees that were signed. New ones may be added at the end.
const GOLDEN: &str = include_str!("../../../golden/lines.jsonl");

fn plain() -> StoredEvent {
    StoredEvent {
        position: 7,
        recorded_at: "2026-11-29T12:00:00.5Z".parse().unwrap(),
        stream: "account".to_owned(),
        stream_id: "6b1f4f5e-6d9c-4c86-9d1f-0f7a7a1f8c11".to_owned(),
        sequence: 3,
        name: "AccountBlocked".to_owned(),
        version: "1".to_owned(),
        payload: r#"{"AccountBlocked":{"at":"2026-11-29T12:00:00Z"}}"#.to_owned(),
        metadata: r#"{"actor":"tool:cli:ilya","account_id":"6b1f4f5e-6d9c-4c86-9d1f-0f7a7a1f8c11","correlation_id":"s1","causation_id":"login/s1/2"}"#.to_owned(),
        event_no: 9,
        cluster_no: 0,
        transaction_id: 734,
    }
}

/// Rows of every kind that the columns allow.
fn rows() -> Vec<StoredEvent> {
    let with = |payload: &str| StoredEvent { payload: payload.to_owned(), ..plain() };
    let of = |metadata: &str| StoredEvent { metadata: metadata.to_owned(), ..plain() };
    vec![
        plain(),
        StoredEvent { recorded_at: "2026-11-29T12:00:00Z".parse().unwrap(), ..plain() },
        StoredEvent { recorded_at: "2026-11-29T12:00:00.000001Z".parse().unwrap(), ..plain() },
        StoredEvent {
            position: i64::MAX,
            event_no: i64::MAX,
            cluster_no: i32::MAX,
            transaction_id: u64::MAX,
            ..plain()
        },
        StoredEvent {
            stream: "\"\\/\u{8}\u{c}\n\r\t\u{7f}".to_owned(),
            stream_id: "Ёж 😀\u{202e}".to_owned(),
            ..plain()
        },
        // The wrapper is not exactly there, or what is in it cannot stand in a line.
        with(r#"{"AccountBlocked": {"at":"x"}}"#),
        with(r#"{"AccountBlocked":{"at":"x"},"more":1}"#),
        with(r#"{"AccountBlocked":1,"AccountBlocked":2}"#),
        with(r#"{"at":"x"}"#),
        with("{\"AccountBlocked\":{\n}}"),
        with("{\"AccountBlocked\":\"\u{202e}\"}"),
        with(r#"{"AccountBlocked":"\u202e \ud800 Ёж"}"#),
        with(r#"{"AccountBlocked":{"b":1.0, "a":1e2,"a":[]}}"#),
        with(r#""{\"AccountBlocked\":1}""#),
        with("null"),
        of("{}"),
        of("{\n}"),
        of(r#" {"actor":"system"}"#),
        of(r#"{"actor":1,"account_id":null,"correlation_id":["x"],"causation_id":{}}"#),
        of(r#"{"actor":"\u0001\"é","account_id":"\ud800","epoch":"4"}"#),
        of("[]"),
    ]
}

#[test]
fn the_form_of_a_line_is_frozen() {
    let lines: Vec<String> = rows().iter().map(StoredEvent::line).collect();
    assert_eq!(lines, GOLDEN.lines().collect::<Vec<_>>());
}

#[test]
fn a_line_is_one_line_of_json_without_power_over_a_terminal() {
    for row in rows() {
        let line = row.line();
        assert!(!line.contains(super::is_harmful), "{line:?}");
        assert!(serde_json::from_str::<&serde_json::value::RawValue>(&line).is_ok(), "{line}");
    }
}

#[test]
fn two_rows_that_differ_in_any_column_have_two_lines() {
    let mut rows = rows();
    let row = plain();
    rows.extend([
        StoredEvent { position: 8, ..row.clone() },
        StoredEvent { recorded_at: Timestamp::UNIX_EPOCH, ..row.clone() },
        StoredEvent { stream: "login".to_owned(), ..row.clone() },
        StoredEvent { stream_id: "x".to_owned(), ..row.clone() },
        StoredEvent { sequence: 4, ..row.clone() },
        StoredEvent { name: "AccountUnblocked".to_owned(), ..row.clone() },
        StoredEvent { version: "2".to_owned(), ..row.clone() },
        StoredEvent {
            payload: r#"{"AccountBlocked":{"at":"2026-11-29T12:00:00Z" }}"#.to_owned(),
            ..row.clone()
        },
        StoredEvent { metadata: row.metadata.replace(":\"s1\"", ": \"s1\""), ..row.clone() },
        StoredEvent { event_no: 10, ..row.clone() },
        StoredEvent { cluster_no: 1, ..row.clone() },
        StoredEvent { transaction_id: 735, ..row },
    ]);
    let lines: BTreeSet<String> = rows.iter().map(StoredEvent::line).collect();
    assert_eq!(lines.len(), rows.len());
}

#[tokio::test]
async fn a_line_says_what_every_column_holds_as_the_database_itself_writes_it() {
    let test = testing::database().await;
    let insert = "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
                  values ('login', 'Ёж', 1, 'QrIssued', '1', '{\"QrIssued\":{\"b\":1.50,  \"a\":\"\\u0416\"}}', \
                          '{\"actor\":\"system\",\"correlation_id\":\"Ёж\"}'), \
                         ('account', 'x', 1, 'Other', '2', '{\"Other\":[]}', '{\"actor\":\"tool:x\",\"account_id\":\"7\"}')";
    sqlx::query(insert).execute(test.db.pool()).await.unwrap();
    let sequencer = Sequencer::take_over(&test.db).await.unwrap();
    assert_eq!(sequencer.pass().await.unwrap(), 2);

    // The same line, put together by PostgreSQL. A column that is added later makes this fail: then the line needs a new form.
    let columns: Vec<String> = sqlx::query_scalar(
        "select column_name::text from information_schema.columns where table_name = 'events' order by ordinal_position",
    )
    .fetch_all(test.db.pool())
    .await
    .unwrap();
    assert_eq!(
        columns.join(" "),
        "aggregate_type aggregate_id sequence event_type event_version payload metadata event_no transaction_id recorded_at \
         cluster_no"
    );
    let by_database: Vec<String> = sqlx::query_scalar(
        "select format('{\"position\":%s,\"at\":\"%sZ\",\"stream\":%s,\"stream_id\":%s,\"version\":%s,\"event\":%s,\"actor\":%s,\
                         \"account_id\":%s,\"login_id\":%s,\"causation_id\":null,\"payload\":%s,\"event_version\":%s,\
                         \"metadata\":%s,\"event_no\":%s,\"cluster_no\":%s,\"transaction_id\":%s}', \
                       i.position, to_json(e.recorded_at at time zone 'UTC') #>> '{}', to_json(aggregate_type), \
                       to_json(aggregate_id), sequence, to_json(event_type), metadata -> 'actor', \
                       coalesce(metadata -> 'account_id', 'null'), coalesce(metadata -> 'correlation_id', 'null'), \
                       payload -> event_type, to_json(event_version), metadata, e.event_no, cluster_no, transaction_id) \
           from log_index i join events e on e.event_no = i.event_no order by position",
    )
    .fetch_all(test.db.pool())
    .await
    .unwrap();
    let lines: Vec<String> =
        Log::new(&test.db).stored(0, 10).await.unwrap().iter().map(StoredEvent::line).collect();
    // PostgreSQL leaves letters as they are, where the line escapes them.
    let escaped = by_database[0].replace(":\"Ёж\",\"version", ":\"\\u0401\\u0436\",\"version");
    let escaped = escaped.replace("\"login_id\":\"Ёж\"", "\"login_id\":\"\\u0401\\u0436\"");
    assert_eq!(lines, [escaped, by_database[1].clone()]);
    let read: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(read["payload"]["a"], "Ж");
}
