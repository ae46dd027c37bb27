//! What a person at a terminal gets that a pipe does not; and what goes on as it happens.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use jiff::tz::TimeZone;
use secrecy::ExposeSecret;

use crate::past::{Past, person, text};

const ESCAPE: char = '\u{1b}';

/// Runs the program on a terminal of its own.
fn on_a_terminal(past: &Past, arguments: &str) -> String {
    let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_replay"));
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
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
async fn times_are_those_of_whoever_looks() {
    let past = Past::make().await;
    let tokyo = past.command(&["history", "--event", "LoginStarted"]).env("TZ", "Asia/Tokyo").output();
    let told = text(&tokyo.unwrap());
    let there = past.now.to_zoned(TimeZone::get("Asia/Tokyo").unwrap());
    assert!(told.contains("AT (Asia/Tokyo)"), "{told}");
    assert!(told.contains(&there.strftime("%Y-%m-%d %H:").to_string()), "{told}");
    assert!(!told.contains(ESCAPE), "a pipe gets plain text: {told}");
    // For a machine it is UTC, whoever looks.
    let line = past.command(&["history", "--format", "jsonl"]).env("TZ", "Asia/Tokyo").output().unwrap();
    let utc = past.now.strftime("\"at\":\"%Y-%m-%dT%H:").to_string();
    assert!(text(&line).contains(&utc), "{}", text(&line));
}

#[tokio::test]
async fn a_terminal_has_colours_and_is_not_in_the_power_of_a_name() {
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
async fn a_history_that_is_followed_goes_on_with_what_happens() {
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
