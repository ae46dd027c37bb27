//! The commands of an admin: the real binary on a real database, without a running service.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use domain::AccountCommand;
use eventlog::{Clock, Context, Database, Log, Store};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sqlx::Connection as _;
use vault::Vault;

struct Terminal {
    dir: tempfile::TempDir,
    database: SecretString,
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

/// People with these Telegram ids, and the views up to them.
pub async fn register(database: &SecretString, telegram_ids: &[i64]) -> Result<Database> {
    let db = Database::connect(database).await?;
    for telegram_id in telegram_ids {
        let (subject, at) = (Vault::new(&db).subject_for(*telegram_id).await?, Clock::system().now());
        let (id, profile) = (subject.seal(&telegram_id.to_string()), subject.seal("{}"));
        let account_id = subject.account_id;
        let register = AccountCommand::Register { account_id, telegram_id: id, profile, at };
        Store::new(&db).account(account_id, register, Context::by(account_id)).await?;
    }
    Ok(db)
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_listed_by_what_they_are_page_by_page() -> Result<()> {
    let terminal = Terminal::open().await?;
    register(&terminal.database, &[1, 2, 3, 4, 5]).await?.close().await;
    terminal.run(&["user", "role", "2", "admin"])?;
    terminal.run(&["user", "block", "4"])?;
    let ids = |args: &[&str]| -> Result<Vec<i64>> {
        let page: Value =
            serde_json::from_str(&terminal.run(&[&["user", "list", "--json"], args].concat())?)?;
        let items = page["items"].as_array().context("items")?;
        Ok(items.iter().filter_map(|user| user["telegram_id"].as_i64()).collect())
    };
    assert_eq!(ids(&[])?, [5, 4, 3, 2, 1]);
    assert_eq!(ids(&["--role", "admin"])?, [2]);
    assert_eq!(ids(&["--blocked", "yes"])?, [4]);
    assert_eq!(ids(&["--blocked", "no", "--role", "user"])?, [5, 3, 1]);
    assert_eq!(ids(&["--tier", "premium"])?, [0_i64; 0]);
    assert_eq!(ids(&["--status", "none", "--limit", "2"])?, [5, 4]);
    assert_eq!(ids(&["--limit", "2", "--after", "4"])?, [3, 2]);
    let page = |args: &[&str]| -> Result<Value> { Ok(serde_json::from_str(&terminal.run(args)?)?) };
    let first = page(&["user", "list", "--json", "--limit", "4"])?;
    let next = first["next"].as_str().context("there are more")?;
    let last = page(&["user", "list", "--json", "--limit", "4", "--after", next])?;
    assert_eq!((last["items"][0]["telegram_id"].as_i64(), &last["next"]), (Some(1), &Value::Null));

    let table = terminal.run(&["user", "list", "--role", "admin"])?;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("TELEGRAM ID") && lines[1].starts_with("2 "), "{table}");
    assert_eq!(lines.len(), 2, "{table}");
    let shown: Value = serde_json::from_str(&terminal.run(&["user", "show", "4", "--json"])?)?;
    assert_eq!((shown["telegram_id"].as_i64(), &shown["is_blocked"]), (Some(4), &Value::Bool(true)));
    let unknown = terminal.run(&["user", "list", "--after", "77"]).expect_err("nobody").to_string();
    assert_eq!(unknown, "qr-login: --after: nobody is known as 77\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn invites_are_listed_for_a_program() -> Result<()> {
    let terminal = Terminal::open().await?;
    terminal.run(&[
        "invite",
        "create",
        "--tier",
        "premium",
        "--code",
        "3HBP4Z3ECICZ",
        "--note",
        "a=\u{1b}",
    ])?;
    let listed: Value = serde_json::from_str(&terminal.run(&["invite", "list", "--json"])?)?;
    let shown: Value = serde_json::from_str(&terminal.run(&["invite", "show", "3HBP4Z3ECICZ", "--json"])?)?;
    assert_eq!(listed["items"], serde_json::json!([shown]));
    for (field, value) in [("code", "3HBP4Z3ECICZ"), ("tier", "premium"), ("note", "a=\u{1b}")] {
        assert_eq!(shown[field], value, "{shown}");
    }
    assert_eq!((&shown["max_uses"], &shown["revoked"]), (&1.into(), &false.into()));
    Ok(())
}

/// A database without our tables, or with those of the version before.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_reads_changes_no_table() -> Result<()> {
    let terminal = Terminal::open().await?;
    register(&terminal.database, &[1]).await?.close().await;
    terminal.run(&["invite", "list"])?;
    let mut connection = sqlx::PgConnection::connect(terminal.database.expose_secret()).await?;
    let last = "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)";
    sqlx::query(last).execute(&mut connection).await?;
    let migrations = "select count(*) from _sqlx_migrations";
    let before: i64 = sqlx::query_scalar(migrations).fetch_one(&mut connection).await?;
    for reading in [&["user", "show", "1"][..], &["user", "list"], &["invite", "list"]] {
        assert!(!terminal.run(reading)?.is_empty(), "{reading:?}");
        assert_eq!(sqlx::query_scalar::<_, i64>(migrations).fetch_one(&mut connection).await?, before);
    }
    // What is missing is named where it is the cause.
    sqlx::query("drop view users").execute(&mut connection).await?;
    let refused = terminal.run(&["user", "list"]).expect_err("there is no such view").to_string();
    assert!(refused.starts_with("qr-login: the tables are 1 migration behind this program"), "{refused}");

    let empty = "drop schema public, slots, vault cascade; create schema public";
    sqlx::raw_sql(empty).execute(&mut connection).await?;
    for reading in [&["user", "show", "1"][..], &["user", "list"], &["invite", "show", "3HBP4Z3ECICZ"]] {
        let refused = terminal.run(reading).expect_err("there are no tables").to_string();
        assert_eq!(
            refused,
            "qr-login: there are no qr-login tables in this database: the first start of the service makes them\n"
        );
    }
    let tables = "select count(*) from pg_class where relnamespace = 'public'::regnamespace";
    assert_eq!(sqlx::query_scalar::<_, i64>(tables).fetch_one(&mut connection).await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_names_at_once_why_there_is_no_database() -> Result<()> {
    let mut terminal = Terminal::open().await?;
    let url = terminal.database.expose_secret().to_owned();
    let name = url.split_once(":///").and_then(|(_, rest)| rest.split('?').next()).context("a name")?;
    // A label of 64 letters has no address, and nobody has to be asked.
    let nowhere = "x".repeat(64);
    let cases = [
        ("postgres://x:pa55word@127.0.0.1:1/x".to_owned(), "connection refused at 127.0.0.1:1"),
        (format!("postgres://x:pa55word@{nowhere}/x?sslmode=disable"), "unknown host xxxx"),
        (url.replace(name, "no_such_database"), "has no database no_such_database"),
        (
            url.replace("user=qr_login", "user=nobody_here"),
            "refuses nobody_here: role \"nobody_here\" does not exist",
        ),
        ("postgres:///x?host=/nowhere&user=x".to_owned(), "no server at /nowhere"),
    ];
    for (url, cause) in cases {
        terminal.database = url.into();
        for command in [&["invite", "list"][..], &["invite", "create", "--tier", "basic"]] {
            let refused = terminal.run(command).expect_err(cause).to_string();
            assert!(refused.contains(cause) && refused.lines().count() == 1, "{cause} in {refused}");
            assert!(!refused.contains("pa55word"), "{refused}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_complete_the_commands_and_the_manual_has_a_page_for_each() -> Result<()> {
    let terminal = Terminal::open().await?;
    for shell in ["bash", "zsh", "fish"] {
        let script = terminal.run(&["completions", shell])?;
        assert!(script.contains("qr-login") && script.contains("max-uses"), "{shell}");
    }
    let folder = terminal.dir.path().display().to_string();
    assert_eq!(terminal.run(&["man", &folder])?, "");
    for (page, holds) in [("qr-login.1", "AUTH_BASE_URL"), ("qr-login-user-list.1", "blocked")] {
        let text = std::fs::read_to_string(terminal.dir.path().join(page))?;
        assert!(text.contains(".TH") && text.contains(holds), "{page}");
    }
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
