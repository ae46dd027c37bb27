//! What happened to a person's subscription, as they read it.

use domain::Tier;

/// One language.
pub struct HistoryTexts {
    pub button: &'static str,
    pub all: fn(lines: &[HistoryLine]) -> String,
}

/// Something that happened.
pub struct HistoryLine {
    /// The day.
    pub day: String,
    pub tier: Tier,
    pub what: Happened,
}

/// What happened.
pub enum Happened {
    /// Granted until a day; None: without an end.
    Granted {
        until: Option<String>,
        by: GrantedBy,
    },
    Expired,
    Revoked,
}

/// By what a subscription was granted.
#[derive(Clone, Copy)]
pub enum GrantedBy {
    Invite,
    Admin,
    Service,
}

pub(super) const RU: HistoryTexts = HistoryTexts {
    button: "🕘 История",
    all: |lines| {
        let line = |it: &HistoryLine| {
            let tier = it.tier.title();
            let what = match &it.what {
                Happened::Granted { until, by } => {
                    let until =
                        until.as_ref().map_or_else(|| "бессрочно".to_owned(), |day| format!("до {day}"));
                    let by = match by {
                        GrantedBy::Invite => "по инвайт коду",
                        GrantedBy::Admin => "от администратора",
                        GrantedBy::Service => "от сервиса",
                    };
                    format!("{tier} {until}, {by}")
                }
                Happened::Expired => format!("{tier}: срок истёк"),
                Happened::Revoked => format!("{tier}: закончена досрочно"),
            };
            format!("{} — {what}", it.day)
        };
        whole("🕘 История подписки", lines.iter().map(line))
    },
};

pub(super) const EN: HistoryTexts = HistoryTexts {
    button: "🕘 History",
    all: |lines| {
        let line = |it: &HistoryLine| {
            let tier = it.tier.title();
            let what = match &it.what {
                Happened::Granted { until, by } => {
                    let until = until
                        .as_ref()
                        .map_or_else(|| "without an end".to_owned(), |day| format!("until {day}"));
                    let by = match by {
                        GrantedBy::Invite => "with an invite code",
                        GrantedBy::Admin => "from the admin",
                        GrantedBy::Service => "from the service",
                    };
                    format!("{tier} {until}, {by}")
                }
                Happened::Expired => format!("{tier}: time is up"),
                Happened::Revoked => format!("{tier}: ended early"),
            };
            format!("{} — {what}", it.day)
        };
        whole("🕘 Subscription history", lines.iter().map(line))
    },
};

fn whole(title: &str, lines: impl Iterator<Item = String>) -> String {
    let mut text = title.to_owned() + "\n";
    lines.for_each(|line| text += &format!("\n{line}"));
    text
}
