//! Output on a terminal, which differs from that in a pipe; and a history that is followed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use jiff::tz::TimeZone;
use secrecy::ExposeSecret;

use crate::past::{Past, invite, person, text};

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
