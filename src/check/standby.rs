//! `DATABASE_READ_URL`: whether it is a standby of the database, and how far it is behind.

use std::time::Duration;

use eventlog::database::{Database, DatabaseError, PoolSettings};
use secrecy::SecretString;

use terminal::error_chain;

use super::report::Finding;

const PART: &str = "database";
const IT: &str = "DATABASE_READ_URL";
/// How long the standby may take to show what the primary has at this moment.
const THERE_WITHIN: Duration = Duration::from_secs(2);

/// What was found of the standby of this primary, which has tables.
pub async fn check(url: &SecretString, primary: &Database, pool: PoolSettings) -> Finding {
    let standby = match Database::connect_with(url, pool).await {
        Ok(standby) => standby,
        Err(error) => return away(&error),
    };
    let found = look(&standby, primary).await.unwrap_or_else(|error| away(&error));
    standby.close().await;
    found
}

async fn look(standby: &Database, primary: &Database) -> Result<Finding, DatabaseError> {
    let (its, of) = (standby.standing().await?, primary.standing().await?);
    if its.system_identifier != of.system_identifier {
        return Ok(Finding::fault(
            PART,
            format!("{IT}: it is a copy of another server than that of DATABASE_URL"),
            format!("correct {IT}"),
        ));
    }
    if !its.is_standby {
        return Ok(Finding::warning(
            PART,
            format!("{IT}: it takes writes: it is the primary itself, and takes no load from it"),
            "name a standby, or every server, with target_session_attrs=standby",
        ));
    }
    let extent = primary.extent().await?;
    if standby.shows_within(&extent, THERE_WITHIN).await? {
        return Ok(Finding::ok(PART, format!("{IT}: a standby answers, and shows what the primary has")));
    }
    let lag = standby.lag(&extent).await?;
    let (why, to_do) = match its.is_paused {
        true => ("its replay is paused", "run select pg_wal_replay_resume() there"),
        false => ("the primary answers reads meanwhile", "let it catch up"),
    };
    Ok(Finding::warning(
        PART,
        format!("{IT}: the standby is {} bytes and {} s behind; {why}", lag.bytes, lag.seconds),
        to_do,
    ))
}

fn away(error: &DatabaseError) -> Finding {
    Finding::warning(
        PART,
        format!("{IT}: {}; the primary answers reads meanwhile", error_chain(error)),
        format!("start it, or correct {IT}"),
    )
}
