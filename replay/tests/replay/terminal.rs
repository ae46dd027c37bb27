//! Output on a terminal, which differs from that in a pipe; and a history that is followed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use jiff::tz::TimeZone;
use secrecy::ExposeSecret;

use crate::past::{Past, invite, person, text};

const ESCAPE: char = '\u{1b}';

/// Runs the program on a terminal of its own.
fn on_a_terminal(past: &Past, arguments: &str) -> String {
    run_on_a_terminal(past, &format!("{} {arguments}", env!("CARGO_BIN_EXE_replay")))
}

/// The same on one that has so many columns. Colours take none.
pub fn on_columns(past: &Past, columns: usize, arguments: &str) -> String {
    let command =
        format!("stty rows 40 cols {columns}; NO_COLOR=1 {} {arguments}", env!("CARGO_BIN_EXE_replay"));
    run_on_a_terminal(past, &command)
}

fn run_on_a_terminal(past: &Past, command: &str) -> String {
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", command, "/dev/null"])
        .env("DATABASE_URL", past.test.url.expose_secret())
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .expect("a terminal can be had");
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

#[tokio::test]
async fn times_are_in_the_zone_of_the_reader() {
    let past = Past::make().await;
    let tokyo = past.command(&["history", "--event", "LoginStarted"]).env("TZ", "Asia/Tokyo").output();
    let told = text(&tokyo.unwrap());
    let there = past.now.to_zoned(TimeZone::get("Asia/Tokyo").unwrap());
    assert!(told.contains("AT (Asia/Tokyo)"), "{told}");
    assert!(told.contains(&there.strftime("%Y-%m-%d %H:").to_string()), "{told}");
    assert!(!told.contains(ESCAPE), "a pipe gets plain text: {told}");
    // In output for programs it is always UTC.
    let line = past.command(&["history", "--format", "jsonl"]).env("TZ", "Asia/Tokyo").output().unwrap();
    let utc = past.now.strftime("\"at\":\"%Y-%m-%dT%H:").to_string();
    assert!(text(&line).contains(&utc), "{}", text(&line));
}

#[tokio::test]
async fn a_terminal_gets_colours_and_no_control_characters_of_a_name() {
    let past = Past::make().await;
    person(&past.test, 3, "\\u001b]0;Eve\\u0007\\nroot", past.now).await;
    past.project().await;
    let told = on_a_terminal(&past, "history");
    assert!(told.contains("\u{1b}[32mAuthorizationConfirmed"), "{told:?}");
    assert!(told.contains("\u{1b}[33mLoginCancelled"), "{told:?}");
    assert!(told.contains("\u{fffd}]0;Eve\u{fffd}\u{fffd}root (3)"), "{told:?}");
    assert!(!told.contains("\u{1b}]"), "{told:?}");
    assert!(on_a_terminal(&past, "verify").contains("\u{1b}[32m0 differ"));
    assert!(!on_a_terminal(&past, "history --format jsonl").contains(ESCAPE));
}

#[tokio::test]
async fn a_followed_history_goes_on_with_new_events() {
    let past = Past::make().await;
    let arguments = ["history", "--format", "jsonl", "--event", "AccountRegistered", "--follow"];
    let mut following = past.command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = move || lines.next().expect("it goes on").expect("text");
    let (first, second) = (next(), next());
    assert!(first.contains("\"position\":1,") && second.contains("\"position\":2,"), "{first}{second}");
    for (telegram_id, position) in [(3, 12), (4, 13)] {
        person(&past.test, telegram_id, "Olga", past.now).await;
        past.project().await;
        let line = next();
        assert!(line.contains(&format!("\"position\":{position},")), "{line}");
    }
    following.kill().unwrap();
    following.wait().unwrap();
}

#[tokio::test]
async fn a_followed_table_masks_the_codes_of_invites_that_are_made_meanwhile() {
    let past = Past::make().await;
    let mut following = past.command(&["history", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = move || lines.next().expect("it goes on").expect("text");
    (0..12).for_each(|_| assert!(!next().contains("9XK7QM2VWTRB")));
    invite(&past.test, "QQQQRRRRSSSS", past.now).await;
    past.project().await;
    let line = next();
    assert!(line.contains("QQQ*********"), "{line}");
    following.kill().unwrap();
    following.wait().unwrap();
}

/// What a name could do to a terminal, as JSON spells it.
const HOSTILE: &str = "\\u001b]0;Eve\\u0007\\u009b2J\\u202e\\u2066\\u200f\\u061c\\n=1+1\\r\\u007f";

fn expect_harmless(output: &Output) {
    for stream in [&output.stdout, &output.stderr] {
        let told = String::from_utf8(stream.clone()).expect("text");
        let harmful = |it: char| {
            it != '\n' && it != '\r' && it.is_control()
                || matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
        };
        assert!(!told.contains(harmful), "{told:?}");
        assert!(!told.lines().any(|line| line.starts_with('=')), "{told:?}");
    }
}

#[tokio::test]
async fn no_command_prints_what_has_power_over_a_terminal() {
    let past = Past::make().await;
    let eve = person(&past.test, 3, HOSTILE, past.now).await;
    past.run(&format!(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
         values ('login', E'\\u202e\\x1b[2J', 1, E'Made\\x1b]0;up', '1', '{{\"x\": \"{HOSTILE}\"}}', \
                 '{{\"actor\": \"tool:{HOSTILE}\", \"account_id\": \"{eve}\"}}'), \
                ('login', E'\\u202e\\x1b[2K', 2, 'LoginExpired', '1', '{{}}', '{{}}')"
    ))
    .await;
    past.project().await;
    past.run(
        "insert into parked (view, key, position, error) values ('users', E'\\x1b[2J', 1, E'\\u202e\\x1b]0;x\\x07\\n=1+1'); \
         update slots.users_a set first_name = 'x' where telegram_id = 3",
    )
    .await;
    let position = past.count("select max(position) from log_index").await.to_string();
    let shown = [
        &["history"][..],
        &["history", "--format", "csv"],
        &["history", "--format", "jsonl"],
        &["export", "--names"],
        &["as-of", &position, "users"],
        &["lag"],
        &["verify"],
        &["rebuild", "--dry-run"],
        &["unpark"],
        &["history", "--user", "\u{1b}[2J\u{202e}"],
        &["as-of", "1", "\u{1b}[2J\u{202e}"],
        &["rebuild", "\u{1b}[2J\u{202e}"],
        &["unpark", "\u{1b}[2J", "\u{202e}"],
    ];
    for arguments in shown {
        let output = past.replay(arguments);
        assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{arguments:?}");
        expect_harmless(&output);
    }
    // JSON loses nothing by it.
    let named = past.lines(&["export", "--names"]);
    let name: String = serde_json::from_str(&format!("\"{HOSTILE}\"")).unwrap();
    assert!(named.iter().any(|line| line["payload"]["profile"]["first_name"] == name.as_str()));
}

#[tokio::test]
async fn the_name_of_a_client_and_the_error_of_a_server_have_no_power_over_the_terminal() {
    let past = Past::make().await;
    // Somebody else's connection writes, and calls itself so.
    let mut open = past.test.db.direct().await.unwrap();
    let begin = "begin; set application_name = E'\\x1b[2J\\u202e'; select pg_current_xact_id()";
    sqlx::raw_sql(begin).execute(&mut open).await.unwrap();
    expect_harmless(&past.replay(&["lag"]));
    open.close().await;

    // A server that is no PostgreSQL of ours answers with an error of its own.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let told = std::thread::spawn(move || {
        let (mut client, _) = server.accept().unwrap();
        let _ = client.read(&mut [0; 1024]).unwrap();
        let fields = "SFATAL\0VFATAL\0C28000\0M\u{1b}]0;Eve\u{7}\u{202e}\nall is well\0\0";
        let length = u32::try_from(fields.len() + 4).unwrap();
        client.write_all(&[b"E", &length.to_be_bytes()[..], fields.as_bytes()].concat()).unwrap();
    });
    let url = format!("postgres://eve@127.0.0.1:{port}/eve?sslmode=disable");
    let output = past.command(&["lag"]).env("DATABASE_URL", url).output().unwrap();
    told.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("]0;Eve") && error.lines().count() == 1, "{error:?}");
    expect_harmless(&output);
}
