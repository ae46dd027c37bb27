//! The database: reachable, with the tables of this program, with a role that may do what the service does.

use std::error::Error;

use eventlog::database::{Database, DatabaseError, PoolSettings, Tables};
use login_worker::Network;
use private_postgres::PrivateCluster;
use projections::views::users::filtered::finds_parts_of_names;
use secrecy::SecretString;
use vault::installation;

use crate::config::DataConfig;
use crate::database;
use terminal::{counted, error_chain};

use super::report::Finding;
use super::{durability, standby};

const PART: &str = "database";

/// A database that answers.
pub struct Checked {
    pub db: Database,
    pub has_tables: bool,
}

/// What was found; and the database, where it answers.
pub async fn check(data: &DataConfig, network: Option<&Network>) -> (Vec<Finding>, Option<Checked>) {
    let pool = PoolSettings { size: 2, ..data.pool };
    let mut found = Vec::new();
    let (db, service_url) = match &data.database_url {
        Some(url) => match Database::connect_with(url, pool).await {
            Ok(db) => (db, None),
            Err(error) => return (vec![unreachable("DATABASE_URL", &error)], None),
        },
        None => match private(data, pool).await {
            Ok((db, service_url)) => (db, Some(service_url)),
            Err(finding) => return (vec![finding], None),
        },
    };
    let owner = match &data.database_owner_url {
        Some(url) => match Database::connect_with(url, pool).await {
            Ok(owner) => Some(owner),
            Err(error) => {
                found.push(unreachable("DATABASE_OWNER_URL", &error));
                None
            }
        },
        None => None,
    };
    let has_tables = match look(&db, owner.as_ref(), service_url, network, pool, &mut found).await {
        Ok(has_tables) => has_tables,
        Err(error) => {
            found.push(Finding::fault(
                PART,
                error_chain(&error),
                "let the role of DATABASE_URL read its tables",
            ));
            false
        }
    };
    if let (Some(url), true) = (&data.database_read_url, has_tables) {
        found.push(standby::check(url, &db, pool).await);
    }
    if let Some(owner) = owner {
        owner.close().await;
    }
    (found, Some(Checked { db, has_tables }))
}

/// The private PostgreSQL, where it runs. It is not started for this.
async fn private(data: &DataConfig, pool: PoolSettings) -> Result<(Database, SecretString), Finding> {
    let home = data.data_dir.join("postgres");
    if !home.exists() {
        return Err(match PrivateCluster::is_installed() {
            Ok(()) => {
                Finding::ok(PART, format!("a private PostgreSQL: the first start makes {}", home.display()))
            }
            Err(error) => Finding::fault(PART, error.to_string(), "or set DATABASE_URL"),
        });
    }
    let refused = |error: &(dyn Error + 'static)| {
        Finding::fault(PART, error_chain(error), "the service starts it; look into its log")
    };
    let (url, service_url) = PrivateCluster::urls_of(&data.data_dir).map_err(|error| refused(&error))?;
    match Database::connect_with(&url, pool).await {
        Ok(db) => Ok((db, service_url)),
        Err(error) if error.is_absent() => Err(Finding::ok(
            PART,
            format!(
                "a private PostgreSQL in {}; it does not run now, and the service starts it",
                home.display()
            ),
        )),
        Err(error) => Err(refused(&error)),
    }
}

async fn look(
    db: &Database,
    owner: Option<&Database>,
    service_url: Option<SecretString>,
    network: Option<&Network>,
    pool: PoolSettings,
    found: &mut Vec<Finding>,
) -> Result<bool, DatabaseError> {
    let durability = db.durability().await?;
    found.push(Finding::ok(PART, format!("PostgreSQL {} answers", durability.version)));
    found.extend(durability::check(&durability));
    let tables = owner.unwrap_or(db).tables().await?;
    let migrator = owner.unwrap_or(db);
    found.push(of_tables(tables, migrator.may_migrate().await?, &migrator.role().await?));
    let has_tables = !matches!(tables, Tables::None { .. });
    if tables.fit() {
        match &service_url {
            None => found.push(rights(db, false).await?),
            // Before its first start the private cluster has no such role.
            Some(url) => {
                if let Ok(service) = Database::connect_with(url, pool).await {
                    found.push(rights(&service, true).await?);
                    service.close().await;
                }
            }
        }
        if !finds_parts_of_names(db).await? {
            found.push(Finding::warning(
                PART,
                "it has no pg_trgm: admins find people by the beginning of a name alone",
                "install it (contrib), then run `replay rebuild users`",
            ));
        }
        let stamp = installation::stamp(db).await?;
        if let (Some(of), Some(wanted)) = (stamp.network, network.map(Network::stamp))
            && of != wanted
        {
            found.push(Finding::fault(
                PART,
                format!("it belongs to the network {of:?}, not to {wanted:?}"),
                "correct TELEGRAM_NETWORK_FILE or DATABASE_URL",
            ));
        }
    }
    Ok(has_tables)
}

fn of_tables(tables: Tables, may_migrate: bool, role: &str) -> Finding {
    let nobody = "set DATABASE_OWNER_URL to a role that may (docs/database.md)";
    match tables {
        Tables::UpToDate => Finding::ok(PART, "its tables are those of this program"),
        Tables::None { .. } if may_migrate => Finding::ok(PART, "not migrated yet: the first start does it"),
        Tables::None { .. } => {
            Finding::fault(PART, format!("not migrated yet, and the role {role} may not make tables"), nobody)
        }
        Tables::Behind { migrations } if may_migrate => Finding::warning(
            PART,
            format!("its tables are {} behind this program", counted(migrations, "migration")),
            "run `qr-login migrate`; the next start does it, too",
        ),
        Tables::Behind { migrations } => Finding::fault(
            PART,
            format!(
                "its tables are {} behind this program, and the role {role} may not change them",
                counted(migrations, "migration")
            ),
            nobody,
        ),
        Tables::Newer { fits: true } => Finding::ok(
            PART,
            "its tables are of a newer version of this program, and this one can work with them",
        ),
        Tables::Newer { fits: false } => Finding::fault(
            PART,
            "its tables are of a newer version of this program, and this one cannot work with them",
            "run that version, or restore the database of this one",
        ),
        Tables::Changed { migration } => Finding::fault(
            PART,
            format!("migration {migration} failed half-way, or is not this program's"),
            "restore the database, or run the version that made it",
        ),
    }
}

async fn rights(db: &Database, is_private: bool) -> Result<Finding, DatabaseError> {
    let (missing, role) = (db.missing_rights().await?, db.role().await?);
    if !missing.is_empty() {
        return Ok(Finding::fault(
            PART,
            format!("the role {role} lacks rights: {}", database::named(&missing)),
            "run `qr-login migrate` with DATABASE_OWNER_URL: it gives them (docs/database.md)",
        ));
    }
    Ok(match db.owns_log().await? {
        true if !is_private => Finding::warning(
            PART,
            format!("the role {role} owns the log, and could change it"),
            "give the service a role of its own, and set DATABASE_OWNER_URL (docs/database.md)",
        ),
        _ => Finding::ok(PART, format!("the role {role} may do what the service does")),
    })
}

fn unreachable(setting: &'static str, error: &DatabaseError) -> Finding {
    let to_do = match error.is_absent() {
        true => format!("start it, or correct {setting}"),
        false => format!("correct {setting}"),
    };
    Finding::fault(PART, format!("{setting}: {}", error_chain(error)), to_do)
}
