//! Verified launch data by its SHA-256, so that a signature is computed once for each opened page and not for each request.
//!
//! The cache lets in nobody who would not get in without it. A signature that is valid for these bytes stays valid; only its age
//! revokes it, and that is checked with every request. Only verified data is kept, so a stranger cannot fill the table. A name
//! that is nearly right tells nothing, since names are hashes. The launch data itself is not kept.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::verified::Verified;

/// The most pages that are kept at a time, about 100 bytes each; more of them are verified anew.
const MOST: usize = 32_768;

/// SHA-256 of the launch data, as it was sent.
pub type Name = [u8; 32];

/// What was verified, by its name.
#[derive(Debug, Default)]
pub struct VerifiedCache(RwLock<HashMap<Name, Verified>>);

pub fn name(raw: &str) -> Name {
    Sha256::digest(raw).into()
}

impl VerifiedCache {
    pub fn get(&self, name: &Name) -> Option<Verified> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    pub fn put(&self, name: Name, verified: Verified, now: Timestamp) {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.retain(|_, verified| verified.check_age(now).is_ok());
        }
        if entries.len() >= MOST {
            entries.clear();
        }
        entries.insert(name, verified);
    }
}

#[cfg(test)]
mod tests {
    use super::super::verified::Opener;
    use super::*;
    use texts::Language;

    const NOW: Timestamp = Timestamp::constant(1_750_000_000, 0);

    fn verified(id: i64, signed_at: Timestamp) -> Verified {
        Verified { opener: Opener { id, language: Language::Russian }, signed_at }
    }

    #[test]
    fn what_is_too_old_makes_room_and_the_table_never_outgrows_its_bound() {
        let cache = VerifiedCache::default();
        let old = NOW - jiff::SignedDuration::from_hours(1);
        for id in 0..MOST {
            let signed_at = if id % 2 == 0 { old } else { NOW };
            cache.put(name(&id.to_string()), verified(i64::try_from(id).unwrap(), signed_at), NOW);
        }
        cache.put(name("one more"), verified(7, NOW), NOW);
        assert_eq!(cache.get(&name("1")), Some(verified(1, NOW)), "still young");
        assert_eq!(cache.get(&name("0")), None, "too old");
        for id in 0..MOST {
            cache.put(name(&format!("young {id}")), verified(1, NOW), NOW);
        }
        assert!(cache.0.read().unwrap().len() <= MOST);
    }
}
