//! What keeps the signed log of this installation, and what it needs of the settings.

use app::App;
use eventlog::Outage;
use transparency::{KeeperSettings, Kept, WitnessSettings, leading};
use vault::presence::Presence;

use crate::config::Config;

/// What the keeper of the tree needs.
pub(crate) fn keeper_settings(config: &Config) -> KeeperSettings {
    KeeperSettings {
        host: host(config),
        key_file: config.data.checkpoint_key_file.clone(),
        kept: Kept::of_data_dir(&config.data.data_dir),
        witnesses: config.witnesses.clone(),
    }
}

/// What the witness of other logs needs; None: it is off.
pub(crate) fn witness_settings(config: &Config) -> Option<WitnessSettings> {
    let (data_dir, logs) = (config.data.data_dir.clone(), config.witness_logs.clone());
    (!logs.is_empty()).then(|| WitnessSettings { host: host(config), data_dir, logs })
}

/// Keeps the tree over the log and signs it, for as long as it is polled. Whatever it fails at, the service goes on.
pub(crate) async fn keep_tree(app: App, settings: KeeperSettings, holder: fn() -> String) {
    let mut outage = Outage::new("the tree waits for the database", "the tree has the database again");
    let work = |holder| leading::keep(app.db.clone(), app.clock.clone(), settings.clone(), holder);
    Presence::keep(&app.db, &mut outage, holder, work).await;
}

fn host(config: &Config) -> String {
    let url: Option<url::Url> = config.auth_base_url.parse().ok();
    url.as_ref().and_then(|url| url.host_str()).unwrap_or("localhost").to_owned()
}
