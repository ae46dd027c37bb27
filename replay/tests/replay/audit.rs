//! Who reads a history that they name leaves a trace in the log, also with a role that adds no events.

use serde_json::{Value, json};

use crate::past::{ILYA, Past, text};

/// The reads in the log: by whom, of what, about whom.
async fn reads(past: &Past) -> Vec<(Value, Value, Value)> {
    past.project().await;
    let lines = past.lines(&["history", "--event", "AuditRead", "--format", "jsonl"]);
    lines
        .into_iter()
        .map(|it| (it["actor"].clone(), it["payload"]["target"].clone(), it["account_id"].clone()))
        .collect()
}

#[tokio::test]
async fn an_auditor_who_names_a_person_a_login_or_an_invite_is_in_the_log() {
    let past = Past::make().await;
    past.run("alter role qr_auditor login").await;
    let (ilya, login, named) = (past.ilya.to_string(), past.logins[0].to_string(), ILYA.to_string());
    let invite: String = past.text("select invite_id::text from invites order by created_at limit 1").await;
    for (asked, target, about) in [
        (&["history", "--user", &named][..], json!({"account": ilya}), json!(ilya)),
        (&["history", "--session", &login], json!({"login": login}), json!(ilya)),
        (&["history", "--invite", &invite], json!({"invite": invite}), Value::Null),
        (
            &["explain", "login_status", &past.logins[1].to_string()],
            json!({"login": past.logins[1].to_string()}),
            past.olga().await,
        ),
        (&["as-of", "5", "users", "--key", "2"], json!({"account": past.olga().await}), past.olga().await),
    ] {
        let before = reads(&past).await.len();
        let read = past.as_auditor(asked);
        assert!(read.status.success() && read.stderr.is_empty(), "{}", String::from_utf8_lossy(&read.stderr));
        let reads = reads(&past).await;
        assert_eq!(reads.len(), before + 1, "{asked:?}: {reads:?}");
        assert_eq!(reads[before], (json!("tool:replay:qr_auditor"), target, about), "{asked:?}");
    }
    let reads = reads(&past).await.len();
    for of_nobody in
        [&["history"][..], &["history", "--event", "LoginStarted"], &["as-of", "5", "users"], &["verify"]]
    {
        assert!(past.as_auditor(of_nobody).status.success());
    }
    assert_eq!(self::reads(&past).await.len(), reads, "what names nobody is not recorded");
    assert_eq!(past.replay(&["verify"]).status.code(), Some(0));
}

#[tokio::test]
async fn a_read_that_cannot_be_recorded_is_told_and_goes_on() {
    let past = Past::make().await;
    // As on a standby.
    past.run("alter role qr_auditor login; do $$ begin execute format('alter role qr_auditor in database %I set default_transaction_read_only = on', current_database()); end $$").await;
    let read = past.as_auditor(&["history", "--user", &ILYA.to_string()]);
    assert!(read.status.success() && text(&read).contains("AuthorizationConfirmed"), "{}", text(&read));
    let told = String::from_utf8_lossy(&read.stderr).into_owned();
    assert!(told.contains("this read is not recorded in the log"), "{told}");
    assert!(reads(&past).await.is_empty());
}

#[tokio::test]
async fn an_auditor_can_add_no_other_event_and_no_read_by_somebody_else() {
    let past = Past::make().await;
    past.run("alter role qr_auditor login").await;
    let nobody = "select note_replay_read('00000000-0000-0000-0000-000000000007', null, null)";
    assert_eq!(past.count(&format!("select ({nobody})::int::bigint")).await, 0);
    assert_eq!(past.count("select count(*) from events where aggregate_type = 'audit'").await, 0);
    let closed = "select has_table_privilege('qr_auditor', 'events', 'insert')::int::bigint";
    assert_eq!(past.count(closed).await, 0);
    let open_to_all = "select has_function_privilege('pg_monitor', 'note_replay_read(uuid, text, uuid)', 'execute')::int::bigint";
    assert_eq!(past.count(open_to_all).await, 0);
}
