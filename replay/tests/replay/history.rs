//! What a person sees of the history: which events, in which order, on how wide a terminal; and what is refused.

use domain::{LoginCommand, LoginId};
use eventlog::testing;
use eventlog::{Context, Store};
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::Value;
use vault::random_login_id;

use crate::past::{ILYA, Past, text};
use crate::terminal::on_columns;

/// A login of Ilya's that shows so many QR codes, and another one beside it with two.
async fn show_qr_codes(past: &Past, times: u32) -> LoginId {
    let (one, other) = (random_login_id(), random_login_id());
    let store = Store::new(&past.test.db);
    let context = |login: &LoginId| Context::system().with_account(past.ilya).with_login(login);
    for login in [&one, &other] {
        let start = LoginCommand::Start { account_id: past.ilya, invite: None, attempt: 1, at: past.now };
        store.login(login, start, context(login)).await.unwrap();
    }
    for number in 0..times {
        for login in [&one, &other].into_iter().take(if number < 2 { 2 } else { 1 }) {
            let expires_at = past.now + SignedDuration::from_secs(30 * i64::from(number + 1));
            let token_sha256 = format!("{number:064x}");
            let issue = LoginCommand::IssueQr { attempt: 1, token_sha256, expires_at, at: past.now };
            store.login(login, issue, context(login)).await.unwrap();
        }
    }
    past.project().await;
    one
}

#[tokio::test]
async fn qr_codes_of_one_login_are_one_row_of_the_table_and_each_is_in_the_other_formats() {
    let past = Past::make().await;
    let login = show_qr_codes(&past, 11).await;
    let table = text(&past.replay(&["history"]));
    let rows: Vec<_> = table.lines().filter(|line| line.contains("QrIssued")).collect();
    assert_eq!(rows.len(), 2, "{table}");
    assert!(rows[0].contains("QrIssued ×11") && rows[0].contains(&login.short().to_string()), "{table}");
    assert!(rows[1].contains("QrIssued ×2"), "{table}");
    assert_eq!(past.names(&["--event", "QrIssued"]).len(), 13);
    let csv = text(&past.replay(&["history", "--format", "csv", "--event", "QrIssued"]));
    assert_eq!(csv.lines().count(), 1 + 13);
}

#[tokio::test]
async fn a_row_of_several_qr_codes_tells_until_when_the_newest_is_good_in_either_order() {
    let past = Past::make().await;
    show_qr_codes(&past, 11).await;
    let newest = past.now + SignedDuration::from_secs(30 * 11);
    let newest = newest.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string();
    for arguments in [&["history"][..], &["history", "--reverse"]] {
        let table = text(&past.replay(arguments));
        let row = table.lines().find(|line| line.contains("QrIssued ×11")).expect("a row");
        let expires_at = row.split_once("expires_at=").expect("its end").1;
        assert!(expires_at.contains(&newest), "{newest} in {arguments:?}: {row}");
    }
}

#[tokio::test]
async fn the_table_fits_80_and_120_columns_and_nothing_is_cut_in_a_pipe() {
    let past = Past::make().await;
    show_qr_codes(&past, 3).await;
    for columns in [80, 120] {
        let table = on_columns(&past, columns, "history");
        let lines: Vec<&str> = table.lines().map(|line| line.trim_end_matches('\r')).collect();
        let widest = lines.iter().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= columns && widest > columns - 15, "{widest} of {columns}\n{table}");
        assert!(table.contains("AuthorizationConfirmed") && table.contains("QrIssued ×3"), "{table}");
        // A line for the day, where it is in no row.
        let day = past.now.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d").to_string();
        assert_eq!(table.matches(&day).count() == 1, columns == 80, "{table}");
    }
    let piped = text(&past.replay(&["history"]));
    assert!(piped.lines().any(|line| line.chars().count() > 120), "{piped}");
    assert!(piped.contains(" expires_at=") && piped.contains(" valid_until="), "{piped}");
    assert!(!piped.split_whitespace().any(|word| word.ends_with('Z')), "to the second: {piped}");
}

#[tokio::test]
async fn the_last_the_first_and_the_newest_first() {
    let past = Past::make().await;
    let all = past.names(&[]);
    let backwards: Vec<_> = all.iter().rev().cloned().collect();
    assert_eq!(past.names(&["--limit", "3"]), all[..3]);
    assert_eq!(past.names(&["--last", "3"]), all[all.len() - 3..]);
    assert_eq!(past.names(&["--last", "999"]), all);
    assert_eq!(past.names(&["--reverse"]), backwards);
    assert_eq!(past.names(&["--reverse", "--limit", "2"]), backwards[..2]);
    assert_eq!(past.names(&["--last", "2", "--reverse"]), backwards[..2]);
    let of_ilya = past.names(&["--user", &ILYA.to_string(), "--last", "2"]);
    assert_eq!(of_ilya, ["LoginStarted", "AuthorizationConfirmed"]);
    for wrong in [&["--last", "0"][..], &["--last", "1", "--limit", "1"], &["--follow", "--reverse"]] {
        assert_eq!(past.replay(&[&["history"], wrong].concat()).status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test]
async fn events_can_be_left_out_and_asked_for_by_who_acted() {
    let past = Past::make().await;
    let without = past.names(&["--not-event", "AccountRegistered", "--not-event", "InviteCreated"]);
    let all = past.names(&[]);
    let kept = all.iter().filter(|name| !["AccountRegistered", "InviteCreated"].contains(&&***name));
    assert_eq!(without, kept.cloned().collect::<Vec<_>>());
    assert_eq!(past.names(&["--actor", "tool:cli"]), ["InviteCreated", "InviteCreated"]);
    assert_eq!(past.names(&["--actor", "tool"]).len(), 2);
    assert_eq!(past.names(&["--actor", "system"]), ["AuthorizationConfirmed", "InviteReleased"]);
    let by_ilya = past.names(&["--actor", &ILYA.to_string()]);
    assert_eq!(by_ilya, ["AccountRegistered", "InviteRedeemed", "LoginStarted"]);
    let table = text(&past.replay(&["history", "--actor", "tool:cli"]));
    assert_eq!(table.lines().count(), 1 + 2, "{table}");
}

fn refusal(past: &Past, arguments: &[&str]) -> String {
    let output = past.replay(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output));
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    told
}

#[tokio::test]
async fn an_unknown_event_or_view_is_refused_with_what_was_meant_and_a_position_past_the_end_too() {
    let past = Past::make().await;
    for flag in ["--event", "--not-event"] {
        let told = refusal(&past, &["history", flag, "LoginStartd"]);
        assert!(told.contains("there is no event \"LoginStartd\": did you mean LoginStarted?"), "{told}");
        assert!(told.contains("AccountBlocked"), "what there is: {told}");
    }
    let told = refusal(&past, &["as-of", "5", "user"]);
    assert!(told.contains("there is no view \"user\": did you mean users?"), "{told}");
    assert!(told.contains("login_status") && told.contains("subscriptions"), "{told}");
    for command in [&["rebuild", "user"][..], &["unpark", "user", "x"], &["explain", "user", "x"]] {
        let told = refusal(&past, command);
        assert!(told.contains("there is no view \"user\": did you mean users?"), "{told}");
    }
    let told = refusal(&past, &["as-of", "12", "users"]);
    assert_eq!(told, "replay: there is no position 12: the log ends at 11\n");
    // An event that a newer version has recorded is none that is unknown.
    past.run(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
         values ('login', 'x', 1, 'LoginTeleported', '1', '{}', '{}')",
    )
    .await;
    past.project().await;
    assert_eq!(past.names(&["--event", "LoginTeleported"]), ["LoginTeleported"]);
}

#[tokio::test]
async fn a_view_of_the_past_is_a_table_on_a_terminal_and_json_lines_in_a_pipe() {
    let past = Past::make().await;
    let rows = past.lines(&["as-of", "11", "subscriptions"]);
    assert!(rows.is_empty());
    let rows = past.lines(&["as-of", "11", "invites"]);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows, past.lines(&["as-of", "11", "invites", "--format", "jsonl"]));

    let table = text(&past.replay(&["as-of", "11", "users", "--format", "table"]));
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("account_id ") && lines[0].contains("  first_name"), "{table}");
    assert_eq!(lines.len(), 3, "{table}");
    assert!(table.contains("Ilya") && table.contains(&past.ilya.to_string()), "{table}");
    let day = past.now.strftime("%Y-%m-%d ").to_string();
    let times: Vec<_> = table.match_indices(&day).map(|(at, _)| &table[at..at + 20]).collect();
    assert!(!times.is_empty() && times.iter().all(|time| time.ends_with('Z')), "to the second: {times:?}");

    let csv = text(&past.replay(&["as-of", "11", "users", "--format", "csv", "--key", &ILYA.to_string()]));
    let lines: Vec<_> = csv.lines().collect();
    assert!(lines[0].starts_with("account_id,telegram_id,first_name,") && lines.len() == 2, "{csv}");
    assert!(lines[1].starts_with(&format!("{},{ILYA},Ilya,", past.ilya)), "{csv}");

    // Too many columns for a terminal: a block for each row.
    for columns in [80, 120] {
        let blocks = on_columns(&past, columns, "as-of 11 users");
        assert!(blocks.lines().all(|line| line.trim_end().chars().count() <= columns), "{blocks}");
        let named = blocks.lines().filter(|line| line.starts_with("first_name ")).count();
        assert_eq!(named, 2, "{blocks}");
    }
}

#[tokio::test]
async fn why_there_is_no_log_is_told_at_once() {
    let past = Past::make().await;
    let url = past.test.url.expose_secret().to_owned();
    let name = url.split_once(":///").and_then(|(_, rest)| rest.split('?').next()).unwrap().to_owned();
    let told = |url: &str| {
        let output = past.command(&["lag"]).env("DATABASE_URL", url).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.lines().count() == 1 && !told.contains("pa55word"), "{told}");
        told
    };
    assert_eq!(
        told("postgres://x:pa55word@127.0.0.1:1/x"),
        "replay: the database cannot be reached: connection refused at 127.0.0.1:1\n"
    );
    assert!(told(&url.replace(&name, "no_such_database")).contains("has no database no_such_database"));
    assert_eq!(told("mysql://x:pa55word@localhost/x"), "replay: DATABASE_URL: not a postgresql:// URL\n");
    // A label of 64 letters has no address, and nobody has to be asked.
    let nowhere = "x".repeat(64);
    assert_eq!(
        told(&format!("postgres://x@{nowhere}/x?sslmode=disable")),
        format!("replay: the database cannot be reached: unknown host {nowhere}\n")
    );

    let empty = testing::url().await;
    let mut connection =
        <sqlx::PgConnection as sqlx::Connection>::connect(empty.expose_secret()).await.unwrap();
    let clear = "drop schema public, slots, vault cascade; create schema public";
    sqlx::raw_sql(clear).execute(&mut connection).await.unwrap();
    let no_tables = told(empty.expose_secret());
    assert!(no_tables.contains("no qr-login tables in this database"), "{no_tables}");
}

#[tokio::test]
async fn a_followed_history_begins_with_the_last_events() {
    let past = Past::make().await;
    let arguments = ["history", "--format", "jsonl", "--last", "1", "--follow"];
    let mut following = past.command(&arguments).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(following.stdout.take().unwrap()));
    let mut next = move || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["position"], 11);
    crate::past::person(&past.test, 3, "Olga", past.now).await;
    past.project().await;
    assert_eq!(next()["position"], 12);
    following.kill().unwrap();
    following.wait().unwrap();
}

#[test]
fn help_shows_what_is_required_and_examples_and_pages_are_written() {
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_replay"))
            .args(arguments)
            .env_remove("DATABASE_URL")
            .current_dir(std::env::temp_dir())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        text(&output)
    };
    let help = run(&["--help"]);
    assert!(help.contains("DATABASE_URL       Required.") && help.contains("Examples:"), "{help}");
    assert!(run(&["history", "--help"]).contains("--not-event"));
    assert!(run(&["completions", "bash"]).contains("as-of"));
    let folder = std::env::temp_dir().join(format!("replay-man-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    run(&["man", &folder.to_string_lossy()]);
    let page = std::fs::read_to_string(folder.join("replay-history.1")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(page.contains(".TH"), "{page}");
}
