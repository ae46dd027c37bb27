//! The database of a process: which one, who brings its tables up to date, and who waits for it.
//!
//! A service waits for its database, whatever is wrong with it that may pass. A command has a person before it: it waits for a
//! server that starts or hands over, and says at once that there is none, that the password is wrong, or that the tables are
//! missing.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use eventlog::Outage;
use eventlog::database::{
    AUDITOR_ROLE, Database, DatabaseError, Missing, Pending, PoolSettings, Role, Tables,
};
use private_postgres::PrivateCluster;
use secrecy::SecretString;

use crate::config::DataConfig;
use terminal::counted;

/// So many rights are named that are missing.
const EXAMPLES: usize = 3;

/// What to do where there is no server at the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Wait for it, and say so once.
    WaitForServer,
    /// Fail.
    FailAtOnce,
}

/// The database that the settings name, migrated; else a private PostgreSQL under `DATA_DIR`. Where it takes no writes yet, this
/// waits, and says so once. Migrations run as the owner, where the settings name one.
///
/// # Errors
/// No PostgreSQL binaries, a foreign table in the way, or a database that refuses us.
pub async fn open(
    data: &DataConfig,
    patience: Patience,
) -> anyhow::Result<(Database, Option<PrivateCluster>)> {
    let (urls, cluster) = urls(data).await?;
    let is_private = cluster.is_some();
    let db = until_it_serves(patience, || migrated(&urls, data.pool, is_private, patience)).await?;
    Ok((db, cluster))
}

/// The same database for a command that only reads: nothing is made, and no table is changed.
///
/// # Errors
/// There is no database, or no table of ours in it.
pub async fn open_to_read(data: &DataConfig) -> anyhow::Result<(Database, Option<PrivateCluster>)> {
    let (url, cluster) = match &data.database_url {
        Some(url) => (url.clone(), None),
        None => {
            ensure!(
                has_private(data),
                "there is no database yet: DATABASE_URL is not set, and {} has none; the first start of the service makes it",
                data.data_dir.display()
            );
            let cluster = PrivateCluster::start(&data.data_dir).await?;
            (cluster.url(), Some(cluster))
        }
    };
    let db = until_it_serves(Patience::FailAtOnce, || Database::connect_with(&url, data.pool)).await?;
    match db.has_log().await {
        Ok(true) => Ok((db, cluster)),
        Ok(false) => {
            bail!("there are no qr-login tables in this database: the first start of the service makes them")
        }
        Err(error) => Err(error.into()),
    }
}

/// What `qr-login migrate` has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How the tables stand.
    pub tables: Tables,
    /// The migrations to run.
    pub migrations: Vec<Pending>,
    /// The service's role, where it is another one than the owner's.
    pub role: Option<String>,
    /// The rights that it lacks of tables that are there.
    pub missing: Vec<Missing>,
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.tables.fit() && self.missing.is_empty()
    }
}

/// What is to be done to the tables, and nothing is done. None: there is no private PostgreSQL yet.
///
/// # Errors
/// The database cannot be reached, or refuses us.
pub async fn plan(data: &DataConfig) -> anyhow::Result<Option<Plan>> {
    if data.database_url.is_none() && !has_private(data) {
        return Ok(None);
    }
    let (urls, cluster) = urls(data).await?;
    let plan = planned(&urls, data.pool).await;
    if let Some(cluster) = cluster {
        cluster.stop().await?;
    }
    plan.map(Some)
}

async fn planned(urls: &Urls, pool: PoolSettings) -> anyhow::Result<Plan> {
    let url = urls.owner.as_ref().unwrap_or(&urls.service);
    let db = until_it_serves(Patience::FailAtOnce, || Database::connect_with(url, pool)).await?;
    let (tables, migrations) = (db.tables().await?, db.pending_migrations().await?);
    db.close().await;
    let role = urls.owner.is_some().then(|| Database::role_of(&urls.service)).transpose()?;
    let mut missing = Vec::new();
    if tables.fit() && role.is_some() {
        let service = Database::connect_with(&urls.service, pool).await.context("DATABASE_URL")?;
        missing = service.missing_rights().await?;
        service.close().await;
    }
    Ok(Plan { tables, migrations, role, missing })
}

/// Makes the roles that a dump of such a database names, where they are missing: an auditor's, and the service's. Returns which
/// were made.
///
/// # Errors
/// The database cannot be reached, or this role may not make roles: then the error says what a superuser has to run.
pub async fn make_roles(data: &DataConfig) -> anyhow::Result<Vec<String>> {
    let (urls, cluster) = urls(data).await?;
    let made = make_roles_of(&urls, data.pool).await;
    if let Some(cluster) = cluster {
        cluster.stop().await?;
    }
    made
}

async fn make_roles_of(urls: &Urls, pool: PoolSettings) -> anyhow::Result<Vec<String>> {
    let url = urls.owner.as_ref().unwrap_or(&urls.service);
    let db = until_it_serves(Patience::FailAtOnce, || Database::connect_with(url, pool)).await?;
    let service = Database::role_of(&urls.service)?;
    let mut roles = vec![Role { name: AUDITOR_ROLE, may_log_in: false }];
    if urls.owner.is_some() {
        roles.push(Role { name: &service, may_log_in: true });
    }
    let mut made = Vec::new();
    for role in roles {
        match db.make_role(role).await {
            Ok(true) => made.push(role.name.to_owned()),
            Ok(false) => {}
            Err(error) if error.is_of_rights() => {
                return Err(error).with_context(|| format!("a superuser has to run: {}", role.create()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    db.close().await;
    Ok(made)
}

/// Rights that are missing, in words.
pub fn named(missing: &[Missing]) -> String {
    let named: Vec<_> =
        missing.iter().take(EXAMPLES).map(|it| format!("{} on {}", it.right, it.of)).collect();
    match missing.len().saturating_sub(EXAMPLES) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Whether there is a private PostgreSQL.
fn has_private(data: &DataConfig) -> bool {
    data.data_dir.join("postgres").exists()
}

/// Says of an error that other tables than this program's may be its cause.
pub async fn explain(db: &Database, error: anyhow::Error) -> anyhow::Error {
    let other_tables =
        error.chain().any(|cause| cause.downcast_ref().is_some_and(DatabaseError::is_of_other_tables));
    match db.tables().await {
        Ok(Tables::Behind { migrations }) if other_tables => error.context(format!(
            "the tables are {} behind this program: run `qr-login migrate`, or read with the version that runs",
            counted(migrations, "migration")
        )),
        Ok(Tables::Newer { .. }) if other_tables => {
            error.context("the tables are of a newer version of this program")
        }
        _ => error,
    }
}

async fn until_it_serves<F: Future<Output = Result<Database, DatabaseError>>>(
    patience: Patience,
    mut connect: impl FnMut() -> F,
) -> anyhow::Result<Database> {
    let mut outage = Outage::new(
        "DATABASE_URL: the database takes no writes yet, trying again",
        "DATABASE_URL: the database takes writes",
    );
    loop {
        match connect().await {
            Ok(db) => {
                outage.over();
                return Ok(db);
            }
            Err(error) if patience == Patience::FailAtOnce && error.is_absent() => {
                return Err(error).context("the database cannot be reached");
            }
            Err(error) if error.is_transient() => {
                outage.failed(&error);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// One database, for two roles.
struct Urls {
    service: SecretString,
    owner: Option<SecretString>,
}

/// The database that the settings name; else the private PostgreSQL, which is started.
async fn urls(data: &DataConfig) -> anyhow::Result<(Urls, Option<PrivateCluster>)> {
    Ok(match &data.database_url {
        Some(url) => (Urls { service: url.clone(), owner: data.database_owner_url.clone() }, None),
        None => {
            let cluster = PrivateCluster::start(&data.data_dir).await?;
            (Urls { service: cluster.service_url(), owner: Some(cluster.url()) }, Some(cluster))
        }
    })
}

async fn migrated(
    urls: &Urls,
    pool: PoolSettings,
    is_private: bool,
    patience: Patience,
) -> Result<Database, DatabaseError> {
    if let Some(owner) = &urls.owner {
        let role = Database::role_of(&urls.service)?;
        let db = Database::connect_with(owner, pool).await?;
        let prepared = match db.migrate().await {
            Ok(()) => db.grant_to_service(&role, is_private).await,
            Err(error) => Err(error),
        };
        db.close().await;
        prepared?;
    }
    let db = Database::connect_with(&urls.service, pool).await?;
    let served = async {
        db.migrate().await?;
        match patience {
            Patience::WaitForServer => db.takes_writes().await,
            Patience::FailAtOnce => Ok(()),
        }
    };
    match served.await {
        Ok(()) => Ok(db),
        Err(error) => {
            db.close().await;
            Err(error)
        }
    }
}
