//! English.

use domain::Role;

use super::{AdminTexts, ChangedBy, Fault, Happened, listed};
use crate::Styled;
use crate::chat::plural::counted_en;

pub(in crate::chat) const EN: AdminTexts = AdminTexts {
    page: "🛠 People, subscriptions, invites and history are in the admins' app.",
    open_page: "🛠 Open the app",

    people: |it| {
        let headline = match (&it.query, it.total) {
            (Some(query), _) => format!("🔎 {query}"),
            (None, Some(total)) => format!("👥 {}", people(total)),
            (None, None) => "👥 People".to_owned(),
        };
        let list = if it.lines.is_empty() {
            "Nobody found. Search by part of a name, @username, Telegram ID or account ID.".to_owned()
        } else {
            it.lines.join("\n")
        };
        let more = if it.cut { "\n\nThere are more. Narrow your search." } else { "" };
        Styled::new(format!("{headline}\n\n{list}{more}"))
    },
    newer: "◀️ Newer",
    older: "Older ▶️",
    person_usage: "👤 Whom should I show?\n\n/admin_user ID\n\nAn ID is a Telegram ID, a @username or an account ID.",

    grant_usage: "🎁 Who gets which subscription?\n\n/admin_grant ID TIER [DAYS]\n\n\
                  TIER: trial, basic, premium or enterprise. DAYS: 0 is unlimited; without a number, the tier's own \
                  term.",
    granted: |it| match &it.until {
        Some((day, days)) => format!(
            "🎁 Subscription granted: {}\n\n{} until {day} ({})",
            it.who,
            it.tier.title(),
            counted_en(i64::from(*days), "day")
        ),
        None => format!("🎁 Subscription granted: {}\n\n{}, unlimited", it.who, it.tier.title()),
    },
    subscription_ended: |who| format!("💎 Subscription ended: {who}"),
    block_usage: "⛔ Whom should I block?\n\n/admin_block ID",
    unblock_usage: "🔓 Whom should I unblock?\n\n/admin_unblock ID",
    role_usage: "👮 Who gets which role?\n\n/admin_role ID ROLE\n\nROLE: user, admin or auditor.",
    invite_usage: "/admin_invite [TIER [DAYS [USES]]]\n\n\
                   TIER: trial, basic, premium or enterprise. DAYS: 0 is unlimited. USES: how often the code works.",
    blocked: |who| format!("⛔ Access blocked: {who}"),
    unblocked: |who| format!("🔓 Access open again: {who}"),
    role_given: |who, given| format!("👮 {who} is now: {}", role(given)),
    fault: |fault| match fault {
        Fault::NoTier(word) => format!("❌ There is no tier {word}"),
        Fault::NotDays(word) => format!("❌ The number of days must be a whole number, not “{word}”"),
        Fault::NotUses(word) => {
            format!("❌ The number of uses must be a whole number from 1 on, not “{word}”")
        }
        Fault::NoRole(word) => format!("❌ There is no role {word}"),
        Fault::TooMany(word) => format!("❌ One word too many: {word}"),
    },

    undo: "↩️ Undo",
    undone: |what| format!("↩️ Undone\n\n{what}"),
    undo_is_late: "The minute is over: this button undoes nothing any more. Please send the command.",
    invite_revoked: |code| format!("🎟 Invite code {code} revoked"),
    no_subscription: |who| format!("💎 Without a subscription again: {who}"),

    last_admin: "⚠️ This is the last admin. Make another one first: /admin_role ID admin",
    named_in_settings: "⚠️ The setting ADMIN_IDS names this admin. Remove them there first.",
    role_changed: |it| {
        let by = match &it.by {
            ChangedBy::Admin(name) => format!("changed by the admin {name}"),
            ChangedBy::Settings => "by the setting ADMIN_IDS".to_owned(),
            ChangedBy::Operator => "changed by an operator of the service".to_owned(),
        };
        format!("👮 A role was changed\n\n{}: {}, {by}", it.who, role(it.role))
    },
    statistics: |it| {
        Styled::new(format!(
            "📈 Statistics\n\n\
             👥 {}: {} linked, {} blocked\n\
             💎 Active subscriptions: {}\n\
             ⏳ Ending within a day: {}, within a week: {}\n\
             🔐 Logging in now: {}\n\
             🎟 Open invite codes: {}\n\n\
             Today\n{}\n\n\
             Last 7 days\n{}",
            people(it.people),
            it.authenticated,
            it.blocked,
            listed(&it.subscriptions, str::to_owned),
            it.ending_in_1_day,
            it.ending_in_7_days,
            it.live_logins,
            it.open_invites,
            happened(&it.today),
            happened(&it.week),
        ))
        .bold("Today")
        .bold("Last 7 days")
    },
    parked: |it| {
        let rows = counted_en(i64::try_from(it.count).unwrap_or(i64::MAX), "row");
        format!(
            "⚠️ An event could not be processed\n\nParked: {rows} ({}), from position {} on. Everything else goes \
             on.\n\nDetails: replay lag. After the fix: replay unpark",
            it.views.join(", "),
            it.position
        )
    },
    unsigned: |fault| {
        format!(
            "⚠️ The log is not signed any more\n\n{fault}\n\nEverything else goes on. What to do: docs/trust.md, \
             \u{201c}When nothing is signed\u{201d}"
        )
    },
    checkpoint: |note| {
        let text = format!(
            "🔏 The log’s checkpoint\n\n{note}\nKeep this message: it shows if the history up to here is ever changed. \
             How to check: docs/trust.md"
        );
        Styled::new(text).code(note)
    },
    witness_disagrees: |fault| {
        format!(
            "⚠️ A witness has seen another history of the log\n\n{fault}\n\nThis happens when the database lost its \
             latest events, or they were changed. Everything else goes on. What to do: docs/trust.md, \u{201c}Witnesses\u{201d}"
        )
    },
    refused: |count| {
        let updates = counted_en(count, "update");
        format!(
            "⚠️ An update from Telegram could not be read or stored\n\nPut aside: {updates}. The others are \
             processed.\n\nDetails: table vault.refused_updates, which keeps them for a week"
        )
    },

    webhook_messages_parked: |count| {
        let messages = counted_en(count, "message");
        format!(
            "⚠️ Another service took no webhooks for three days\n\nParked: {messages}. The others are \
             delivered.\n\nDetails: qr-login webhook list. To send them once more: qr-login webhook replay"
        )
    },
    webhooks_gone: |count| {
        let webhooks = counted_en(count, "webhook");
        format!(
            "⚠️ A receiver of webhooks says it is gone (410)\n\nSwitched off: {webhooks}. Nothing is sent \
             there.\n\nDetails: qr-login webhook list. To switch one on again: qr-login webhook change"
        )
    },

    phone_usage: "☎️ Which number should I check?\n\n/debug_test_phone +14155550123",
    phone_by_session: "☎️ Checking a number\n\nTelegram is asked by your own linked session: it looks the number up, and if that \
                       finds nobody, adds it to your contacts for a moment and deletes it.",
    phone_by_code: "☎️ Checking a number\n\nYour account is not linked, so Telegram sends a login code to this number. \
                    Its owner will see that; the bot does not use the code and cancels it at once.",
    phone_ask: "☎️ Check it",
    phone_found: "✅ The number is on Telegram",
    phone_not_found: "🤷 Nobody is found: not registered, banned, or hidden by privacy settings",
    phone_takes_codes: "✅ Telegram takes this number, but the code did not go to an app: it is not known whether anybody \
                        is registered",
    phone_invalid: "❌ This is not a phone number",
    phone_banned: "⛔ The number is banned from Telegram",
    phone_flood: |minutes| format!("⏳ Telegram asks to wait: {minutes} min."),
    phone_unreachable: "😔 Telegram does not answer. Please try again later.",
    phone_no_session: "🔌 Your session cannot be used right now. Please try again in half a minute.",
    phone_refused: "❌ Telegram refused and did not say why",
};

/// A role as people call it.
pub(in crate::chat) const fn role(role: Role) -> &'static str {
    role.name()
}

fn people(count: i64) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

fn happened(it: &Happened) -> String {
    let mut lines = vec![
        format!("👋 New people: {}", it.registered),
        format!("✅ Logged in: {} ({} by QR code, {} by phone number)", it.authorized, it.by_qr, it.by_phone),
    ];
    if !it.unsuccessful.is_empty() {
        let outcomes = listed(&it.unsuccessful, |status| login(status).to_owned());
        lines.push(format!("🚫 Not logged in: {outcomes}"));
    }
    if let Some((half, most)) = it.seconds {
        lines.push(format!("⏱ Half of them take up to {half:.0} s, nine of ten up to {most:.0} s"));
    }
    lines.push(format!(
        "💎 Subscriptions: {} started, {} ended",
        it.subscriptions_started, it.subscriptions_ended
    ));
    lines.push(format!("🎟 Invite codes used: {}", it.invites_used));
    lines.join("\n")
}

/// How a login that did not succeed ended.
fn login(status: &str) -> &str {
    match status {
        "rejected" => "another account",
        other => other,
    }
}
