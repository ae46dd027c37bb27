//! The master key: there, for its owner alone, and the one that the database knows.

use std::path::Path;

use vault::installation::{self, InstallationError};
use vault::{DerivedKeys, MasterKey, MasterKeyError};

use terminal::error_chain;

use super::database::Checked;
use super::report::Finding;

const PART: &str = "master key";

/// Looks at the file, and asks the database where there is one. A process that opens no session needs the keys of HTTP alone.
pub async fn check(path: &Path, db: Option<&Checked>, opens_sessions: bool) -> Finding {
    if !opens_sessions && let Ok(Some(keys)) = DerivedKeys::load(path) {
        return of_http(path, &keys, db).await;
    }
    let shown = path.display();
    let loaded = MasterKey::load(path);
    let is_asked = db.is_some();
    let Some(db) = db.filter(|db| db.has_tables) else {
        return match loaded {
            Ok(key) => Finding::ok(PART, format!("{shown} holds the key {}", key.id())),
            Err(MasterKeyError::Missing(_)) if is_asked => not_made_yet(path),
            Err(MasterKeyError::Missing(_)) => Finding::warning(
                PART,
                format!("{shown} is not there, and the database cannot be asked whether it needs one"),
                "look again once the database answers",
            ),
            Err(error) => unusable(&error),
        };
    };
    match installation::existing_master_key(&db.db, path).await {
        Ok(key) => match installation::stamp(&db.db).await {
            Ok(stamp) if stamp.master_key_id.is_some() => {
                Finding::ok(PART, format!("{shown} holds this database's key {}", key.id()))
            }
            _ => Finding::ok(
                PART,
                format!("{shown} holds the key {}: the first start makes it this database's", key.id()),
            ),
        },
        Err(InstallationError::MasterKey(MasterKeyError::Missing(_))) => not_made_yet(path),
        Err(InstallationError::MasterKey(error)) => unusable(&error),
        Err(error @ (InstallationError::OtherKey { .. } | InstallationError::RotatedKey { .. })) => {
            Finding::fault(
                PART,
                error.to_string(),
                "without it no linked session can be opened (docs/keys.md)",
            )
        }
        Err(error) => Finding::warning(
            PART,
            format!("the database cannot be asked for its key: {}", anyhow::Error::from(error).root_cause()),
            "repair the database first",
        ),
    }
}

/// The keys of a machine that serves HTTP alone.
async fn of_http(path: &Path, keys: &DerivedKeys, db: Option<&Checked>) -> Finding {
    let shown = path.display();
    let stamp = match db.filter(|db| db.has_tables) {
        Some(db) => installation::stamp(&db.db).await.ok(),
        None => return Finding::ok(PART, format!("{shown} holds the keys for HTTP alone")),
    };
    match stamp.and_then(|stamp| stamp.master_key_id) {
        Some(root) if root == keys.root_id() => {
            Finding::ok(PART, format!("{shown} holds this database's keys for HTTP alone"))
        }
        Some(root) => Finding::fault(
            PART,
            format!("{shown} holds keys for HTTP of another master key than this database's {root}"),
            "write them anew where that key is: qr-login key api FILE",
        ),
        None => Finding::fault(PART, InstallationError::NoKeyYet.to_string(), "then check again"),
    }
}

fn not_made_yet(path: &Path) -> Finding {
    Finding::ok(
        PART,
        format!("the first start makes {}; then back it up, apart from the database", path.display()),
    )
}

fn unusable(error: &MasterKeyError) -> Finding {
    Finding::fault(PART, error_chain(error), "the service refuses to start with it (docs/keys.md)")
}
