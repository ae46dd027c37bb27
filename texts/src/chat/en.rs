//! English.

use domain::Tier;
use domain::login::{CancelReason, FailReason};

use super::plural::counted_en;
use super::term::running_en;
use super::{
    Active, BeganWith, Commands, End, MadeInvite, Replacement, SubscriptionCard, Texts, UnownedSession,
};
use crate::Styled;

pub(super) const TEXTS: Texts = Texts {
    help: &super::help::EN,
    login_usage: "🔑 To log in, send your invite code\n\nReply to this message with the code, or send /login CODE. The \
                  admin hands the codes out.",
    login_placeholder: "Invite code",
    open_page: "🔐 Open QR authorization",
    card: &super::card::EN,
    history: &super::history::EN,

    unknown_code,
    invite_expired: "❌ The invite code has expired\n\nAsk the admin for a new code",
    invite_used_up: "❌ The invite code has already been used\n\nAsk the admin for a new code",
    invite_revoked: "❌ The invite code was revoked\n\nAsk the admin for a new code",
    invite_already_yours,
    blocked,
    too_many_tries,

    replace_question,
    replace: |tier| format!("✅ Replace with {}", tier.title()),
    keep: "↩️ Keep it as it is",
    kept: "👌 Everything stays as it is, and the invite code is not spent.",
    question_is_over: "This button does not work any more. Please send the command again.",

    subscription,
    login_goes_on: |minutes| {
        format!(
            "🔐 A login is in progress: {} left. Go on with the button under the login message, or cancel it: /cancel",
            counted_en(minutes, "minute")
        )
    },
    no_subscription: "💎 You have no subscription\n\nTo begin, send /login CODE",
    no_subscription_yet: "👋 We haven't met yet.\n\n💎 You have no subscription\n\n\
                          Ask the admin for an invite code and send /login CODE",
    nothing_to_cancel: "ℹ️ There is no login to cancel now",
    unknown_command: "🤔 There is no such command\n\nWhat I can do: /help",
    private_only: "👋 I answer in private only. Write to me there.",
    open_chat: "💬 Open the chat",
    admins_only: "⛔ This command is for admins only",
    broken: "😔 That did not work: something is wrong on our side. Please try again a little later.",

    invite_tier: "🎟 New invite code\n\nWhich subscription does it give?",
    invite_days: |tier| {
        format!("🎟 New invite code: {}\n\nHow long does the subscription last?", tier.title())
    },
    invite_uses: |tier, days| {
        format!("🎟 New invite code: {}, {}\n\nHow many times can it be used?", tier.title(), term(days))
    },
    days: term,
    uses: times,
    invite_made,
    copy_code: "📋 Copy the code",
    take_back: "↩️ Revoke the code",
    invite_stopped: "👌 No invite code was created.",
    stop: "✖️ Cancel",

    authorized,
    login_expired: |began_with| {
        format!("⏰ The login has expired\n\n{} {}", nothing_linked(began_with.is_invite()), anew(began_with))
    },
    login_cancelled,
    login_rejected: |began_with| {
        format!(
            "🚨 Another account confirmed the login\n\nNothing was linked. \
             Never scan login QR codes of other people, and never forward yours: \
             a person who confirms such a code hands over access to their account.{}",
            began_with.map(|it| format!("\n\n{}", anew(it))).unwrap_or_default()
        )
    },
    confirmed_anothers_login: "🚨 You confirmed somebody else's login\n\nSomebody else showed you this login QR code. \
                               Nothing was linked, and we are ending that session. Never scan login QR codes of other \
                               people: a person who confirms such a code hands over access to their account.\n\n\
                               Look through your devices: Telegram → Settings → Devices.",
    login_failed,
    subscription_changed: |tier| {
        format!("🎁 The admin changed your subscription: {}\n\nMore: /subscription", tier.title())
    },
    subscription_revoked: |tier, support| {
        let text = format!("💎 Your {} subscription was ended early\n\nMore: /subscription", tier.title());
        with_support(text, support)
    },
    subscription_ends: |it| {
        let left =
            if it.days == 1 { "in less than a day".to_owned() } else { format!("in {} days", it.days) };
        let text = format!(
            "⏳ Your {} subscription ends {left}: on {} at {}\n\nTo renew it, ask the admin for a new invite code and send it \
             to me.",
            it.tier.title(),
            it.end.day,
            it.end.time
        );
        with_support(text, it.support)
    },
    authorization_revoked: "🔌 The session was ended in Telegram\n\nThe service has no access to your account any \
                            more. To link it again, send /login",
    session_rejected: "⚠️ The session taken over is not yours\n\nThe session that came with you from the earlier system \
        belongs to another account. We do not use it. To link your account, send /login",
    session_exported: "📤 Your session was handed over to another service\n\nThis service does not use it any more. \
                       You can end it in Telegram → Settings → Devices.",
    unowned_session,

    account: &super::account::EN,
    admin: &super::admin::EN,
    rebuild: &super::rebuild::EN,
    commands: Commands {
        login: "Log in with an invite code",
        subscription: "My subscription",
        me: "What you know about me",
        cancel: "Cancel the login",
        logout: "Disconnect the account",
        forget: "Forget me",
        help: "What this bot can do",
        admin: "Open the admins' app",
        admin_invite: "Create an invite code",
        admin_users: "List people",
        admin_user: "Everything about one person",
        admin_grant: "Grant a subscription",
        admin_stats: "Statistics",
        admin_block: "Block a person",
        admin_unblock: "Unblock a person",
        admin_role: "Change a role",
        admin_rebuild: "Rebuild a table from the log",
        debug_status: "Status of an account",
        debug_reset: "Full reset of a person",
        debug_test_phone: "Check a phone number",
    },
    description: "I link your Telegram account to a service with an invite code.\n\nThe service becomes a new device of \
                  your account: it can read your chats and act in your name. It does not learn your cloud password, and \
                  you can disconnect it at any time.\n\nPress Start and send your invite code.",
    short_description: "Links your Telegram account to a service with an invite code. You can disconnect it at any time.",
};

fn unknown_code(tries_left: u32) -> String {
    let tries = match tries_left {
        0 => "That was the last try for now. The next one is in a few minutes.".to_owned(),
        1 => "1 try left.".to_owned(),
        left => format!("{left} tries left."),
    };
    format!("❌ Invite code not found\n\n{tries}")
}

fn invite_already_yours(active: Option<&Active>) -> String {
    let now = match active {
        Some(active) => {
            format!("💎 Your active subscription: {}", running_en(active.tier, active.until.as_deref()))
        }
        None => "💎 You have no active subscription now".to_owned(),
    };
    format!("ℹ️ You have already used this code\n\n{now}")
}

fn blocked(support: Option<&str>) -> String {
    with_support("⛔ Access is blocked".to_owned(), support)
}

fn with_support(text: String, support: Option<&str>) -> String {
    match support {
        Some(contact) => format!("{text}\n\nSupport: {contact}"),
        None => text,
    }
}

fn too_many_tries(minutes: i64) -> String {
    format!("⏳ Too many attempts\n\nTry again in {}", counted_en(minutes, "minute"))
}

fn replace_question(replacement: &Replacement) -> String {
    let Replacement { running: active, tier } = replacement;
    format!(
        "⚠️ You already have a subscription\n\n\
         Now: {}\n\
         The invite code gives: {}\n\n\
         After the login the new subscription replaces this one, and what is left of it is lost. Replace it?",
        running_en(active.tier, active.until.as_deref()),
        tier.title()
    )
}

fn subscription(card: &SubscriptionCard) -> String {
    let status = if card.active { "✅ Active" } else { "❌ Expired" };
    let digest = if card.limits.ai_digest { "✅" } else { "❌" };
    let mut text = format!(
        "💎 Your subscription\n\n\
         📊 Plan: {}\n\
         🔐 Status: {status}\n\n\
         Limits:\n\
         \u{20} • Channels: {}\n\
         \u{20} • Posts/day: {}\n\
         \u{20} • RAG requests/day: {}\n\
         \u{20} • AI digests: {digest}",
        card.tier.title(),
        card.limits.max_channels,
        card.limits.posts_per_day,
        card.limits.rag_per_day,
    );
    let start = card.started.as_ref().map(|day| format!("📅 Start: {day}"));
    let end = match &card.end {
        End::Unlimited => Some("⏳ Term: unlimited".to_owned()),
        End::In(day, left) => Some(format!("⏳ End: {day} ({} left)", counted_en(*left, "day"))),
        End::Passed(day) => Some(format!("⏳ End: {day}")),
        End::Unknown => None,
    };
    let lines: Vec<String> = start.into_iter().chain(end).collect();
    if !lines.is_empty() {
        text.push_str("\n\n");
        text.push_str(&lines.join("\n"));
    }
    if !card.active {
        text.push_str("\n\nA new subscription: /login CODE");
    }
    text
}

fn authorized(tier: Option<Tier>) -> String {
    match tier {
        Some(tier) => {
            format!(
                "✅ Authorization successful!\n\n🎁 Subscription: {}\n\nMore: /subscription",
                tier.title()
            )
        }
        None => {
            "✅ Authorization successful!\n\nYour account is linked again. More: /subscription".to_owned()
        }
    }
}

fn nothing_linked(is_invite_left: bool) -> &'static str {
    if is_invite_left {
        "Nothing was linked, and the invite code is not spent."
    } else {
        "Nothing was linked."
    }
}

fn anew(began_with: BeganWith) -> &'static str {
    match began_with {
        BeganWith::Invite => "To start again, send /login CODE",
        BeganWith::Subscription => "To start again, send /login",
    }
}

fn login_cancelled(reason: CancelReason, began_with: BeganWith, support: Option<&str>) -> String {
    match reason {
        CancelReason::Person | CancelReason::Erased => {
            format!("🚫 The login was cancelled\n\n{} {}", nothing_linked(began_with.is_invite()), anew(began_with))
        }
        CancelReason::NewerLogin => {
            "🔁 A new login has begun, this one was cancelled\n\nGo on with the button under the latest login message."
                .to_owned()
        }
        CancelReason::Blocked => blocked(support),
    }
}

fn login_failed(reason: FailReason, began_with: BeganWith) -> String {
    let why = match reason {
        FailReason::TelegramUnreachable => "Telegram could not be reached.",
        FailReason::FloodWait => "Telegram asks to wait: too many attempts.",
        FailReason::NotRegistered => "This number has no Telegram account.",
        FailReason::SessionLost => "Telegram ended the session during the login.",
        FailReason::InviteGone => "Meanwhile the invite code went to another login.",
        FailReason::Internal => "Something is wrong on our side.",
    };
    let is_invite_left = began_with.is_invite() && reason != FailReason::InviteGone;
    format!("❌ The login failed\n\n{why} {} {}", nothing_linked(is_invite_left), anew(began_with))
}

fn unowned_session(session: &UnownedSession<'_>) -> String {
    let UnownedSession { device, created, active } = session;
    format!(
        "⚠️ Your account has a session that we know nothing about\n\n\
         Device “{device}”, logged in on {} at {}. Most likely our record of this login was lost in a failure on our \
         side. We do not use this session.\n\n\
         What to do: Telegram → Settings → Devices → “{device}” → Terminate session. Our current session has the same \
         name in the list, so choose the one that was last active on {} at {}. If you end the wrong one, just log in \
         again: /login\n\n\
         We do not end it ourselves: another service that you gave access to may be using it. If so, leave it as it is.",
        created.day, created.time, active.day, active.time
    )
}

fn invite_made(made: &MadeInvite<'_>) -> Styled {
    Styled::new(format!(
        "✅ Invite code created\n\n\
         🔑 {}\n\
         🔗 {}\n\n\
         🎁 Subscription: {}, {}\n\
         👥 Works for {}\n\
         📅 The code is valid until {}",
        made.code,
        made.link,
        made.tier.title(),
        term(made.days),
        times(made.uses),
        made.valid_until
    ))
    .code(made.code)
}

fn term(days: u32) -> String {
    match days {
        0 => "unlimited".to_owned(),
        days => counted_en(i64::from(days), "day"),
    }
}

fn times(uses: u32) -> String {
    counted_en(i64::from(uses), "use")
}
