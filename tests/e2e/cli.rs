//! The commands of an admin: the real binary on a real database, without a running service.

use std::process::Command;

use anyhow::{Result, ensure};
use secrecy::ExposeSecret;

struct Terminal {
    dir: tempfile::TempDir,
    database: secrecy::SecretString,
}

impl Terminal {
    async fn open() -> Result<Self> {
        Ok(Self { dir: tempfile::tempdir()?, database: eventlog::testing::url().await })
    }

    /// Stdout of the command. If it fails, the error is its stderr.
    fn run(&self, args: &[&str]) -> Result<String> {
        let output = Command::new(env!("CARGO_BIN_EXE_qr-login"))
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("DATABASE_URL", self.database.expose_secret())
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_created_listed_revoked_and_shown() -> Result<()> {
    let terminal = Terminal::open().await?;
    let created = terminal.run(&[
        "invite",
        "create",
        "--tier",
        "premium",
        "--code",
        "3hbp4z3ecicz",
        "--max-uses",
        "7",
    ])?;
    assert_eq!(created.trim(), "3HBP4Z3ECICZ");
    let listed = terminal.run(&["invite", "list"])?;
    assert!(listed.contains("3HBP4Z3ECICZ  premium           0/7"), "{listed}");
    terminal.run(&["invite", "revoke", "3HBP4Z3ECICZ"])?;
    let shown = terminal.run(&["invite", "show", "3hbp4z3ecicz"])?;
    assert!(shown.contains("revoked            yes"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_command_prints_one_line_that_says_why() -> Result<()> {
    let terminal = Terminal::open().await?;
    let refusal_of = |args: &[&str]| terminal.run(args).expect_err("it is refused").to_string();
    assert_eq!(
        refusal_of(&["invite", "create", "--tier", "basic", "--code", "SHORT"]),
        "qr-login: an invite code is 12 characters A-Z and 0-9\n"
    );
    assert_eq!(
        refusal_of(&["invite", "create", "--tier", "basic", "--max-uses", "0"]),
        "qr-login: an invite needs at least one use\n"
    );
    assert_eq!(refusal_of(&["invite", "show", "3HBP4Z3ECICZ"]), "qr-login: there is no such invite\n");
    assert_eq!(
        refusal_of(&["user", "show", "139883458"]),
        "qr-login: nobody with Telegram id 139883458 has written to the bot\n"
    );
    Ok(())
}
