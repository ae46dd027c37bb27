//! A login's card: the one message in the chat that shows how the login stands. A card begins with what was begun, and goes on
//! with how it stands.

use domain::{Limits, Tier};

use super::Ways;

/// One language.
pub struct CardTexts {
    /// The beginning of a card: what the invite gives.
    pub by_invite: fn(Tier, Limits) -> String,
    /// The beginning of the card of a login without an invite.
    pub without_invite: &'static str,
    /// The ways to confirm.
    pub waiting: fn(Ways) -> String,
    /// Telegram has sent a login code.
    pub code: &'static str,
    /// Telegram asks for the 2-step password.
    pub password: &'static str,
    /// The login has succeeded. A message says more.
    pub done: &'static str,
    /// The whole card of a login that the person has cancelled in the chat. The answer to that says more.
    pub cancelled: &'static str,
    /// The whole card of a login that another account confirmed. A warning says more.
    pub rejected: &'static str,
    /// On the button beside the input field, while the login is live.
    pub menu: &'static str,
}

pub(super) const RU: CardTexts = CardTexts {
    by_invite: |tier, limits| {
        format!(
            "✅ Инвайт код принят!\n\n\
             🎁 Подписка: {}\n\
             📊 Лимиты:\n\
             \u{20} • Каналов: {}\n\
             \u{20} • Постов/день: {}\n\
             \u{20} • RAG запросов/день: {}",
            tier.title(),
            limits.max_channels,
            limits.posts_per_day,
            limits.rag_per_day
        )
    },
    without_invite: "🔐 Новый вход\n\nВаша подписка остаётся как есть.",
    waiting: |ways| {
        let (count, fourth) = match ways {
            Ways::Three => (3, ""),
            Ways::Four => (4, "\n  4. Войти по коду на этом телефоне"),
        };
        format!(
            "👇 Нажмите кнопку ниже для авторизации:\n\n\
             В Mini App будут доступны {count} способа:\n\
             \u{20} 1. Сканировать QR код камерой\n\
             \u{20} 2. Открыть deep link в Telegram\n\
             \u{20} 3. Скопировать токен{fourth}\n\n\
             ⏰ QR код действителен 5 минут"
        )
    },
    code: "💬 Telegram прислал код входа\n\nВведите его на странице. Сюда код не отправляйте: Telegram отменяет коды, \
           которые попали в чат.",
    password: "🔑 Остался облачный пароль\n\nTelegram просит пароль двухэтапной проверки. Введите его на странице: \
               сервис его не увидит.",
    done: "🔓 Вход выполнен, аккаунт подключён",
    cancelled: "🚫 Вход отменён",
    rejected: "🚨 Вход подтвердил другой аккаунт\n\nНичего не подключено.",
    menu: "🔐 Вход",
};

pub(super) const EN: CardTexts = CardTexts {
    by_invite: |tier, limits| {
        format!(
            "✅ Invite code accepted!\n\n\
             🎁 Subscription: {}\n\
             📊 Limits:\n\
             \u{20} • Channels: {}\n\
             \u{20} • Posts/day: {}\n\
             \u{20} • RAG requests/day: {}",
            tier.title(),
            limits.max_channels,
            limits.posts_per_day,
            limits.rag_per_day
        )
    },
    without_invite: "🔐 A new login\n\nYour subscription stays as it is.",
    waiting: |ways| {
        let (count, fourth) = match ways {
            Ways::Three => (3, ""),
            Ways::Four => (4, "\n  4. Log in by code on this phone"),
        };
        format!(
            "👇 Press the button below to authorize:\n\n\
             The Mini App offers {count} ways:\n\
             \u{20} 1. Scan the QR code with a camera\n\
             \u{20} 2. Open the deep link in Telegram\n\
             \u{20} 3. Copy the token{fourth}\n\n\
             ⏰ The QR code is valid for 5 minutes"
        )
    },
    code: "💬 Telegram has sent you a login code\n\nEnter it on the page. Do not send it here: Telegram cancels codes that \
           appear in a chat.",
    password: "🔑 One step left: your cloud password\n\nTelegram asks for your 2-step verification password. Enter it on the \
               page: the service will not see it.",
    done: "🔓 You are logged in, and the account is linked",
    cancelled: "🚫 The login was cancelled",
    rejected: "🚨 Another account confirmed the login\n\nNothing was linked.",
    menu: "🔐 Login",
};
