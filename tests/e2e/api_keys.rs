//! API keys at the terminal: made, listed and revoked, by the real binary on a real database.

use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use eventlog::{Clock, Database, Log};
use secrecy::ExposeSecret;
use serde_json::Value;
use vault::{Vault, installation};

struct Terminal {
    dir: tempfile::TempDir,
    url: secrecy::SecretString,
}

impl Terminal {
    async fn open() -> Result<Self> {
        Ok(Self { dir: tempfile::tempdir()?, url: eventlog::testing::url().await })
    }

    fn apikey(&self, args: &[&str]) -> Result<Output> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qr-login"));
        command.arg("apikey").args(args).current_dir(self.dir.path()).env_clear();
        Ok(command
            .env("DATABASE_URL", self.url.expose_secret())
            .env("MASTER_KEY_FILE", self.dir.path().join("master.key"))
            .output()?)
    }

    fn run(&self, args: &[&str]) -> Result<String> {
        let output = self.apikey(args)?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_at_the_terminal_listed_and_revoked() -> Result<()> {
    let terminal = Terminal::open().await?;
    let create =
        ["create", "--name", "billing", "--scope", "users:read,subscriptions:write", "--expires", "90d"];
    terminal.run(&["list"])?;
    let early = terminal.run(&create).expect_err("there is no master key").to_string();
    assert_eq!(early, "qr-login: there is no master key yet: start the service once\n");

    let db = Database::connect(&terminal.url).await?;
    // As the first start does.
    installation::belongs_to(&db, "test").await?;
    let master = installation::master_key(&db, &terminal.dir.path().join("master.key")).await?;
    let key = terminal.run(&create)?.trim().to_owned();
    let presented = master.derived().read_api_key(&key).context("it is of this installation")?;
    let kept = Vault::new(&db).check_api_key(&presented, Clock::system().now()).await?;
    assert!(kept.is_ok(), "{kept:?}");

    let listed = terminal.run(&["list", "--json"])?;
    assert!(!listed.contains(&key[21..]), "the secret is shown once");
    let listed: Value = serde_json::from_str(&listed)?;
    let item = &listed["items"][0];
    assert_eq!(item["name"], "billing");
    assert_eq!(item["scopes"], serde_json::json!(["users:read", "subscriptions:write"]));
    assert!(item["expires_at"].is_string() && item["revoked_at"].is_null(), "{item}");
    assert!(terminal.run(&["list"])?.contains("valid"));

    let key_id = presented.key_id.to_string();
    for _ in ["once", "again"] {
        assert_eq!(terminal.run(&["revoke", &key_id])?, format!("revoked {key_id}\n"));
    }
    let kept = Vault::new(&db).check_api_key(&presented, Clock::system().now()).await?;
    assert_eq!(kept, Err(vault::api_keys::KeyRefusal::Revoked));
    assert!(terminal.run(&["list"])?.contains("revoked"));

    let events = Log::new(&db).read(0, 10).await?;
    let told: Vec<_> =
        events.iter().map(|it| (it.stream.as_str(), it.name.as_str(), it.stream_id.as_str())).collect();
    assert_eq!(told, [("service", "ApiKeyCreated", &*key_id), ("service", "ApiKeyRevoked", &*key_id)]);
    assert!(events.iter().all(|event| event.metadata.actor.starts_with("tool:cli:")));
    assert!(!format!("{events:?}").contains(&key[21..]), "no event has the secret");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_is_refused_with_one_line() -> Result<()> {
    let terminal = Terminal::open().await?;
    let db = {
        terminal.run(&["list"])?;
        Database::connect(&terminal.url).await?
    };
    installation::belongs_to(&db, "test").await?;
    installation::master_key(&db, &terminal.dir.path().join("master.key")).await?;
    for (args, why) in [
        (
            &["create", "--name", " ", "--scope", "users:read"][..],
            "the name of a key has 1 to 64 visible characters",
        ),
        (
            &["create", "--name", "a\u{1b}b", "--scope", "users:read"],
            "the name of a key has 1 to 64 visible characters",
        ),
        (&["create", "--name", "a", "--scope", "users:write"], "there is no scope"),
        (&["create", "--name", "a"], "--scope"),
        (&["create", "--name", "a", "--scope", "users:read", "--expires", "0d"], "such as 90d"),
        (&["revoke", "0123456789abcdef"], "there is no such key"),
        (&["revoke", "qrl_0123"], "16 lowercase hexadecimal digits"),
    ] {
        let refused = terminal.run(args).expect_err("it is refused").to_string();
        assert!(refused.contains(why), "{args:?}: {refused}");
    }
    assert_eq!(Log::new(&db).end().await?, 0, "nothing was recorded");
    Ok(())
}
