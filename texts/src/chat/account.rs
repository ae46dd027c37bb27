//! What the bot says about a person's own account: logging out, what is known, forgetting it.

use domain::{Role, Tier};

use super::admin::{role_en, role_ru};
use super::plural::{counted_en, counted_ru};
use super::term::{days_left_ru, running_en, running_ru};
use crate::Styled;

mod history;

/// One language.
pub struct AccountTexts {
    pub logged_out: &'static str,
    pub not_linked: &'static str,
    pub session_is_elsewhere: &'static str,

    /// Nobody is known by what an admin wrote.
    pub nobody: fn(who: &str) -> String,
    pub status: fn(&AccountStatus) -> Styled,
    /// The button to the person's own page.
    pub open_me: &'static str,
    /// What an event means to its person; None: nothing that they know of.
    pub event: fn(name: &str) -> Option<&'static str>,

    pub forget_question: fn(handed_over: bool) -> String,
    pub forget: &'static str,
    pub reset_question: fn(who: &str, handed_over: bool) -> String,
    pub reset: &'static str,
    pub reset_done: &'static str,
    pub reset_done_to_another: fn(account: &str) -> String,
    pub keep: &'static str,
    pub kept: &'static str,
}

/// What `/me` and `/debug_status` tell.
pub struct AccountStatus {
    /// For an admin: what only the tables and the log say.
    pub for_admin: Option<ForAdmin>,
    pub telegram_id: i64,
    /// With the username.
    pub name: String,
    pub blocked: bool,
    pub subscription: Known,
    pub session: Session,
    /// The login that is live, if any, ends in so many minutes.
    pub login_minutes: Option<i64>,
    /// What happened, the latest last: when, and what.
    pub history: Vec<(String, &'static str)>,
    /// The zone of these times.
    pub zone: String,
}

/// What an admin is told as well.
pub struct ForAdmin {
    pub account: String,
    pub role: Role,
    /// `#8 22.11 13:01:02 SubscriptionActivated`, each, the latest last.
    pub events: Vec<String>,
}

/// A person's subscription.
pub enum Known {
    Never,
    /// Its tier and end; without an end, unlimited. How many days are left.
    Active(Tier, Option<(String, i64)>),
    /// Over, since that day where it is known.
    Over(Option<String>),
}

/// A person's linked session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    Linked,
    HandedOver,
    None,
}

pub(super) const RU: AccountTexts = AccountTexts {
    logged_out: "🔌 Вы вышли\n\nСервис больше не имеет доступа к вашему аккаунту, сеанс в Telegram завершается. \
                 Чтобы подключиться снова, отправьте /login",
    not_linked: "ℹ️ Сейчас ваш аккаунт не подключён\n\nПодключить его: /login",
    session_is_elsewhere: "ℹ️ Ваша сессия передана другому сервису, и здесь её больше нет\n\n\
                           Завершить её можно в Telegram → Настройки → Устройства.",
    nobody: |who| format!("🤷 Никого не нашёл: {who}\n\nПодойдёт Telegram ID, @username или ID аккаунта."),
    status: status_ru,
    open_me: "📄 Открыть мою страницу",
    event: history::ru,
    forget_question: |handed_over| {
        format!(
            "⚠️ Забыть вас?\n\n{} {}",
            session_ru(handed_over),
            "Имя, username и Telegram ID удалятся без возврата, подписка закончится. История событий останется, но \
             без имени.\n\n\
             Блокировка и использованные инвайт коды остаются в силе: для них мы храним отпечаток вашего ID, по \
             которому сам ID не узнать."
        )
    },
    forget: "🗑 Забыть меня",
    reset_question: |who, handed_over| {
        format!(
            "⚠️ Полный сброс: {who}\n\n{} {}",
            session_ru(handed_over),
            "Имя, username и Telegram ID удалятся без возврата, подписка закончится. Блокировка и использованные \
             инвайт коды остаются в силе. Человек получит сообщение об этом."
        )
    },
    reset: "🗑 Сбросить",
    reset_done: "🗑 Готово: мы вас забыли\n\nНаш сеанс в Telegram, если он был, завершается. Остался только отпечаток \
                 вашего ID: для блокировки, если она есть, и для уже использованных инвайт кодов. Если напишете снова, \
                 начнём с чистого листа.",
    reset_done_to_another: |account| format!("🗑 Готово: аккаунт {account} забыт"),
    keep: "↩️ Оставить как есть",
    kept: "👌 Всё осталось как есть.",
};

fn session_ru(handed_over: bool) -> &'static str {
    if handed_over {
        "Сессия передана другому сервису и не завершится: завершить её можно в Telegram → Настройки → Устройства."
    } else {
        "Сеанс в Telegram завершится."
    }
}

fn status_ru(it: &AccountStatus) -> Styled {
    let title =
        if it.for_admin.is_some() { "👤 Аккаунт" } else { "👤 Что о вас известно" };
    let subscription = match &it.subscription {
        Known::Never => "нет".to_owned(),
        Known::Active(tier, Some((day, left))) => {
            format!("{} до {day} ({})", tier.title(), days_left_ru(*left))
        }
        Known::Active(tier, None) => running_ru(*tier, None),
        Known::Over(Some(day)) => format!("закончилась {day}"),
        Known::Over(None) => "закончилась".to_owned(),
    };
    let session = match it.session {
        Session::Linked => "подключён",
        Session::HandedOver => "передан другому сервису",
        Session::None => "не подключён",
    };
    let mut lines = vec![
        format!("{} · {}", it.name, it.telegram_id),
        format!("💎 Подписка: {subscription}"),
        format!("🔗 Аккаунт Telegram: {session}"),
    ];
    if let Some(minutes) = it.login_minutes {
        let left = counted_ru(minutes, ["минута", "минуты", "минут"]);
        lines.push(format!("🔐 Вход ещё не закончен: осталось {left}"));
    }
    if it.blocked {
        lines.push("⛔ Доступ заблокирован".to_owned());
    }
    if let Some(admin) = &it.for_admin {
        lines.push(format!("👮 Роль: {}", role_ru(admin.role)));
        lines.push(format!("🆔 {}", admin.account));
    }
    let history = ("🕘 Что было", format!("Время: {}", it.zone));
    finish(it, title, &lines, history, "📜 Последние события")
}

pub(super) const EN: AccountTexts = AccountTexts {
    logged_out: "🔌 You are logged out\n\nThe service has no access to your account any more, and its session in \
                 Telegram is being ended. To link it again, send /login",
    not_linked: "ℹ️ Your account is not linked now\n\nTo link it, send /login",
    session_is_elsewhere: "ℹ️ Your session was handed over to another service and is not here any more\n\n\
                           You can end it in Telegram → Settings → Devices.",
    nobody: |who| format!("🤷 Nobody found: {who}\n\nA Telegram ID, a @username or an account ID will do."),
    status: status_en,
    open_me: "📄 Open my page",
    event: history::en,
    forget_question: |handed_over| {
        format!(
            "⚠️ Forget you?\n\n{} {}",
            session_en(handed_over),
            "Your name, username and Telegram ID are deleted for good, and the subscription ends. The history of \
             events stays, without a name.\n\n\
             A block and used invite codes stay as they are: for these we keep a fingerprint of your ID, from which \
             the ID cannot be read."
        )
    },
    forget: "🗑 Forget me",
    reset_question: |who, handed_over| {
        format!(
            "⚠️ Full reset: {who}\n\n{} {}",
            session_en(handed_over),
            "Their name, username and Telegram ID are deleted for good, and the subscription ends. A block and used \
             invite codes stay as they are. The person gets a message about it."
        )
    },
    reset: "🗑 Reset",
    reset_done: "🗑 Done: we have forgotten you\n\nOur session in Telegram, if there was one, is being ended. All that is \
                 left is a fingerprint of your ID: for a block, if there is one, and for invite codes already used. \
                 If you write again, we start from scratch.",
    reset_done_to_another: |account| format!("🗑 Done: account {account} is forgotten"),
    keep: "↩️ Keep it as it is",
    kept: "👌 Everything stays as it is.",
};

fn session_en(handed_over: bool) -> &'static str {
    if handed_over {
        "The session was handed over to another service, and we cannot end it: do that in Telegram → Settings → Devices."
    } else {
        "The session in Telegram is ended."
    }
}

fn status_en(it: &AccountStatus) -> Styled {
    let title = if it.for_admin.is_some() { "👤 Account" } else { "👤 What we know about you" };
    let subscription = match &it.subscription {
        Known::Never => "none".to_owned(),
        Known::Active(tier, Some((day, left))) => {
            format!("{} until {day} ({} left)", tier.title(), counted_en(*left, "day"))
        }
        Known::Active(tier, None) => running_en(*tier, None),
        Known::Over(Some(day)) => format!("ended on {day}"),
        Known::Over(None) => "ended".to_owned(),
    };
    let session = match it.session {
        Session::Linked => "linked",
        Session::HandedOver => "handed over to another service",
        Session::None => "not linked",
    };
    let mut lines = vec![
        format!("{} · {}", it.name, it.telegram_id),
        format!("💎 Subscription: {subscription}"),
        format!("🔗 Telegram account: {session}"),
    ];
    if let Some(minutes) = it.login_minutes {
        lines.push(format!("🔐 Login in progress: {} left", counted_en(minutes, "minute")));
    }
    if it.blocked {
        lines.push("⛔ Access is blocked".to_owned());
    }
    if let Some(admin) = &it.for_admin {
        lines.push(format!("👮 Role: {}", role_en(admin.role)));
        lines.push(format!("🆔 {}", admin.account));
    }
    let history = ("🕘 What happened", format!("Times are {}", it.zone));
    finish(it, title, &lines, history, "📜 Latest events")
}

/// The lines, then what happened in words, then the events as they are.
fn finish(
    it: &AccountStatus,
    title: &str,
    lines: &[String],
    (history_title, zone): (&str, String),
    events_title: &str,
) -> Styled {
    let mut text = format!("{title}\n\n{}", lines.join("\n"));
    if !it.history.is_empty() {
        let happened: Vec<String> = it.history.iter().map(|(at, what)| format!("  • {at} {what}")).collect();
        text.push_str(&format!("\n\n{history_title}\n{}\n{zone}", happened.join("\n")));
    }
    let Some(admin) = &it.for_admin else { return Styled::new(text).bold(history_title) };
    text.push_str(&format!("\n\n{events_title}\n{}", admin.events.join("\n")));
    Styled::new(text).bold(history_title).bold(events_title).code(&admin.account)
}
