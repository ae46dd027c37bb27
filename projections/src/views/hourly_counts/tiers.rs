//! A count for each tier.

use domain::Tier;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

use crate::views::columns::{Column, put_json};

/// How many of each tier. Stored as `{"premium": 2}`, without those of which there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierCounts([i64; Tier::ALL.len()]);

impl TierCounts {
    /// Those that are not 0, the smallest tier first.
    pub fn iter(&self) -> impl Iterator<Item = (Tier, i64)> {
        Tier::ALL.into_iter().zip(self.0).filter(|(_, count)| *count != 0)
    }

    /// Of all tiers together.
    pub fn total(&self) -> i64 {
        self.0.iter().sum()
    }

    pub(super) fn count(&mut self, tier: Tier) {
        self.0[place(tier)] += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}

fn place(tier: Tier) -> usize {
    Tier::ALL.iter().position(|known| *known == tier).expect("every tier is in the list")
}

impl Serialize for TierCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(tier, count)| (tier.name(), count)))
    }
}

impl<'de> Deserialize<'de> for TierCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut counts = Self::default();
        for (tier, count) in BTreeMap::<String, i64>::deserialize(deserializer)? {
            counts.0[place(tier.parse().map_err(D::Error::custom)?)] = count;
        }
        Ok(counts)
    }
}

impl Column for TierCounts {
    fn pack(&self, out: &mut Vec<u8>) {
        for count in self.0 {
            count.pack(out);
        }
    }

    fn unpack(packed: &mut &[u8]) -> Self {
        Self(std::array::from_fn(|_| i64::unpack(packed)))
    }

    fn value(&self, out: &mut Vec<u8>) {
        put_json(self, out);
    }
}
