//! A process that only serves HTTP holds no key that opens a session. People log in through it all the same.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Result, ensure};
use domain::Tier;
use eventlog::Clock;
use qr_login::config::{Config, Role};
use qr_login::service::Service;
use serde_json::Value;
use stand_in::accounts::ILYA;

use crate::export::qr_login;
use crate::world::{World, WorldOptions};

#[tokio::test(flavor = "multi_thread")]
async fn people_log_in_through_a_process_without_the_master_key() -> Result<()> {
    let configure: fn(&mut _) = |config: &mut Config| config.roles = [Role::Bot, Role::Projector].into();
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    let machine = tempfile::tempdir()?;
    let keys = machine.path().join("api.key");
    let path = keys.to_str().expect("a path of letters");

    // 1. The keys are written once, for their owner alone.
    let written = qr_login(&world, &["key", "api", path]).await?;
    ensure!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    assert_eq!(fs::metadata(&keys)?.permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&keys)?;
    assert!(!text.contains(fs::read_to_string(&world.config.data.master_key_file)?.trim()));
    let again = qr_login(&world, &["key", "api", path]).await?;
    assert!(!again.status.success());
    assert_eq!(fs::read_to_string(&keys)?, text);

    // 2. A process with them takes a password and finishes the login.
    let mut config = Config { roles: [Role::Api].into(), ..world.config.clone() };
    config.data.data_dir = machine.path().to_owned();
    config.data.master_key_file = keys.clone();
    let api = Service::start(config.clone(), Clock::system()).await?;
    world.set_ilyas_password();
    let session = world.begin_login(ILYA, &world.invite(Tier::Premium).await?).await?;
    world.phone(ILYA).scan(&world.qr_link(ILYA, &session).await?).await?;
    let is = |wanted: &'static str| move |status: &Value| status["status"] == wanted;
    world.wait_for_status(ILYA, &session, is("password_required")).await?;
    world.submit_password(ILYA, &session, "correct horse").await?;
    world.wait_for_status(ILYA, &session, is("authorized")).await?;
    api.stop().await;

    // 3. A process that opens sessions does not start with them.
    config.roles = [Role::Bot].into();
    let Err(refused) = Service::start(config, Clock::system()).await else { panic!("it started") };
    let refused = format!("{refused:#}");
    assert!(refused.contains("serves HTTP alone (--role api)"), "{refused}");
    Ok(())
}
