//! Tiers: what a subscription gives, for how long, at which price. The table of the specification is built in; a TOML
//! file may replace it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a tier, in its stored spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// What everybody has without a subscription.
    Free,
    /// A trial.
    Trial,
    /// The smallest paid one.
    Basic,
    /// The middle one.
    Premium,
    /// The largest one.
    Enterprise,
}

impl Tier {
    /// Every tier, smallest first.
    pub const ALL: [Self; 5] = [Self::Free, Self::Trial, Self::Basic, Self::Premium, Self::Enterprise];

    /// The stored spelling: `premium`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Trial => "trial",
            Self::Basic => "basic",
            Self::Premium => "premium",
            Self::Enterprise => "enterprise",
        }
    }

    /// How people read it: `Premium`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Free => "Free",
            Self::Trial => "Trial",
            Self::Basic => "Basic",
            Self::Premium => "Premium",
            Self::Enterprise => "Enterprise",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No tier has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no tier is called {0:?}: use free, trial, basic, premium or enterprise")]
pub struct UnknownTier(pub String);

impl FromStr for Tier {
    type Err = UnknownTier;

    fn from_str(text: &str) -> Result<Self, UnknownTier> {
        let wanted = text.trim().to_ascii_lowercase();
        Self::ALL.into_iter().find(|tier| tier.name() == wanted).ok_or_else(|| UnknownTier(text.to_owned()))
    }
}

/// What a tier allows. Stored whole in every event that grants it: as it was on that day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Channels a person may follow.
    pub max_channels: i32,
    /// Groups a person may follow.
    pub max_groups: i32,
    /// Posts a day.
    pub posts_per_day: i32,
    /// RAG requests a day.
    pub rag_per_day: i32,
    /// Voice messages a day.
    pub voice_per_day: i32,
    /// AI digests.
    pub ai_digest: bool,
    /// Priority handling.
    pub priority: bool,
}

/// One row of the tier table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierTerms {
    /// Channels.
    pub channels: i32,
    /// Groups.
    pub groups: i32,
    /// Posts a day.
    pub posts_per_day: i32,
    /// RAG requests a day.
    pub rag_per_day: i32,
    /// Voice messages a day.
    pub voice_per_day: i32,
    /// AI digests.
    pub ai_digest: bool,
    /// Priority handling.
    pub priority: bool,
    /// Days a subscription lasts; 0 is unlimited.
    pub days: u32,
    /// Price in roubles.
    pub rub: u32,
    /// Price in dollars.
    pub usd: u32,
}

impl TierTerms {
    /// The limits alone.
    pub const fn limits(&self) -> Limits {
        Limits {
            max_channels: self.channels,
            max_groups: self.groups,
            posts_per_day: self.posts_per_day,
            rag_per_day: self.rag_per_day,
            voice_per_day: self.voice_per_day,
            ai_digest: self.ai_digest,
            priority: self.priority,
        }
    }
}

/// The tier table. As TOML, a table a tier: `[premium]`, `channels = 50`, …; a tier left out keeps its built-in terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiers(BTreeMap<Tier, TierTerms>);

impl Tiers {
    /// The terms of a tier.
    pub fn terms(&self, tier: Tier) -> &TierTerms {
        self.0.get(&tier).expect("every tier has terms: built in, then overridden")
    }

    /// The limits of a tier.
    pub fn limits(&self, tier: Tier) -> Limits {
        self.terms(tier).limits()
    }

    /// These terms instead of the built-in ones.
    #[must_use]
    pub fn with(mut self, overrides: BTreeMap<Tier, TierTerms>) -> Self {
        self.0.extend(overrides);
        self
    }
}

impl Default for Tiers {
    fn default() -> Self {
        #[rustfmt::skip]
        let table = [
            //                 channels groups posts  rag  voice digest priority days rub   usd
            (Tier::Free,       (3,      2,     100,   10,   0,   false, false,   0,   0,    0)),
            (Tier::Trial,      (10,     5,     500,   50,   20,  true,  true,    7,   0,    0)),
            (Tier::Basic,      (10,     5,     500,   50,   0,   true,  false,   30,  500,  5)),
            (Tier::Premium,    (50,     20,    1000,  1000, 50,  true,  true,    30,  1500, 15)),
            (Tier::Enterprise, (999,    100,   99999, 999,  999, true,  true,    30,  5000, 50)),
        ];
        let terms = table.map(|(tier, row)| {
            let (
                channels,
                groups,
                posts_per_day,
                rag_per_day,
                voice_per_day,
                ai_digest,
                priority,
                days,
                rub,
                usd,
            ) = row;
            let terms = TierTerms {
                channels,
                groups,
                posts_per_day,
                rag_per_day,
                voice_per_day,
                ai_digest,
                priority,
                days,
                rub,
                usd,
            };
            (tier, terms)
        });
        Self(BTreeMap::from(terms))
    }
}

#[cfg(test)]
mod tests;
