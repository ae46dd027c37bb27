//! What the bot says about a person's own account: logging out, its status, forgetting it.

use domain::Tier;

/// One language.
pub struct AccountTexts {
    pub logged_out: &'static str,
    pub not_linked: &'static str,
    pub session_is_elsewhere: &'static str,

    pub nobody: &'static str,
    pub status: fn(&AccountStatus) -> String,

    pub reset_question: fn(own: bool, handed_over: bool) -> String,
    pub reset: &'static str,
    pub reset_done: &'static str,
    pub reset_done_to_another: fn(account: &str) -> String,
    pub keep: &'static str,
    pub kept: &'static str,
}

/// What `/debug_status` tells.
pub struct AccountStatus {
    pub account: String,
    pub telegram_id: i64,
    pub name: String,
    pub username: Option<String>,
    pub role: &'static str,
    pub blocked: bool,
    pub tier: Tier,
    pub subscription: &'static str,
    pub until: Option<String>,
    pub authenticated: bool,
    pub exported: bool,
    /// A session is in the vault.
    pub linked: bool,
    /// `ab12cd34: waiting, 13:05`, each.
    pub live: Vec<String>,
    /// `#8 22.11 13:01:02 SubscriptionActivated`, each, the latest last.
    pub events: Vec<String>,
}

pub(super) const RU: AccountTexts = AccountTexts {
    logged_out: "🔌 Вы вышли\n\nСервис больше не имеет доступа к вашему аккаунту, сеанс в Telegram завершается. \
                 Чтобы подключиться снова, отправьте /login",
    not_linked: "ℹ️ Сейчас ваш аккаунт не подключён, выходить не из чего",
    session_is_elsewhere: "ℹ️ Ваша сессия передана другому сервису, и здесь её больше нет\n\n\
                           Завершить её можно в Telegram → Настройки → Устройства.",
    nobody: "🤷 Такого человека здесь нет",
    status: |it| {
        let labels = Labels {
            title: "🔎 Состояние",
            account: "аккаунт",
            role: "роль",
            blocked: ", заблокирован",
            subscription: "подписка",
            until: "до",
            linked: "подключён",
            session: "сессия",
            exported: "передана",
            live: "вход",
            events: "Последние события:",
            yes: "да",
            no: "нет",
        };
        labels.write(it)
    },
    reset_question: |own, handed_over| {
        let session = if handed_over {
            "Сессия передана другому сервису и не завершится: её завершают в Telegram → Настройки → Устройства."
        } else {
            "Сеанс в Telegram будет завершён."
        };
        if own {
            format!(
                "⚠️ Полный сброс\n\n{session} Всё, что мы знаем о вас (имя, username, Telegram ID), будет забыто \
                 без возврата; подписка закончится. История останется без имени.\n\n\
                 Сброс не снимает блокировку и не возвращает использованные инвайт коды: об этих двух вещах мы \
                 храним отпечаток вашего ID, по которому сам ID не узнать.\n\nСбросить?"
            )
        } else {
            format!(
                "⚠️ Полный сброс этого человека\n\n{session} Имя, username и Telegram ID будут забыты без возврата; \
                 подписка закончится. Блокировка и использованные инвайт коды остаются в силе. \
                 Человеку об этом скажут.\n\nСбросить?"
            )
        }
    },
    reset: "🗑 Сбросить",
    reset_done: "🗑 Готово: мы вас забыли\n\nНаш сеанс в Telegram, если он был, завершается. От вас остались только отпечаток ID для \
                 двух вещей: действующая блокировка и уже использованные инвайт коды. \
                 Если напишете снова, мы познакомимся заново.",
    reset_done_to_another: |account| format!("🗑 Готово: аккаунт {account} забыт"),
    keep: "↩️ Оставить как есть",
    kept: "👌 Всё осталось как есть.",
};

pub(super) const EN: AccountTexts = AccountTexts {
    logged_out: "🔌 You are logged out\n\nThe service has no access to your account any more, and the session in \
                 Telegram is being ended. To link it again, send /login",
    not_linked: "ℹ️ Your account is not linked now, there is nothing to log out of",
    session_is_elsewhere: "ℹ️ Your session was handed over to another service and is not here any more\n\n\
                           You can end it in Telegram → Settings → Devices.",
    nobody: "🤷 There is no such person here",
    status: |it| {
        let labels = Labels {
            title: "🔎 How it stands",
            account: "account",
            role: "role",
            blocked: ", blocked",
            subscription: "subscription",
            until: "until",
            linked: "linked",
            session: "session",
            exported: "handed over",
            live: "login",
            events: "The last events:",
            yes: "yes",
            no: "no",
        };
        labels.write(it)
    },
    reset_question: |own, handed_over| {
        let session = if handed_over {
            "The session was handed over to another service and is not ended: that is done in Telegram → Settings → \
             Devices."
        } else {
            "The session in Telegram is ended."
        };
        if own {
            format!(
                "⚠️ Full reset\n\n{session} Everything we know about you (name, username, Telegram ID) is forgotten \
                 for good; the subscription ends. The history stays, without a name.\n\n\
                 A reset lifts no block and gives no used invite code back: for these two we keep a fingerprint of \
                 your ID, which the ID cannot be read from.\n\nReset?"
            )
        } else {
            format!(
                "⚠️ Full reset of this person\n\n{session} Their name, username and Telegram ID are forgotten for \
                 good; the subscription ends. A block and used invite codes stay as they are. The person is \
                 told.\n\nReset?"
            )
        }
    },
    reset: "🗑 Reset",
    reset_done: "🗑 Done: we have forgotten you\n\nOur session in Telegram, if there was one, is being ended. All that is left of you is a \
                 fingerprint of your ID, for two things: a block in force, and invite codes already used. \
                 If you write again, we shall meet anew.",
    reset_done_to_another: |account| format!("🗑 Done: account {account} is forgotten"),
    keep: "↩️ Keep it as it is",
    kept: "👌 Everything stays as it is.",
};

/// The words around the values of [`AccountStatus`]. The values themselves are those of the tables.
struct Labels {
    title: &'static str,
    account: &'static str,
    role: &'static str,
    blocked: &'static str,
    subscription: &'static str,
    until: &'static str,
    linked: &'static str,
    session: &'static str,
    exported: &'static str,
    live: &'static str,
    events: &'static str,
    yes: &'static str,
    no: &'static str,
}

impl Labels {
    fn write(&self, it: &AccountStatus) -> String {
        let yes_no = |is: bool| if is { self.yes } else { self.no };
        let username = it.username.as_ref().map(|name| format!(" @{name}")).unwrap_or_default();
        let until = it.until.as_ref().map(|day| format!(" {} {day}", self.until)).unwrap_or_default();
        let mut lines = vec![
            self.title.to_owned(),
            String::new(),
            format!("{} {}{username}", it.telegram_id, it.name),
            format!("{}: {}", self.account, it.account),
            format!("{}: {}{}", self.role, it.role, if it.blocked { self.blocked } else { "" }),
            format!("{}: {}, {}{until}", self.subscription, it.tier.name(), it.subscription),
            format!("{}: {}", self.linked, yes_no(it.authenticated)),
            format!("{}: {}", self.session, if it.exported { self.exported } else { yes_no(it.linked) }),
        ];
        lines.extend(it.live.iter().map(|login| format!("{}: {login}", self.live)));
        lines.extend([String::new(), self.events.to_owned()]);
        lines.extend(it.events.iter().cloned());
        lines.join("\n")
    }
}
