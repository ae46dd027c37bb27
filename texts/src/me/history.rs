//! A person's history in words: every event that concerns them, as they know it.

use domain::account::{PastChangeKind, SubscriptionStep};
use domain::login::{CancelReason, FailReason, Method};
use domain::{AccountEvent, AuditEvent, AuditTarget, Event, LoginEvent, Role, Tier};
use jiff::tz::TimeZone;

use crate::Language;
use crate::chat::{day, past_change};

/// The events that [`told`] leaves out: what others of the same moment tell, and what nobody reads any more.
pub const UNTOLD: [&str; 15] = [
    "AccountErased",
    "ApiKeyCreated",
    "ApiKeyRevoked",
    "CheckpointKeyChanged",
    "HeadsCommitted",
    "InviteCreated",
    "InviteRedeemed",
    "InviteReleased",
    "InviteRevoked",
    "InviteUsed",
    "LogBranched",
    "QrIssued",
    "WebhookChanged",
    "WebhookCreated",
    "WebhookDeleted",
];

/// What happened, as the person whom it is about reads it, with days of this zone; None: nothing that they know of.
pub fn told(language: Language, event: &Event, zone: &TimeZone) -> Option<String> {
    let (ru, en) = match event {
        Event::Invite(_) | Event::Service(_) | Event::History(_) => return None,
        Event::Login(event) => of_login(event)?,
        Event::Account(event) => return of_account(language, event, zone),
        Event::Audit(AuditEvent::AuditRead { target: AuditTarget::Login(_), .. }) => {
            ("Просмотрена история одного вашего входа", "The history of one of your logins was looked at")
        }
        Event::Audit(AuditEvent::AuditRead { .. }) => {
            ("Просмотрена ваша история", "Your history was looked at")
        }
    };
    Some(pick(language, ru, en).to_owned())
}

const fn pick(language: Language, ru: &'static str, en: &'static str) -> &'static str {
    match language {
        Language::Russian => ru,
        Language::English => en,
    }
}

const fn of_login(event: &LoginEvent) -> Option<(&'static str, &'static str)> {
    Some(match event {
        LoginEvent::QrIssued { .. } => return None,
        LoginEvent::LoginStarted { attempt: 1, .. } => ("Начат вход", "A login was started"),
        LoginEvent::LoginStarted { .. } => ("Вход начат снова", "The login was started again"),
        LoginEvent::CodeSent { .. } => ("Telegram прислал код входа", "Telegram sent a login code"),
        LoginEvent::CodeRejected { .. } => {
            ("Telegram не принял код входа", "Telegram refused the login code")
        }
        LoginEvent::PasswordRequested { .. } => {
            ("Telegram запросил облачный пароль", "Telegram asked for the cloud password")
        }
        LoginEvent::PasswordRejected { .. } => {
            ("Telegram не принял облачный пароль", "Telegram refused the cloud password")
        }
        LoginEvent::AuthorizationConfirmed { method: Method::Qr, .. } => {
            ("Вход по QR-коду, аккаунт подключён", "Logged in with the QR code, account linked")
        }
        LoginEvent::AuthorizationConfirmed { method: Method::Code, .. } => {
            ("Вход по коду, аккаунт подключён", "Logged in with a code, account linked")
        }
        LoginEvent::AuthorizationRejected { .. } => (
            "Вход подтвердил другой аккаунт: ничего не подключено",
            "Another account confirmed the login: nothing was linked",
        ),
        LoginEvent::LoginExpired { .. } => ("Время входа истекло", "The login timed out"),
        LoginEvent::LoginCancelled { reason, .. } => match reason {
            CancelReason::Person => ("Вход отменён", "The login was cancelled"),
            CancelReason::NewerLogin => {
                ("Вход отменён: начат новый", "The login was cancelled: a newer one was started")
            }
            CancelReason::Blocked => {
                ("Вход отменён: доступ заблокирован", "The login was cancelled: access is blocked")
            }
            CancelReason::Erased => {
                ("Вход отменён: данные удалены", "The login was cancelled: the data was erased")
            }
        },
        LoginEvent::LoginFailed { reason, .. } => match reason {
            FailReason::TelegramUnreachable => {
                ("Войти не удалось: Telegram не отвечал", "The login failed: Telegram did not answer")
            }
            FailReason::FloodWait => {
                ("Войти не удалось: Telegram просил подождать", "The login failed: Telegram asked to wait")
            }
            FailReason::NotRegistered => (
                "Войти не удалось: на этом номере нет аккаунта",
                "The login failed: there is no account with this number",
            ),
            FailReason::SessionLost => {
                ("Войти не удалось: Telegram закрыл сессию", "The login failed: Telegram ended the session")
            }
            FailReason::InviteGone => (
                "Войти не удалось: инвайт код больше не был закреплён за входом",
                "The login failed: the invite code was no longer reserved for it",
            ),
            FailReason::Internal => {
                ("Войти не удалось: неполадка у нас", "The login failed: something broke on our side")
            }
        },
    })
}

fn of_account(language: Language, event: &AccountEvent, zone: &TimeZone) -> Option<String> {
    let (ru, en) = match event {
        AccountEvent::AccountErased { .. } => return None,
        AccountEvent::AccountRegistered { imported: Some(_), .. } => {
            ("Данные перенесены из прежней системы", "Taken over from the earlier system")
        }
        AccountEvent::AccountRegistered { .. } => ("Первое сообщение боту", "First message to the bot"),
        AccountEvent::ProfileChanged { .. } => {
            ("Изменились имя, username или язык", "The name, username or language changed")
        }
        AccountEvent::SubscriptionActivated { tier, expires_at, .. }
        | AccountEvent::SubscriptionChanged { tier, expires_at, .. } => {
            let by_login = matches!(event, AccountEvent::SubscriptionActivated { .. });
            return Some(granted(language, by_login, *tier, expires_at.map(|end| day(end, zone))));
        }
        AccountEvent::SubscriptionImported { tier, expires_at, .. } => {
            return Some(taken_over(language, *tier, expires_at.map(|end| day(end, zone))));
        }
        AccountEvent::SubscriptionHistoryImported { change, .. } => {
            let step = SubscriptionStep::of(event, false)?;
            return Some(before(language, step.tier, change.change, &day(change.changed_at, zone)));
        }
        AccountEvent::SubscriptionExpired { tier, .. } => return Some(ended(language, *tier, false)),
        AccountEvent::SubscriptionRevoked { tier, .. } => return Some(ended(language, *tier, true)),
        AccountEvent::RoleChanged { role, .. } => match role {
            Role::User => ("Роль: обычный пользователь", "Role: user"),
            Role::Admin => ("Роль: администратор", "Role: admin"),
            Role::Auditor => ("Роль: аудитор", "Role: auditor"),
        },
        AccountEvent::AccountBlocked { .. } => ("Доступ заблокирован", "Access was blocked"),
        AccountEvent::AccountUnblocked { .. } => ("Доступ снова открыт", "Access was opened again"),
        AccountEvent::LoggedOut { .. } => ("Аккаунт отключён от сервиса", "The account was disconnected"),
        AccountEvent::AuthorizationRevoked { .. } => {
            ("Сеанс завершён в Telegram", "The session was ended in Telegram")
        }
        AccountEvent::SessionExported { .. } => {
            ("Сессия передана другому сервису", "The session was handed over to another service")
        }
        AccountEvent::SessionImported { .. } => {
            ("Сессия перенесена из прежней системы", "The session was taken over from the earlier system")
        }
        AccountEvent::SessionRejected { .. } => (
            "Перенесённая сессия оказалась от другого аккаунта и больше не используется",
            "The session that was taken over was another account's, and is not used",
        ),
        AccountEvent::SessionReturned { .. } => {
            ("Сессия возвращена прежней системе", "The session was given back to the earlier system")
        }
        AccountEvent::RebuildOrdered { .. } => {
            ("Заказана пересборка таблицы", "A rebuild of a table was ordered")
        }
        AccountEvent::RebuildCancelled { .. } => {
            ("Пересборка таблицы остановлена", "A rebuild of a table was stopped")
        }
        AccountEvent::ParkedReplayOrdered { .. } => {
            ("Отложенные записи обработаны заново", "Parked rows were processed again")
        }
    };
    Some(pick(language, ru, en).to_owned())
}

fn granted(language: Language, by_login: bool, tier: Tier, until: Option<String>) -> String {
    let tier = tier.title();
    match language {
        Language::Russian => {
            let what =
                if by_login { "Началась подписка" } else { "Выдана подписка" };
            until.map_or_else(|| format!("{what} {tier}, бессрочно"), |day| format!("{what} {tier} до {day}"))
        }
        Language::English => {
            let what = if by_login { "Subscription started" } else { "Subscription granted" };
            until.map_or_else(
                || format!("{what}: {tier}, without an end"),
                |day| format!("{what}: {tier} until {day}"),
            )
        }
    }
}

fn taken_over(language: Language, tier: Tier, until: Option<String>) -> String {
    let tier = tier.title();
    match (language, until) {
        (Language::Russian, Some(day)) => {
            format!("Подписка {tier} до {day} перенесена из прежней системы")
        }
        (Language::Russian, None) => format!("Подписка {tier}, бессрочно, перенесена из прежней системы"),
        (Language::English, Some(day)) => {
            format!("Subscription taken over from the earlier system: {tier} until {day}")
        }
        (Language::English, None) => {
            format!("Subscription taken over from the earlier system: {tier}, without an end")
        }
    }
}

fn before(language: Language, tier: Tier, change: PastChangeKind, on: &str) -> String {
    let (tier, what) = (tier.title(), past_change(language, change));
    match language {
        Language::Russian => format!("В прежней системе {on}: подписка {tier} {what}"),
        Language::English => format!("In the earlier system on {on}: the {tier} subscription {what}"),
    }
}

fn ended(language: Language, tier: Tier, early: bool) -> String {
    let tier = tier.title();
    match (language, early) {
        (Language::Russian, false) => format!("Подписка {tier} закончилась"),
        (Language::Russian, true) => format!("Подписка {tier} закончена досрочно"),
        (Language::English, false) => format!("The {tier} subscription ended"),
        (Language::English, true) => format!("The {tier} subscription was ended early"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use domain::StreamKind;
    use jiff::Timestamp;

    use super::*;

    /// Every stored event, as it is frozen.
    fn frozen() -> Vec<Event> {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/golden");
        let mut events = Vec::new();
        for entry in fs::read_dir(golden).unwrap() {
            let path = entry.unwrap().path();
            let Some((name, version)) = path.file_stem().and_then(|stem| stem.to_str()?.split_once(".v"))
            else {
                continue;
            };
            let payload: serde_json::Value =
                serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let decoded = StreamKind::ALL
                .iter()
                .find_map(|stream| Event::decode(stream.name(), name, version, payload.clone()).ok());
            events.push(decoded.unwrap());
        }
        events
    }

    #[test]
    fn every_event_is_told_in_both_languages_or_left_out_on_purpose() {
        let events = frozen();
        assert!(events.len() > 30, "{}", events.len());
        for event in events {
            let told = [Language::Russian, Language::English].map(|it| told(it, &event, &TimeZone::UTC));
            let is_told = !UNTOLD.contains(&event.name());
            assert_eq!(told.each_ref().map(Option::is_some), [is_told; 2], "{}", event.name());
            let is_cyrillic =
                |text: &String| text.chars().any(|letter| ('\u{400}'..='\u{4ff}').contains(&letter));
            let [ru, en] = told.each_ref().map(|text| text.as_ref().is_some_and(is_cyrillic));
            assert_eq!((ru, en), (is_told, false), "{}", event.name());
        }
    }

    #[test]
    fn a_subscription_is_told_with_its_tier_and_its_end() {
        let at: Timestamp = "2026-11-22T22:30:00Z".parse().unwrap();
        let limits = domain::Tiers::default().limits(Tier::Premium);
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let granted = |expires_at| {
            let (tier, started_at, change_id) = (Tier::Premium, at, None);
            Event::Account(AccountEvent::SubscriptionChanged {
                tier,
                limits,
                started_at,
                expires_at,
                change_id,
                at,
            })
        };
        let ru = |event| told(Language::Russian, &event, &zone).unwrap();
        assert_eq!(ru(granted(Some(at))), "Выдана подписка Premium до 23.11.2026");
        assert_eq!(ru(granted(None)), "Выдана подписка Premium, бессрочно");
        let en = told(Language::English, &granted(Some(at)), &zone).unwrap();
        assert_eq!(en, "Subscription granted: Premium until 23.11.2026");
    }
}
