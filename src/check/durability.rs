//! Whether the server loses what it has confirmed: when it crashes, or when a standby takes its place.

use eventlog::database::Durability;

use super::report::Finding;

const PART: &str = "database";

/// What the server does so that no login is lost that people were told of.
pub fn check(of: &Durability) -> Vec<Finding> {
    let mut found = Vec::new();
    if of.is_standby {
        found.push(Finding::fault(
            PART,
            "it is a standby, and takes no writes",
            "name the primary in DATABASE_URL, or every server, with target_session_attrs=read-write",
        ));
        return found;
    }
    for (name, is_on) in [("fsync", of.fsync), ("full_page_writes", of.full_page_writes)] {
        if !is_on {
            found.push(Finding::fault(
                PART,
                format!("{name} is off: a crash of the server loses logins, or the whole database"),
                format!("set {name} = on in postgresql.conf"),
            ));
        }
    }
    let (names, attached) = (&of.synchronous_standby_names, of.standbys.attached);
    match &*of.synchronous_commit {
        "off" => found.push(Finding::fault(
            PART,
            "synchronous_commit is off: a crash of the server loses logins that people were told of",
            "set synchronous_commit = on for the service's role",
        )),
        "local" if !names.is_empty() => found.push(Finding::fault(
            PART,
            "synchronous_commit is local: a failover loses logins that people were told of",
            "set synchronous_commit = on for the service's role",
        )),
        _ => {}
    }
    let standbys = if attached == 1 { "a standby is".to_owned() } else { format!("{attached} standbys are") };
    found.push(match (names.is_empty(), attached, of.standbys.slots) {
        (true, 1.., _) => Finding::fault(
            PART,
            format!(
                "synchronous replication is off, and {standbys} attached: a failover loses logins that people were told of"
            ),
            "set synchronous_standby_names, or synchronous_mode in Patroni (docs/database.md)",
        ),
        (false, 0, _) => Finding::fault(
            PART,
            format!("every write waits: synchronous_standby_names is {names:?}, and no standby is attached"),
            "start the standby, or empty synchronous_standby_names",
        ),
        (false, ..) => {
            Finding::ok(PART, format!("synchronous replication is on ({names}), and {standbys} attached"))
        }
        (true, _, 1..) => Finding::warning(
            PART,
            "a standby has a slot, and is not attached; synchronous replication is off",
            "start it, and set synchronous_standby_names (docs/database.md), or drop the slot",
        ),
        (true, ..) => Finding::ok(
            PART,
            "no standby is attached: with this server's disk goes what came after the last backup",
        ),
    });
    found
}
