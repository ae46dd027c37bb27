//! The error of a binary that cannot start is one line. (That these tests are here also has Cargo build the
//! binaries for the browser's test of the sandbox.)

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::net::TcpListener;
use std::process::{Command, Output};

fn sandbox(args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox"));
    command.arg("--data-dir").arg(folder.path().join("data")).args(args).env_remove("DATABASE_URL");
    command.output().unwrap()
}

fn last_word(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
}

#[test]
fn a_database_that_is_set_is_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox"));
    let output = command.env("DATABASE_URL", "postgresql://localhost/precious").output().unwrap();
    let said =
        "sandbox: DATABASE_URL is set: the sandbox uses a database of its own and touches no other; unset it";
    assert_eq!(last_word(&output), said);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = last_word(&sandbox(&["--port", &port]));
    assert!(said.starts_with(&format!("sandbox: port {port} on 127.0.0.1 is taken")), "{said}");
}

#[test]
fn a_page_origin_off_this_machine_is_refused() {
    let said = last_word(&sandbox(&["--port", "0", "--page-origin", "https://example.org"]));
    assert_eq!(
        said,
        "sandbox: --page-origin must be http://127.0.0.1:PORT or http://localhost:PORT, not https://example.org"
    );
}
