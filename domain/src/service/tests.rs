//! Given events, when a command, then an event, nothing, or an error.

use super::*;
use crate::fixtures::{day, minute};

fn given(events: impl IntoIterator<Item = ServiceEvent>) -> Service {
    let mut service = Service::default();
    events.into_iter().for_each(|event| service.apply(event));
    service
}

fn key() -> ServiceEvent {
    ServiceEvent::ApiKeyCreated {
        name: "billing".to_owned(),
        scopes: vec![Scope::UsersRead],
        expires_at: Some(day(90)),
        at: minute(1),
    }
}

fn webhook() -> ServiceEvent {
    ServiceEvent::WebhookCreated { host: "example.org".to_owned(), types: types(), at: minute(1) }
}

fn types() -> Vec<String> {
    vec!["login.authorized".to_owned()]
}

fn create_key() -> ServiceCommand {
    ServiceCommand::CreateApiKey {
        name: "billing".to_owned(),
        scopes: vec![Scope::UsersRead],
        expires_at: Some(day(90)),
        at: minute(1),
    }
}

fn create_webhook() -> ServiceCommand {
    ServiceCommand::CreateWebhook { host: "example.org".to_owned(), types: types(), at: minute(1) }
}

fn change(enabled: Option<bool>, reason: Option<DisabledReason>) -> ServiceCommand {
    ServiceCommand::ChangeWebhook { host: None, types: None, enabled, reason, rotated: false, at: minute(2) }
}

fn switched(enabled: bool, reason: Option<DisabledReason>) -> ServiceEvent {
    let (host, types, enabled) = (None, None, Some(enabled));
    ServiceEvent::WebhookChanged { host, types, enabled, reason, rotated: false, at: minute(2) }
}

#[test]
fn a_key_is_made_once_and_revoked_once() {
    assert_eq!(given([]).decide(create_key()), Ok(Some(key())));
    assert_eq!(given([key()]).decide(create_key()), Ok(None));
    let revoke = || ServiceCommand::RevokeApiKey { at: minute(2) };
    let revoked = ServiceEvent::ApiKeyRevoked { at: minute(2) };
    assert_eq!(given([key()]).decide(revoke()), Ok(Some(revoked.clone())));
    assert_eq!(given([key(), revoked.clone()]).decide(revoke()), Ok(None));
    assert_eq!(given([key(), revoked]).decide(create_key()), Ok(None), "a revoked key does not come back");
}

#[test]
fn a_webhook_is_made_changed_and_deleted() {
    assert_eq!(given([]).decide(create_webhook()), Ok(Some(webhook())));
    assert_eq!(given([webhook()]).decide(create_webhook()), Ok(None));
    let gone = Some(DisabledReason::Gone);
    assert_eq!(given([webhook()]).decide(change(Some(false), gone)), Ok(Some(switched(false, gone))));
    let delete = || ServiceCommand::DeleteWebhook { at: minute(3) };
    let deleted = ServiceEvent::WebhookDeleted { at: minute(3) };
    assert_eq!(given([webhook()]).decide(delete()), Ok(Some(deleted.clone())));
    assert_eq!(given([webhook(), deleted]).decide(delete()), Ok(None));
}

#[test]
fn a_change_that_changes_nothing_is_no_event() {
    assert_eq!(given([webhook()]).decide(change(None, None)), Ok(None));
    assert_eq!(given([webhook()]).decide(change(Some(true), None)), Ok(None));
    let same_types = ServiceCommand::ChangeWebhook {
        host: None,
        types: Some(types()),
        enabled: None,
        reason: None,
        rotated: false,
        at: minute(2),
    };
    assert_eq!(given([webhook()]).decide(same_types), Ok(None));
    let off = switched(false, Some(DisabledReason::Order));
    let again = change(Some(false), Some(DisabledReason::Gone));
    assert_eq!(given([webhook(), off.clone()]).decide(again), Ok(None));
    assert_eq!(given([webhook(), off]).decide(change(Some(true), None)), Ok(Some(switched(true, None))));
}

#[test]
fn an_order_to_what_does_not_exist_is_refused() {
    let revoke = || ServiceCommand::RevokeApiKey { at: minute(2) };
    let delete = || ServiceCommand::DeleteWebhook { at: minute(2) };
    let deleted = ServiceEvent::WebhookDeleted { at: minute(3) };
    for (service, command) in [
        (given([]), revoke()),
        (given([]), delete()),
        (given([]), change(Some(true), None)),
        (given([key()]), delete()),
        (given([key()]), create_webhook()),
        (given([webhook()]), revoke()),
        (given([webhook(), deleted]), change(Some(true), None)),
    ] {
        assert_eq!(service.decide(command), Err(ServiceError::Unknown));
    }
}

#[test]
fn a_scope_is_stored_under_its_name() {
    for scope in Scope::ALL {
        assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        assert_eq!(scope.name().parse(), Ok(scope));
    }
    assert_eq!("users:write".parse::<Scope>(), Err(UnknownScope("users:write".to_owned())));
}

#[test]
fn the_id_of_a_key_is_sixteen_hexadecimal_digits() {
    assert!("0123456789abcdef".parse::<ApiKeyId>().is_ok());
    for bad in ["", "0123456789abcde", "0123456789abcdeF", "0123456789abcdef0", "0123456789abcdeg"] {
        assert_eq!(bad.parse::<ApiKeyId>(), Err(BadApiKeyId), "{bad}");
    }
}
