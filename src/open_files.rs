//! How many files this process may open: every page that waits is one, and so is every login's connection to Telegram. The
//! usual limit of 1,024 is for programs that use `select`; a process may raise its own as far as the system lets it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Fewer than this are soon used up.
const FEW: u64 = 4_096;

/// Takes as many as the system lets this process have, and says so where that is little.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    if let Some(most) = getrlimit(Resource::Nofile).current.filter(|most| *most < FEW) {
        tracing::warn!(
            "at most {most} open files (RLIMIT_NOFILE): each page that waits and each login needs one"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_allows_is_taken() {
        let limit = getrlimit(Resource::Nofile);
        let low = limit.maximum.map_or(1_000, |most| most.min(1_000));
        setrlimit(Resource::Nofile, Rlimit { current: Some(low), ..limit }).unwrap();
        raise();
        assert_eq!(getrlimit(Resource::Nofile).current, limit.maximum);
    }
}
