//! `qr-login check`: whether everything that the service needs is there and right, before it is deployed and afterwards. It asks
//! the real ones: PostgreSQL, the Bot API, Telegram, the public address. It changes nothing, and prints no secret.
//!
//! Each part asks for itself, so one that fails hides no other. What a bad setting makes impossible to ask is named as such.

mod base_url;
mod clock;
mod database;
mod durability;
mod files;
mod master_key;
mod report;
mod running;
mod settings;
mod standby;
mod telegram;

use crate::config::{self, DataConfig, Role, Settings};

use clock::Offset;
use report::Finding;
pub use report::Report;

/// Asks everything.
pub async fn check(settings: &Settings) -> Report {
    let mut findings = settings::check(settings);
    let network = config::network(settings).ok();
    let data = DataConfig::from_settings(&settings.data).ok();
    // Only the role `bot` opens linked sessions.
    let opens_sessions = config::has_role(settings, Role::Bot);
    findings.extend(files::check(settings));

    let of_database = async {
        let Some(data) = &data else { return (vec![Finding::not_asked("database")], Vec::new()) };
        let (mut found, db) = database::check(data, network.as_ref()).await;
        found.push(master_key::check(&data.master_key_file, db.as_ref(), opens_sessions).await);
        let offset = match &db {
            Some(db) => clock::of_database(&db.db).await,
            None => None,
        };
        if let Some(db) = db {
            db.db.close().await;
        }
        (found, offset.into_iter().collect())
    };
    let of_bot = telegram::bot_token(settings, network.as_ref());
    let of_telegram = telegram::data_centre(settings, network.as_ref());
    let of_public_side = async {
        let (mut found, is_running) = running::check(settings).await;
        found.extend(base_url::check(settings, network.as_ref(), is_running).await);
        found
    };
    let (of_database, of_bot, of_telegram, of_public_side) =
        tokio::join!(of_database, of_bot, of_telegram, of_public_side);
    let mut offsets: Vec<Offset> = Vec::new();
    for (found, offset) in [of_database, of_bot, of_telegram] {
        findings.extend(found);
        offsets.extend(offset);
    }
    findings.extend(of_public_side);
    findings.push(clock::check(&offsets));
    Report { findings }
}
