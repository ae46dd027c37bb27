//! How long a subscription runs, in words.

use domain::Tier;

use super::plural::{counted_ru, ru};

/// `Premium до 22.12.2026`, `Premium, бессрочно`.
pub(super) fn running_ru(tier: Tier, until: Option<&str>) -> String {
    match until {
        Some(until) => format!("{} до {until}", tier.title()),
        None => format!("{}, бессрочно", tier.title()),
    }
}

/// `Premium until 22.12.2026`, `Premium, unlimited`.
pub(super) fn running_en(tier: Tier, until: Option<&str>) -> String {
    match until {
        Some(until) => format!("{} until {until}", tier.title()),
        None => format!("{}, unlimited", tier.title()),
    }
}

/// `остался 1 день`, `осталось 30 дней`.
pub(super) fn days_left_ru(days: i64) -> String {
    let left = ru(days, ["остался", "осталось", "осталось"]);
    format!("{left} {}", counted_ru(days, ["день", "дня", "дней"]))
}
