//! The database of a command that works beside a running service, or alone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use app::leader::{self, Leader};
use eventlog::Database;
use eventlog::clock::Clock;
use vault::{DerivedKeys, installation};

use crate::config::{DataConfig, DataSettings};
use crate::database::{self, Patience};
use crate::service;

/// How long a command waits for a leader that is busy.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

/// Runs a command on the database. What it did shows in the views before it ends.
pub async fn with_database<T>(
    settings: &DataSettings,
    work: impl AsyncFnOnce(&DataConfig, &Database) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let data = DataConfig::from_settings(settings)?;
    let (db, cluster) = database::open(&data, Patience::FailAtOnce).await?;
    let result = work(&data, &db).await;
    let settled = settle(&data, &db).await;
    db.close().await;
    if let Some(cluster) = cluster {
        cluster.stop().await?;
    }
    let result = result?;
    settled?;
    Ok(result)
}

/// Runs a command that only reads. It makes no database, and changes no table: an older or a newer service may be running on
/// them, and a standby will do.
pub async fn reading<T>(
    settings: &DataSettings,
    work: impl AsyncFnOnce(&DataConfig, &Database) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let data = DataConfig::from_settings(settings)?;
    let (db, cluster) = database::open_to_read(&data).await?;
    // Where nobody leads, what happened last is not in the views yet. A standby shows what it has.
    let caught_up = match (db.tables().await, db.is_standby().await) {
        (Ok(tables), Ok(false)) if tables.fit() => settle(&data, &db).await,
        _ => Ok(()),
    };
    if let Err(error) = caught_up {
        tracing::warn!(
            error = &*error as &dyn std::error::Error,
            "the views could not be brought up to date first"
        );
    }
    let result = match work(&data, &db).await {
        Ok(result) => Ok(result),
        Err(error) => Err(database::explain(&db, error).await),
    };
    db.close().await;
    if let Some(cluster) = cluster {
        cluster.stop().await?;
    }
    result
}

/// Waits until the views show what was recorded before.
pub(super) async fn settle(data: &DataConfig, db: &Database) -> anyhow::Result<()> {
    let leader = Leader {
        db: db.clone(),
        clock: Clock::system(),
        tiers: data.tiers.clone(),
        holder: service::holder(),
    };
    if !leader::settle(&leader, SETTLED_WITHIN).await? {
        tracing::warn!("the views are behind: what was done will show in them once they have caught up");
    }
    Ok(())
}

/// The keys that come from the master key, which the first start of the service makes.
pub(super) async fn derived_keys(data: &DataConfig, db: &Database) -> anyhow::Result<Arc<DerivedKeys>> {
    if installation::stamp(db).await?.master_key_id.is_none() {
        bail!("there is no master key yet: start the service once");
    }
    installation::derived_keys(db, &data.master_key_file).await.context("MASTER_KEY_FILE")
}
