//! The table of the specification, and what may override it.

use std::collections::BTreeMap;

use super::{Tier, Tiers};

#[test]
fn the_built_in_table_is_the_specified_one() {
    let tiers = Tiers::default();
    let rows = Tier::ALL.map(|tier| {
        let it = tiers.terms(tier);
        let counts = [it.channels, it.groups, it.posts_per_day, it.rag_per_day, it.voice_per_day];
        (tier.name(), counts, it.ai_digest, it.priority, it.days, it.rub, it.usd)
    });

    assert_eq!(
        rows,
        [
            ("free", [3, 2, 100, 10, 0], false, false, 0, 0, 0),
            ("trial", [10, 5, 500, 50, 20], true, true, 7, 0, 0),
            ("basic", [10, 5, 500, 50, 0], true, false, 30, 500, 5),
            ("premium", [50, 20, 1000, 1000, 50], true, true, 30, 1500, 15),
            ("enterprise", [999, 100, 99999, 999, 999], true, true, 30, 5000, 50),
        ]
    );
}

#[test]
fn an_override_changes_its_tier_alone() {
    let built_in = Tiers::default();
    let mut terms = *built_in.terms(Tier::Premium);
    terms.channels = 7;

    let tiers = Tiers::default().with(BTreeMap::from([(Tier::Premium, terms)]));

    assert_eq!(tiers.limits(Tier::Premium).max_channels, 7);
    assert_eq!(tiers.terms(Tier::Basic), built_in.terms(Tier::Basic));
}

#[test]
fn a_tier_is_read_without_regard_to_case() {
    assert_eq!(" Premium ".parse(), Ok(Tier::Premium));
    assert!("platinum".parse::<Tier>().unwrap_err().to_string().contains("platinum"));
}
