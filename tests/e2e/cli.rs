//! The commands, as an admin types them: the real binary on a real database, without a service.

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

    /// What the command answers; an error is what it says.
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
async fn an_invite_is_made_listed_shown_and_revoked() -> Result<()> {
    let terminal = Terminal::open().await?;
    let made = terminal.run(&[
        "invite",
        "create",
        "--tier",
        "premium",
        "--code",
        "3hbp4z3ecicz",
        "--max-uses",
        "7",
    ])?;
    assert_eq!(made.trim(), "3HBP4Z3ECICZ");
    let listed = terminal.run(&["invite", "list"])?;
    assert!(listed.contains("3HBP4Z3ECICZ  premium           0/7"), "{listed}");
    terminal.run(&["invite", "revoke", "3HBP4Z3ECICZ"])?;
    let shown = terminal.run(&["invite", "show", "3hbp4z3ecicz"])?;
    assert!(shown.contains("revoked            yes"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_order_is_one_line_that_says_why() -> Result<()> {
    let terminal = Terminal::open().await?;
    let says = |args: &[&str]| terminal.run(args).expect_err("it is refused").to_string();
    assert_eq!(
        says(&["invite", "create", "--tier", "basic", "--code", "SHORT"]),
        "qr-login: an invite code is 12 characters A-Z and 0-9\n"
    );
    assert_eq!(
        says(&["invite", "create", "--tier", "basic", "--max-uses", "0"]),
        "qr-login: an invite needs at least one use\n"
    );
    assert_eq!(says(&["invite", "show", "3HBP4Z3ECICZ"]), "qr-login: there is no such invite\n");
    assert_eq!(
        says(&["user", "show", "139883458"]),
        "qr-login: nobody with Telegram id 139883458 has written to the bot\n"
    );
    Ok(())
}
