//! The program as an auditor runs it, with a real database and a real process: its output and its exit code.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod audit;
mod damage;
mod history;
#[cfg(feature = "mirror")]
mod mirror;
mod past;
mod standby;
mod terminal;
mod trust;

use std::process::Command;

use jiff::SignedDuration;
use secrecy::ExposeSecret;

use past::{ILYA, Past, text};

/// The codes of the past, and how they are shown.
const CODES: [(&str, &str); 2] = [("3HBP4Z3ECICZ", "3HB*********"), ("9XK7QM2VWTRB", "9XK*********")];

#[tokio::test]
async fn json_lines_have_the_fields_of_the_contract_in_their_order() {
    let past = Past::make().await;
    let output = past.replay(&["history", "--format", "jsonl"]);
    let first = text(&output).lines().next().expect("a line").to_owned();
    let mut at = 0;
    for field in [
        "position",
        "at",
        "stream",
        "stream_id",
        "version",
        "event",
        "actor",
        "account_id",
        "login_id",
        "causation_id",
        "payload",
    ] {
        let place =
            first[at..].find(&format!("\"{field}\":")).unwrap_or_else(|| panic!("{field} in {first}"));
        at += place;
    }
    let lines = past.lines(&["history", "--format", "jsonl"]);
    let positions: Vec<i64> = lines.iter().map(|line| line["position"].as_i64().unwrap()).collect();
    assert_eq!(positions, (1..=lines.len() as i64).collect::<Vec<_>>());
    assert_eq!(lines[0]["event"], "AccountRegistered");
    assert_eq!(lines[0]["account_id"], past.ilya.to_string());
    let released = lines.iter().find(|line| line["event"] == "InviteReleased").unwrap();
    assert_eq!(released["causation_id"], "login/x/2");
    assert_eq!(released["actor"], "system");
    assert_eq!(released["version"], 3);
    assert_eq!(released["payload"]["attempt"], 1);
    assert!(!text(&output).contains("Ilya"), "names stay sealed");
}

#[tokio::test]
async fn the_history_can_be_filtered_by_person_login_invite_and_event() {
    let past = Past::make().await;
    let of_ilya = ["AccountRegistered", "InviteRedeemed", "LoginStarted", "AuthorizationConfirmed"];
    assert_eq!(past.names(&["--user", &ILYA.to_string()]), of_ilya);
    assert_eq!(past.names(&["--user", &past.ilya.to_string()]), of_ilya);
    assert_eq!(past.names(&["--session", past.logins[0].as_str()]), of_ilya[1..]);
    let of_the_code = ["InviteCreated", "InviteRedeemed", "LoginStarted", "LoginCancelled", "InviteReleased"];
    assert_eq!(past.names(&["--invite", "9xk7qm2vwtrb"]), of_the_code);
    assert_eq!(past.names(&["--event", "LoginStarted"]), ["LoginStarted", "LoginStarted"]);
    let tomorrow = (past.now + SignedDuration::from_hours(24)).to_string();
    assert!(past.names(&["--since", &tomorrow]).is_empty());
    assert!(!past.names(&["--until", &tomorrow]).is_empty());

    let nobody = past.replay(&["history", "--user", "12345"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(nobody.stdout.is_empty());
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("12345"));
}

#[tokio::test]
async fn an_id_that_begins_with_a_hyphen_is_an_id() {
    let past = Past::make().await;
    let id = format!("-{}", &past.logins[0].as_str()[1..]);
    let unpark = &["unpark", "login_status", &id][..];
    for asked in [&["history", "--session", &id][..], &["as-of", "5", "login_status", "--key", &id], unpark] {
        let output = past.replay(asked);
        assert_ne!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn the_table_names_people_and_masks_every_code() {
    // One code is used, and the other open again: its reservation was released. Before that it looked used up.
    let past = Past::make().await;
    let table = text(&past.replay(&["history"]));
    assert!(table.contains("Ilya (139883458)"), "{table}");
    for (code, masked) in CODES {
        assert!(!table.contains(code) && table.contains(masked), "{code} in {table}");
    }
    assert_eq!(table.lines().count(), 1 + 11);
    past.run("alter role qr_auditor login").await;
    for format in ["table", "jsonl", "csv"] {
        for told in [
            &past.replay(&["history", "--format", format]),
            &past.as_auditor(&["history", "--format", format]),
        ] {
            assert!(told.status.success());
            assert!(CODES.iter().all(|(code, _)| !text(told).contains(code)), "{format}: {}", text(told));
        }
    }
}

#[tokio::test]
async fn the_owner_of_the_database_sees_codes_who_asks_for_them_and_nobody_else_does() {
    let past = Past::make().await;
    let table = text(&past.replay(&["history", "--codes", "--invite", CODES[1].0]));
    assert!(table.contains(CODES[1].0) && !table.contains('*'), "{table}");
    // Somebody who may read codes, as the service may, and owns nothing.
    past.run("alter role qr_auditor login; grant select on vault.invite_codes to qr_auditor").await;
    let refused = past.as_auditor(&["history", "--codes"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stdout.is_empty());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("qr_login, who owns the database") && told.lines().count() == 1, "{told}");
    let filtered = past.as_auditor(&["history", "--invite", CODES[1].0]);
    assert!(text(&filtered).contains(CODES[1].1) && !text(&filtered).contains(CODES[1].0));
    let jsonl = past.replay(&["history", "--codes", "--format", "jsonl"]);
    assert_eq!(jsonl.status.code(), Some(1), "no code is in an event");
}

#[tokio::test]
async fn the_plan_of_a_query_can_be_shown() {
    let past = Past::make().await;
    let plan = text(&past.replay(&["history", "--user", &ILYA.to_string(), "--explain"]));
    assert!(plan.contains("Limit") && plan.contains("Execution Time"), "{plan}");
    assert!(!plan.contains("AccountRegistered"), "{plan}");
}

#[tokio::test]
async fn csv_has_a_header_and_as_many_fields_in_every_line() {
    let past = Past::make().await;
    let csv = text(&past.replay(&["history", "--format", "csv", "--event", "LoginStarted"]));
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("position,at,stream,stream_id,version,event,"));
    assert!(lines[1].contains(",login,") && lines[1].contains(",LoginStarted,"));
}

#[tokio::test]
async fn verify_exits_with_1_where_a_row_differs() {
    let past = Past::make().await;
    let clean = past.replay(&["verify"]);
    assert_eq!(clean.status.code(), Some(0), "{}", text(&clean));
    for line in ["users: 2 rows, 0 differ", "login_status: 2 rows, 0 differ", "invites: 2 rows, 0 differ"] {
        assert!(text(&clean).lines().any(|told| told == line), "{line} in {}", text(&clean));
    }
    let forged = "update slots.users_a set first_name = 'Eve' where telegram_id = 2";
    sqlx::query(forged).execute(past.test.db.pool()).await.unwrap();
    let forged = past.replay(&["verify"]);
    assert_eq!(forged.status.code(), Some(1));
    assert!(text(&forged).contains("users: 2 rows, 1 differ"));
    assert!(!text(&forged).contains("Eve"));
}

#[tokio::test]
async fn a_view_can_be_shown_as_of_a_position_and_lag_shows_that_nothing_waits() {
    let past = Past::make().await;
    let key = past.logins[0].as_str();
    let status = |position: &str| {
        let rows = past.lines(&["as-of", position, "login_status", "--key", key]);
        rows.first().map(|row| row["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(status("4"), None);
    assert_eq!(status("6").as_deref(), Some("waiting"));
    assert_eq!(status("10").as_deref(), Some("authorized"));
    let lag = text(&past.replay(&["lag"]));
    assert!(lag.contains("log: position 11"), "{lag}");
    assert!(lag.contains("users: position 11, 0 events behind"), "{lag}");
    assert!(lag.contains("parked: 0"), "{lag}");
}

#[tokio::test]
async fn a_rebuild_reports_differences_and_a_dry_run_changes_nothing() {
    let past = Past::make().await;
    past.run("update slots.users_a set first_name = 'Eve' where telegram_id = 2").await;
    let told = past.replay(&["rebuild", "--dry-run"]);
    assert!(told.status.success() && text(&told).contains("users: 2 rows, 1 differ\n"), "{}", text(&told));
    assert!(text(&told).contains("differs in first_name") && !text(&told).contains("Eve"));
    assert_eq!(past.count("select count(*) from users where first_name = 'Eve'").await, 1);

    let one = past.replay(&["rebuild", "users", "--user", &ILYA.to_string()]);
    assert_eq!(text(&one), format!("users {}: does not differ\n", past.ilya));
    let done = past.replay(&["rebuild", "users"]);
    assert!(done.status.success() && text(&done).starts_with("users: 2 rows, 1 differ\n"), "{}", text(&done));
    assert_eq!(past.count("select count(*) from users where first_name = 'Olga'").await, 1);
    assert_eq!(past.replay(&["verify"]).status.code(), Some(0));

    let unknown = past.replay(&["rebuild", "nonsense"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("login_status"));
}

#[tokio::test]
async fn an_auditor_may_read_everything_and_is_told_which_role_may_rebuild() {
    let past = Past::make().await;
    past.run("alter role qr_auditor login").await;
    for reading in [
        &["history"][..],
        &["verify"],
        &["lag"],
        &["as-of", "5", "users"],
        &["rebuild", "--dry-run"],
        &["rebuild", "--dry-run", "--user", "2"],
        &["export", "--names"],
    ] {
        let output = past.as_auditor(reading);
        assert!(output.status.success(), "{reading:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{reading:?}");
    }
    for writing in [&["rebuild"][..], &["rebuild", "--user", "2"], &["unpark", "users", "x"]] {
        let output = past.as_auditor(writing);
        assert_eq!(output.status.code(), Some(1), "{writing:?}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("qr_auditor may not rebuild") && told.contains("qr_login"), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[tokio::test]
async fn a_rebuild_that_is_killed_leaves_nothing_behind() {
    // 1. Somebody reads from an old snapshot. 2. A rebuild waits for them with everything built, and is killed. 3. People
    // read what they read before. 4. The next rebuild clears away and finishes.
    let past = Past::make().await;
    let mut reader = past.test.db.direct().await.unwrap();
    let begin = "begin isolation level repeatable read; select 1 from checkpoints";
    sqlx::raw_sql(begin).execute(&mut reader).await.unwrap();
    let mut killed = Command::new(env!("CARGO_BIN_EXE_replay"))
        .args(["rebuild", "users"])
        .env("DATABASE_URL", past.test.url.expose_secret())
        .spawn()
        .expect("replay can be run");
    while past.count("select count(*) from rebuilds where state = 'following'").await == 0 {
        assert!(killed.try_wait().unwrap().is_none(), "it waits for the reader");
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(past.count("select count(*) from users").await, 2);
    assert_eq!(past.count("select count(*) from slots.users_b").await, 2);
    reader.close().await;

    let again = loop {
        let again = past.replay(&["rebuild", "users"]);
        // PostgreSQL may notice a moment later that the one that was killed is gone.
        if !String::from_utf8_lossy(&again.stderr).contains("somebody else") {
            break again;
        }
    };
    assert_eq!(text(&again), "users: 2 rows, 0 differ\n");
    assert_eq!(past.count("select count(*) from slots.users_a").await, 0);
    assert_eq!(past.count("select count(*) from rebuilds where state <> 'idle'").await, 0);
    assert_eq!(past.replay(&["verify"]).status.code(), Some(0));
}

#[tokio::test]
async fn a_parked_row_can_be_unparked_after_a_fix() {
    let past = Past::make().await;
    past.run("update slots.users_a set first_name = 'old' where telegram_id = 2").await;
    let olga: String = sqlx::query_scalar("select account_id::text from users where telegram_id = 2")
        .fetch_one(past.test.db.pool())
        .await
        .unwrap();
    past.run(&format!(
        "insert into parked (view, key, position, error) values ('users', '{olga}', 2, 'bug')"
    ))
    .await;
    assert_eq!(past.replay(&["unpark", "users"]).status.code(), Some(2), "a view without a key is no row");
    let done = past.replay(&["unpark"]);
    assert_eq!(text(&done), format!("users {olga}: differs in first_name; no part of the log makes it\n"));
    assert!(done.status.success());
    assert!(text(&past.replay(&["lag"])).contains("parked: 0"));
    assert_eq!(past.replay(&["verify"]).status.code(), Some(0));
}

#[tokio::test]
async fn each_row_that_differs_is_told_with_the_event_at_which_it_parts_from_the_log() {
    let past = Past::make().await;
    past.run("update slots.users_a set first_name = 'Eve' where telegram_id <> 2").await;
    past.run("delete from slots.users_a where telegram_id = 2").await;
    for command in [&["verify"][..], &["rebuild", "--dry-run"], &["rebuild", "users"]] {
        let told = text(&past.replay(command));
        assert!(told.contains("users: 2 rows, 2 differ\n"), "{told}");
        assert!(told.contains("differs in first_name; no part of the log makes it\n"), "{told}");
        let missing = told.lines().find(|line| line.contains("is missing")).expect("a line of it");
        assert!(missing.contains("it parts from the log at position 2 (AccountRegistered, 20"), "{missing}");
        assert!(!told.contains("Eve"), "{told}");
    }
    assert_eq!(past.replay(&["verify"]).status.code(), Some(0));
}

#[tokio::test]
async fn rows_with_one_cause_can_be_unparked_alone_and_it_is_kept_who_did_that() {
    let past = Past::make().await;
    past.run(
        "insert into parked (view, key, position, error) \
         select 'users', account_id::text, 1, 'a bug (line 1, column ' || telegram_id || ')' from users",
    )
    .await;
    past.run("insert into parked (view, key, position, error) values ('invites', 'x', 3, 'another')").await;
    let lag = text(&past.replay(&["lag"]));
    assert!(lag.contains("parked: 3\n") && lag.contains("2 parked for one cause: a bug\n"), "{lag}");
    let unknown = past.replay(&["unpark", "--cause", "a bag"]);
    assert_eq!(unknown.status.code(), Some(1));

    let done = past.replay(&["unpark", "--cause", "a bug"]);
    assert!(done.status.success());
    assert_eq!(text(&done).lines().filter(|line| line.starts_with("users ")).count(), 2, "{}", text(&done));
    assert_eq!(past.count("select count(*) from parked").await, 1);
    let kept = "select count(*) from parked_replays \
                 where cause = 'a bug' and ordered_by = 'tool:replay:qr_login' and replayed = 2 and still_parked = 0";
    assert_eq!(past.count(kept).await, 1);
}

#[tokio::test]
async fn an_export_holds_every_event_and_opens_names_only_where_asked() {
    let past = Past::make().await;
    let sealed = past.lines(&["export"]);
    let told = past.lines(&["history", "--format", "jsonl"]);
    assert_eq!(told.len(), sealed.len());
    // What the history tells, and what else the row holds. The history also takes the account from the payload.
    for (exported, told) in sealed.iter().zip(told) {
        for (field, value) in told.as_object().unwrap() {
            let is_in_the_payload_alone = field == "account_id" && exported["metadata"][field].is_null();
            assert!(is_in_the_payload_alone || exported[field] == *value, "{field}: {exported}");
        }
        assert!(
            exported["metadata"]["actor"] == exported["actor"] && exported["event_no"].is_i64(),
            "{exported}"
        );
    }
    assert!(!text(&past.replay(&["export"])).contains("Ilya"));
    let named = past.lines(&["export", "--names"]);
    assert_eq!(named[0]["payload"]["profile"]["first_name"], "Ilya");
    assert_eq!(named[0]["payload"]["telegram_id"], ILYA);
    assert_eq!(named.len(), sealed.len());
    assert_eq!(past.lines(&["export", "--after", "9"]), sealed[9..]);
}

#[test]
fn without_a_database_it_names_the_variable_to_set() {
    // An empty variable is one that is not set.
    for empty in [false, true] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
        command.arg("lag").current_dir(std::env::temp_dir());
        for name in ["DATABASE_URL", "DATABASE_URL_FILE"] {
            command.env_remove(name);
            if empty {
                command.env(name, "");
            }
        }
        let output = command.output().expect("replay can be run");
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("DATABASE_URL is not set") && told.lines().count() == 1, "{told}");
    }
}
