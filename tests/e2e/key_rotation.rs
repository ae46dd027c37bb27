//! `qr-login key`: the master key is made, and rotated while people log in and linked sessions are in use.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::Tier;
use serde_json::Value;
use stand_in::accounts::{ANNA, ILYA};
use vault::MasterKey;

use crate::export::stdout_of;
use crate::world::World;

fn key_file(world: &World) -> PathBuf {
    world.config.data.master_key_file.clone()
}

/// `--finish` waits until what was sealed with the old key has reached the database for sure: here, no time at all.
async fn finish(world: &World) -> Result<String> {
    let pass_time = async {
        loop {
            sqlx::query("update vault.processes set sealed_otherwise_until = null")
                .execute(world.db.pool())
                .await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        done = stdout_of(world, &["key", "rotate", "--finish"]) => done,
        failed = pass_time => failed,
    }
}

/// The ids of the keys that sessions and running logins are sealed with.
async fn sealed_with(world: &World) -> Result<Vec<String>> {
    Ok(vault::Vault::new(&world.db).sealed_with().await?)
}

fn session_file(world: &World, person: i64) -> Result<Value> {
    let text = fs::read_to_string(world.config.sessions_dir.join(format!("user_{person}.session")))?;
    Ok(serde_json::from_str(&text)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_rotated_while_people_log_in_and_nobody_notices() -> Result<()> {
    let mut world = World::start().await?;
    let first = MasterKey::load(&key_file(&world))?;
    world.log_in(ILYA).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ANNA, &code).await?;
    // Her key at Telegram is sealed, and her QR code is on the screen.
    world.qr_link(ANNA, &session).await?;

    for round in 0..2 {
        let before = MasterKey::load(&key_file(&world))?.id();
        let said = stdout_of(&world, &["key", "rotate"]).await?;
        let key = MasterKey::load(&key_file(&world))?;
        assert!(said.contains(&key.id()), "{said}");
        assert_ne!(key.id(), before);
        assert_eq!(key.root_id(), first.id());
        let again = stdout_of(&world, &["key", "rotate"]).await?;
        assert!(again.contains("already"), "{again}");
        assert_eq!(MasterKey::load(&key_file(&world))?.id(), key.id(), "a second run makes no other key");

        finish(&world).await?;
        assert_eq!(sealed_with(&world).await?, [key.id()]);
        assert_eq!(session_file(&world, ILYA)?["key_id"], key.id());
        assert_eq!(fs::read_to_string(key_file(&world))?.lines().count(), 2, "the first key is the root");
        let said = finish(&world).await?;
        assert!(said.starts_with("sealed 0 anew"), "{said}");

        if round == 0 {
            world.phone(ANNA).scan(&world.qr_link(ANNA, &session).await?).await?;
            world.wait_for_status(ANNA, &session, |status| status["status"] == "authorized").await?;
        }
    }
    // Sessions from before both rotations are used, and logged out.
    for person in [ILYA, ANNA] {
        world.person(person).ask("/logout").await?;
        let gone = async {
            while world.telegram.mtproto.sessions_of(person).iter().any(|session| !session.phone) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), gone).await.context("the session is logged out")?;
    }
    world.crash_service().await;
    world.start_service().await?;
    world.log_in(ILYA).await?;
    assert_eq!(sealed_with(&world).await?, [MasterKey::load(&key_file(&world))?.id()]);
    assert!(world.telegram.mtproto.keys_in_two_places().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_new_key_file_is_its_owners_alone_and_overwrites_none() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let make = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_qr-login"));
        command.args(["key", "new"]).env_clear().env("DATA_DIR", dir.path().join("data")).output()
    };
    let made = make()?;
    let path = dir.path().join("data/master.key");
    assert!(made.status.success(), "{made:?}");
    assert_eq!(path.metadata()?.permissions().mode() & 0o777, 0o600);
    let id = MasterKey::load(&path)?.id();
    assert!(String::from_utf8(made.stdout)?.contains(&id));

    let refused = make()?;
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(refused.stderr)?,
        format!(
            "qr-login: MASTER_KEY_FILE: master key file {} exists, and is not overwritten\n",
            path.display()
        )
    );
    assert_eq!(MasterKey::load(&path)?.id(), id);
    Ok(())
}
