//! What the events of the log mean to the person whom they are about.

/// In Russian; None: nothing that the person knows of.
pub(super) fn ru(event: &str) -> Option<&'static str> {
    Some(match event {
        "AccountRegistered" => "первое сообщение боту или перенос из прежней системы",
        "ProfileChanged" => "новое имя или username",
        "LoginStarted" => "вход начат",
        "CodeSent" => "Telegram прислал код входа",
        "PasswordRequested" => "Telegram запросил облачный пароль",
        "AuthorizationConfirmed" => "вход выполнен",
        "AuthorizationRejected" => "вход подтвердил другой аккаунт",
        "LoginExpired" => "время входа истекло",
        "LoginCancelled" => "вход отменён",
        "LoginFailed" => "войти не удалось",
        "SubscriptionActivated" => "началась подписка",
        "SubscriptionChanged" => "подписка изменена",
        "SubscriptionExpired" => "подписка закончилась",
        "SubscriptionRevoked" => "подписка закончена досрочно",
        "RoleChanged" => "изменилась роль",
        "AccountBlocked" => "доступ заблокирован",
        "AccountUnblocked" => "доступ снова открыт",
        "LoggedOut" => "аккаунт отключён здесь",
        "AuthorizationRevoked" => "сеанс завершён в Telegram",
        "SessionExported" => "сессия передана другому сервису",
        "SessionImported" => "сессия перенесена из прежней системы",
        "SessionRejected" => "перенесённая сессия оказалась от другого аккаунта",
        "SessionReturned" => "сессия возвращена прежней системе",
        "SubscriptionImported" => "подписка перенесена из прежней системы",
        "SubscriptionHistoryImported" => "перенесена запись истории подписки",
        "RebuildOrdered" => "заказана пересборка таблицы",
        "RebuildCancelled" => "пересборка таблицы остановлена",
        "ParkedReplayOrdered" => "отложенные записи обработаны заново",
        "AuditRead" => "историю просматривали",
        _ => return None,
    })
}

/// In English.
pub(super) fn en(event: &str) -> Option<&'static str> {
    Some(match event {
        "AccountRegistered" => "first message to the bot, or taken over from the earlier system",
        "ProfileChanged" => "new name or username",
        "LoginStarted" => "login started",
        "CodeSent" => "Telegram sent a login code",
        "PasswordRequested" => "Telegram asked for the cloud password",
        "AuthorizationConfirmed" => "logged in",
        "AuthorizationRejected" => "another account confirmed the login",
        "LoginExpired" => "login timed out",
        "LoginCancelled" => "login cancelled",
        "LoginFailed" => "login failed",
        "SubscriptionActivated" => "subscription started",
        "SubscriptionChanged" => "subscription changed",
        "SubscriptionExpired" => "subscription ended",
        "SubscriptionRevoked" => "subscription ended early",
        "RoleChanged" => "role changed",
        "AccountBlocked" => "access blocked",
        "AccountUnblocked" => "access opened again",
        "LoggedOut" => "account disconnected here",
        "AuthorizationRevoked" => "session ended in Telegram",
        "SessionExported" => "session handed over to another service",
        "SessionImported" => "session taken over from the earlier system",
        "SessionRejected" => "the session taken over was another account's",
        "SessionReturned" => "session given back to the earlier system",
        "SubscriptionImported" => "subscription taken over from the earlier system",
        "SubscriptionHistoryImported" => "an entry of the subscription's history taken over",
        "RebuildOrdered" => "rebuild of a table ordered",
        "RebuildCancelled" => "rebuild of a table stopped",
        "ParkedReplayOrdered" => "parked rows processed again",
        "AuditRead" => "the history was looked at",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use domain::Event;

    use super::*;

    /// What other events of the same moment tell, or what the person need not know of.
    const UNTOLD: [&str; 17] = [
        "AccountErased",
        "ApiKeyCreated",
        "ApiKeyRevoked",
        "CheckpointKeyChanged",
        "CodeRejected",
        "HeadsCommitted",
        "InviteCreated",
        "InviteRedeemed",
        "InviteReleased",
        "InviteRevoked",
        "InviteUsed",
        "LogBranched",
        "PasswordRejected",
        "QrIssued",
        "WebhookChanged",
        "WebhookCreated",
        "WebhookDeleted",
    ];

    #[test]
    fn every_event_is_told_in_both_languages_or_left_out_on_purpose() {
        for name in Event::names() {
            let told = !UNTOLD.contains(&name);
            assert_eq!((ru(name).is_some(), en(name).is_some()), (told, told), "{name}");
        }
    }
}
