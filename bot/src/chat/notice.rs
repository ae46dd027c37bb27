//! Notices, in a person's language.

use domain::policy::Notice;
use domain::{AccountId, LoginId, Tiers};
use jiff::tz::TimeZone;
use texts::chat::{
    BeganWith, ChangedBy, End, Ending, Moment, RoleChange, SubscriptionCard, Texts, UnownedSession,
};

/// The text of a notice. `goes_on`: a login of the person is live, this one or a newer one.
pub(super) fn render(
    notice: &Notice,
    texts: &Texts,
    tiers: &Tiers,
    support: Option<&str>,
    zone: &TimeZone,
    goes_on: bool,
    name: &impl Fn(AccountId) -> String,
) -> String {
    match notice {
        Notice::Authorized { tier, .. } => (texts.authorized)(*tier),
        Notice::Expired { with_invite, .. } => (texts.login_expired)(BeganWith::of(*with_invite)),
        Notice::Cancelled { reason, with_invite, .. } => {
            (texts.login_cancelled)(*reason, BeganWith::of(*with_invite), support)
        }
        Notice::Rejected { with_invite, .. } => {
            (texts.login_rejected)((!goes_on).then(|| BeganWith::of(*with_invite)))
        }
        Notice::Failed { reason, with_invite, .. } => {
            (texts.login_failed)(*reason, BeganWith::of(*with_invite))
        }
        Notice::SubscriptionExpired { tier } => (texts.subscription)(&SubscriptionCard {
            tier: *tier,
            limits: tiers.limits(*tier),
            active: false,
            started: None,
            end: End::Unknown,
        }),
        Notice::SubscriptionRevoked { tier } => (texts.subscription_revoked)(*tier, support),
        Notice::SubscriptionEnds { tier, expires_at, days } => (texts.subscription_ends)(&Ending {
            tier: *tier,
            days: *days,
            end: Moment::of(*expires_at, zone),
            support,
        }),
        Notice::SubscriptionChanged { tier } => (texts.subscription_changed)(*tier),
        Notice::AuthorizationRevoked => texts.authorization_revoked.to_owned(),
        Notice::SessionExported => texts.session_exported.to_owned(),
        Notice::SessionRejected => texts.session_rejected.to_owned(),
        Notice::ConfirmedAnothersLogin => texts.confirmed_anothers_login.to_owned(),
        Notice::UnownedSession { device, created_at, active_at } => {
            (texts.unowned_session)(&UnownedSession {
                device,
                created: Moment::of(*created_at, zone),
                active: Moment::of(*active_at, zone),
            })
        }
        // The card has no message of its own.
        Notice::CardChanged { .. } => String::new(),
        Notice::RoleChanged { account_id, role, source, by } => (texts.admin.role_changed)(&RoleChange {
            who: name(*account_id),
            role: *role,
            by: match by {
                Some(admin) => ChangedBy::Admin(name(*admin)),
                None if source.is_settings() => ChangedBy::Settings,
                None => ChangedBy::Operator,
            },
        }),
    }
}

/// The people whom a notice names.
pub(super) fn people_in(notice: &Notice) -> Vec<AccountId> {
    match notice {
        Notice::RoleChanged { account_id, by, .. } => by.iter().copied().chain([*account_id]).collect(),
        _ => Vec::new(),
    }
}

/// The login whose end or success a notice tells.
pub(super) fn login_of(notice: &Notice) -> Option<&LoginId> {
    match notice {
        Notice::Authorized { login_id, .. }
        | Notice::Expired { login_id, .. }
        | Notice::Cancelled { login_id, .. }
        | Notice::Rejected { login_id, .. }
        | Notice::Failed { login_id, .. }
        | Notice::CardChanged { login_id } => Some(login_id),
        _ => None,
    }
}

/// Whether a notice that may have been sent already is sent again: twice is better than not at all. It says that another account
/// confirmed the login, that another service has the session now, or that a role was changed. Only the person can do something
/// about it, and no card or command shows it.
pub(super) const fn is_warning(notice: &Notice) -> bool {
    matches!(
        notice,
        Notice::Rejected { .. }
            | Notice::ConfirmedAnothersLogin
            | Notice::SessionExported
            | Notice::SessionRejected
            | Notice::UnownedSession { .. }
            | Notice::RoleChanged { .. }
    )
}

#[cfg(test)]
mod tests {
    use domain::login::{CancelReason, FailReason};
    use domain::{LoginId, Tier};

    use super::*;
    use texts::Language;

    fn rendered(notice: &Notice) -> String {
        rendered_in(Language::Russian, notice)
    }

    fn rendered_in(language: Language, notice: &Notice) -> String {
        let (tiers, zone) = (Tiers::default(), TimeZone::get("Europe/Moscow").unwrap());
        render(notice, language.texts(), &tiers, None, &zone, false, &|account| account.to_string())
    }

    fn login_id() -> LoginId {
        "abcdefghijklmnopqrstuv".parse().unwrap()
    }

    #[test]
    fn a_success_names_the_tier() {
        let notice = Notice::Authorized { login_id: login_id(), tier: Some(Tier::Premium) };
        assert_eq!(
            rendered(&notice),
            "✅ Авторизация успешна!\n\n🎁 Подписка: Premium\n\nПодробнее: /subscription"
        );
    }

    #[test]
    fn the_end_of_a_subscription_is_told_by_its_card() {
        let text = rendered(&Notice::SubscriptionExpired { tier: Tier::Premium });
        assert!(text.starts_with("💎 Ваша подписка\n\n📊 Тариф: Premium\n🔐 Статус: ❌ Истекла\n"), "{text}");
    }

    #[test]
    fn a_reminder_says_when_the_subscription_ends_and_what_to_do() {
        let expires_at = "2026-12-01T10:30:00Z".parse().unwrap();
        let text = rendered(&Notice::SubscriptionEnds { tier: Tier::Premium, expires_at, days: 3 });
        assert!(
            text.starts_with("⏳ Подписка Premium заканчивается через 3 дня: 01.12.2026 в 13:30 MSK"),
            "{text}"
        );
        assert!(text.contains("инвайт код"), "{text}");
    }

    #[test]
    fn whoever_had_no_invite_is_told_of_none() {
        let (login_id, reason) = (login_id(), FailReason::FloodWait);
        for with_invite in [true, false] {
            let ends = [
                Notice::Expired { login_id: login_id.clone(), with_invite },
                Notice::Cancelled { login_id: login_id.clone(), reason: CancelReason::Person, with_invite },
                Notice::Rejected { login_id: login_id.clone(), with_invite },
                Notice::Failed { login_id: login_id.clone(), reason, with_invite },
            ];
            for notice in ends {
                let (ru, en) = (rendered(&notice), rendered_in(Language::English, &notice));
                assert_eq!(ru.ends_with("Чтобы начать заново, отправьте /login КОД"), with_invite, "{ru}");
                assert_eq!(ru.ends_with("Чтобы начать заново, отправьте /login"), !with_invite, "{ru}");
                assert_eq!(en.ends_with("To start again, send /login CODE"), with_invite, "{en}");
                assert_eq!(en.ends_with("To start again, send /login"), !with_invite, "{en}");
                assert!(with_invite || !(ru.contains("инвайт") || en.contains("invite")), "{ru}\n{en}");
            }
        }
    }

    #[test]
    fn a_code_that_went_to_another_login_is_not_said_to_be_left() {
        let reason = FailReason::InviteGone;
        let text = rendered(&Notice::Failed { login_id: login_id(), reason, with_invite: true });
        assert_eq!(
            text,
            "❌ Не удалось войти\n\nИнвайт код за это время достался другому входу. Ничего не подключено. \
             Чтобы начать заново, отправьте /login КОД"
        );
    }

    #[test]
    fn a_session_that_nobody_holds_is_told_with_what_to_do() {
        let notice = Notice::UnownedSession {
            device: "qr-login".to_owned(),
            created_at: "2026-11-22T10:05:00Z".parse().unwrap(),
            active_at: "2026-11-22T21:30:00Z".parse().unwrap(),
        };
        for part in [
            "«qr-login»",
            "22.11.2026 в 13:05",
            "последний раз был в сети 23.11.2026 в 00:30",
            "Telegram → Настройки → Устройства",
        ] {
            assert!(rendered(&notice).contains(part), "{part} is missing in {}", rendered(&notice));
        }
        let english = rendered_in(Language::English, &notice);
        for part in [
            "“qr-login”",
            "22.11.2026 at 13:05",
            "last active on 23.11.2026 at 00:30",
            "Telegram → Settings → Devices",
        ] {
            assert!(english.contains(part), "{part} is missing in {english}");
        }
        assert!(is_warning(&notice));
    }

    #[test]
    fn only_a_warning_is_sent_again() {
        assert!(is_warning(&Notice::Rejected { login_id: login_id(), with_invite: true }));
        assert!(!is_warning(&Notice::Expired { login_id: login_id(), with_invite: true }));
        assert!(is_warning(&Notice::SessionExported));
        assert!(!is_warning(&Notice::AuthorizationRevoked));
    }

    #[test]
    fn a_warning_does_not_tell_how_to_begin_a_login_that_goes_on() {
        let notice = Notice::Rejected { login_id: login_id(), with_invite: true };
        let name = |account: AccountId| account.to_string();
        let text =
            render(&notice, Language::English.texts(), &Tiers::default(), None, &TimeZone::UTC, true, &name);
        assert!(!text.contains("/login"), "{text}");
    }
}
