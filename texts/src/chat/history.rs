//! What happened to a person's subscription, as they read it.

use domain::account::{Granter, PastChangeKind, SubscriptionChange, SubscriptionStep};
use jiff::tz::TimeZone;

use super::day;
use crate::Language;

/// One language.
pub struct HistoryTexts {
    pub button: &'static str,
    pub all: fn(steps: &[SubscriptionStep], zone: &TimeZone) -> String,
}

pub(super) const RU: HistoryTexts = HistoryTexts {
    button: "🕘 История",
    all: |steps, zone| {
        let line = |it: &SubscriptionStep| {
            let tier = it.tier.title();
            let what = match it.what {
                SubscriptionChange::Granted { until, by } => {
                    let until =
                        until.map_or_else(|| "бессрочно".to_owned(), |end| format!("до {}", day(end, zone)));
                    let by = match by {
                        Granter::Invite => "по инвайт коду",
                        Granter::Admin => "от администратора",
                        Granter::Service => "от сервиса",
                        Granter::Import => "из прежней системы",
                    };
                    format!("{tier} {until}, {by}")
                }
                SubscriptionChange::Before(change) => {
                    let what = past_change(Language::Russian, change);
                    format!("{tier}: {what} (прежняя система)")
                }
                SubscriptionChange::Expired => format!("{tier}: срок истёк"),
                SubscriptionChange::Revoked => format!("{tier}: закончена досрочно"),
            };
            format!("{} — {what}", day(it.at, zone))
        };
        whole("🕘 История подписки", steps.iter().map(line))
    },
};

pub(super) const EN: HistoryTexts = HistoryTexts {
    button: "🕘 History",
    all: |steps, zone| {
        let line = |it: &SubscriptionStep| {
            let tier = it.tier.title();
            let what = match it.what {
                SubscriptionChange::Granted { until, by } => {
                    let until = until.map_or_else(
                        || "without an end".to_owned(),
                        |end| format!("until {}", day(end, zone)),
                    );
                    let by = match by {
                        Granter::Invite => "with an invite code",
                        Granter::Admin => "from the admin",
                        Granter::Service => "from the service",
                        Granter::Import => "from the earlier system",
                    };
                    format!("{tier} {until}, {by}")
                }
                SubscriptionChange::Before(change) => {
                    let what = past_change(Language::English, change);
                    format!("{tier}: {what} (earlier system)")
                }
                SubscriptionChange::Expired => format!("{tier}: time is up"),
                SubscriptionChange::Revoked => format!("{tier}: ended early"),
            };
            format!("{} — {what}", day(it.at, zone))
        };
        whole("🕘 Subscription history", steps.iter().map(line))
    },
};

/// What happened to a subscription in the system that its person came from, after its tier.
pub(crate) const fn past_change(language: Language, change: PastChangeKind) -> &'static str {
    let (ru, en) = match change {
        PastChangeKind::Created => ("оформлена", "began"),
        PastChangeKind::Upgraded => ("повышена", "was upgraded"),
        PastChangeKind::Downgraded => ("понижена", "was downgraded"),
        PastChangeKind::Renewed => ("продлена", "was renewed"),
        PastChangeKind::Expired => ("закончилась", "expired"),
        PastChangeKind::Revoked => ("закончена досрочно", "was ended early"),
    };
    match language {
        Language::Russian => ru,
        Language::English => en,
    }
}

fn whole(title: &str, lines: impl Iterator<Item = String>) -> String {
    let mut text = title.to_owned() + "\n";
    lines.for_each(|line| text += &format!("\n{line}"));
    text
}
