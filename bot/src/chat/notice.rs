//! What the reactor wants a person to know, in that person's language.

use domain::policy::Notice;
use domain::{LoginId, Tiers};

use super::texts::{End, SubscriptionCard, Texts};

/// The text of a notice.
pub(super) fn render(notice: &Notice, texts: &Texts, tiers: &Tiers, support: Option<&str>) -> String {
    match notice {
        Notice::Authorized { tier, .. } => (texts.authorized)(*tier),
        Notice::Expired { .. } => texts.login_expired.to_owned(),
        Notice::Cancelled { reason, .. } => (texts.login_cancelled)(*reason, support),
        Notice::Rejected { .. } => texts.login_rejected.to_owned(),
        Notice::Failed { reason, .. } => (texts.login_failed)(*reason),
        Notice::SubscriptionExpired { tier } => (texts.subscription)(&SubscriptionCard {
            tier: *tier,
            limits: tiers.limits(*tier),
            active: false,
            started: None,
            end: End::Unknown,
        }),
        Notice::SubscriptionChanged { tier } => (texts.subscription_changed)(*tier),
        Notice::AuthorizationRevoked => texts.authorization_revoked.to_owned(),
        Notice::SessionExported => texts.session_exported.to_owned(),
    }
}

/// What to do about a notice that may have been sent already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// A warning: twice is better than not at all.
    Send,
    /// Into the login's own message, where it cannot stand twice.
    EditCard(LoginId),
    /// Leave it.
    Drop,
}

/// What to do about this notice, if its sender died while it was being sent.
pub(super) fn again(notice: &Notice) -> Again {
    match notice {
        Notice::Rejected { .. } => Again::Send,
        Notice::Authorized { login_id, .. }
        | Notice::Expired { login_id }
        | Notice::Cancelled { login_id, .. }
        | Notice::Failed { login_id, .. } => Again::EditCard(login_id.clone()),
        Notice::SubscriptionExpired { .. }
        | Notice::SubscriptionChanged { .. }
        | Notice::AuthorizationRevoked
        | Notice::SessionExported => Again::Drop,
    }
}

#[cfg(test)]
mod tests {
    use domain::{LoginId, Tier};

    use super::super::texts::Language;
    use super::*;

    fn rendered(notice: &Notice) -> String {
        render(notice, Language::Ru.texts(), &Tiers::default(), None)
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
    fn only_a_warning_is_sent_again() {
        assert_eq!(again(&Notice::Rejected { login_id: login_id() }), Again::Send);
        assert_eq!(again(&Notice::Expired { login_id: login_id() }), Again::EditCard(login_id()));
        assert_eq!(again(&Notice::SessionExported), Again::Drop);
    }
}
