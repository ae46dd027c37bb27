//! The commands of an admin: the real binary on a real database, without a running service.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use domain::AccountCommand;
use eventlog::{Clock, Context, Database, Log, Store};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use vault::Vault;

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
async fn an_operator_blocks_unblocks_and_gives_roles() -> Result<()> {
    let terminal = Terminal::open().await?;
    terminal.run(&["invite", "list"])?;
    let db = Database::connect(&terminal.database).await?;
    for telegram_id in [1, 2] {
        let (subject, at) = (Vault::new(&db).subject_for(telegram_id).await?, Timestamp::UNIX_EPOCH);
        let (id, profile) = (subject.seal(&telegram_id.to_string()), subject.seal("{}"));
        let account_id = subject.account_id;
        let register = AccountCommand::Register { account_id, telegram_id: id, profile, at };
        Store::new(&db).account(account_id, register, Context::by(account_id)).await?;
    }
    let shown = |line: &str| -> Result<bool> { Ok(terminal.run(&["user", "show", "1"])?.contains(line)) };

    assert_eq!(terminal.run(&["user", "role", "1", "admin"])?, "1 has the role admin\n");
    assert!(shown("role           admin")?);
    let refused = terminal.run(&["user", "block", "1"]).expect_err("it is refused").to_string();
    assert_eq!(refused, "qr-login: this is the last admin: make another one first\n");
    terminal.run(&["user", "role", "2", "admin"])?;
    assert_eq!(terminal.run(&["user", "block", "1"])?, "1 is blocked\n");
    assert!(shown("blocked        yes")?);
    assert_eq!(terminal.run(&["user", "unblock", "1"])?, "1 is not blocked any more\n");
    assert!(shown("blocked        no")?);
    let unknown = terminal.run(&["user", "block", "3"]).expect_err("it is refused").to_string();
    assert_eq!(unknown, "qr-login: nobody is known as 3\n");
    let events = Log::new(&db).read(0, 100).await?;
    let blocked = events.iter().find(|event| event.name == "AccountBlocked").context("the block")?;
    assert!(blocked.metadata.actor.starts_with("tool:cli:"), "{}", blocked.metadata.actor);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_says_nothing_of_tables_that_are_there_already() -> Result<()> {
    let terminal = Terminal::open().await?;
    let output = Command::new(env!("CARGO_BIN_EXE_qr-login"))
        .args(["invite", "list"])
        .current_dir(terminal.dir.path())
        .env_clear()
        .env("DATABASE_URL", terminal.database.expose_secret())
        .env("RUST_LOG", "info")
        .output()?;
    assert_eq!(String::from_utf8(output.stderr)?, "");
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

/// A terminal would hide, move or colour something, or show letters in another order.
const HOSTILE: &str = "\u{1b}]0;Eve\u{7}\u{9b}2J\u{202e}\u{2066}\u{200f}\u{61c}\nrole admin\r\u{7f}";

fn expect_harmless(told: &str) {
    assert!(told.contains('\u{fffd}'), "the text was shown: {told:?}");
    let harmful = |it: char| it != '\n' && it.is_control() || HOSTILE.contains(it) && !it.is_ascii();
    assert!(!told.contains(harmful), "{told:?}");
    assert!(!told.lines().any(|line| line.starts_with("role admin")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_and_no_note_has_power_over_the_terminal() -> Result<()> {
    let terminal = Terminal::open().await?;
    let code = "3HBP4Z3ECICZ";
    terminal.run(&["invite", "create", "--tier", "premium", "--code", code, "--note", HOSTILE])?;
    expect_harmless(&terminal.run(&["invite", "list"])?);
    expect_harmless(&terminal.run(&["invite", "show", code])?);

    let db = Database::connect(&terminal.database).await?;
    let subject = Vault::new(&db).subject_for(7).await?;
    let register = AccountCommand::Register {
        account_id: subject.account_id,
        telegram_id: subject.seal("7"),
        profile: subject.seal(&serde_json::json!({"first_name": HOSTILE, "username": HOSTILE}).to_string()),
        at: Clock::system().now(),
    };
    Store::new(&db).account(subject.account_id, register, Context::by(subject.account_id)).await?;
    // A command settles the views before it ends.
    terminal.run(&["invite", "list"])?;
    let told = terminal.run(&["user", "show", "7"])?;
    expect_harmless(&told);
    assert_eq!(told.lines().filter(|line| line.starts_with("role ")).count(), 1, "{told}");

    let refused = terminal.run(&["invite", "show", HOSTILE]).expect_err("it is no code").to_string();
    assert_eq!(refused.lines().count(), 1, "{refused:?}");
    let refused = terminal.run(&["session", "export", "--format", "telethon", "--yes", "--user", HOSTILE]);
    assert_eq!(refused.expect_err("nobody").to_string().lines().count(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_the_user_of_the_system_who_ran_a_command() -> Result<()> {
    let terminal = Terminal::open().await?;
    terminal.run(&["invite", "create", "--tier", "premium", "--code", "3HBP4Z3ECICZ"])?;
    terminal.run(&["invite", "revoke", "3HBP4Z3ECICZ"])?;
    let me = String::from_utf8(Command::new("id").arg("-un").output()?.stdout)?;
    let db = Database::connect(&terminal.database).await?;
    let actors: Vec<_> =
        Log::new(&db).read(0, 10).await?.into_iter().map(|event| event.metadata.actor).collect();
    assert_eq!(actors, [format!("tool:cli:{}", me.trim()), format!("tool:cli:{}", me.trim())]);
    Ok(())
}
