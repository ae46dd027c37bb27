//! `qr-login database …`: the address of the private PostgreSQL, running it without the service, and the roles that a dump names.

use anyhow::ensure;
use clap::Subcommand;
use private_postgres::PrivateCluster;
use secrecy::ExposeSecret;

use super::signals;
use crate::config::{DataConfig, DataSettings};
use crate::database;

#[derive(Debug, Subcommand)]
pub enum DatabaseCommand {
    /// Print its URL, for psql and for replay. It runs while the service does.
    Url,
    /// Run the private PostgreSQL without the service, until Ctrl-C: to restore a dump, or for psql. It prints its URL.
    Run,
    /// Make the roles that a dump names, before it is restored in another cluster: qr_auditor, and that of DATABASE_URL.
    ///
    /// With DATABASE_OWNER_URL as the owner. A role gets no password: give it one.
    Roles,
}

impl DatabaseCommand {
    pub async fn run(self, settings: &DataSettings) -> anyhow::Result<()> {
        let data = DataConfig::from_settings(settings)?;
        match self {
            Self::Url => {
                let url = match &data.database_url {
                    Some(url) => url.clone(),
                    None => PrivateCluster::url_of(&data.data_dir)?,
                };
                println!("{}", url.expose_secret());
            }
            Self::Run => run(&data).await?,
            Self::Roles => match database::make_roles(&data).await?.as_slice() {
                [] => println!("the roles are there"),
                made => println!("made the roles {}", made.join(", ")),
            },
        }
        Ok(())
    }
}

async fn run(data: &DataConfig) -> anyhow::Result<()> {
    ensure!(data.database_url.is_none(), "DATABASE_URL is set: that database runs by itself");
    let cluster = PrivateCluster::start(&data.data_dir).await?;
    println!("{}", cluster.url().expose_secret());
    signals::stop().await;
    Ok(cluster.stop().await?)
}
