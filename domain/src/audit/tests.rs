//! A read is noted once, and every kind of history has a stored form.

use super::*;
use crate::fixtures::{ANNA, minute};

fn note(at: Timestamp) -> AuditCommand {
    AuditCommand::NoteRead { target: AuditTarget::Account(ANNA), role: Some(Role::Admin), at }
}

#[test]
fn a_read_is_noted_once() {
    let mut audit = Audit::default();
    let noted = audit.decide(note(minute(1))).expect("an event");
    let (target, role, at) = (AuditTarget::Account(ANNA), Some(Role::Admin), minute(1));
    assert_eq!(noted, AuditEvent::AuditRead { target, role, at });
    audit.apply(noted);
    assert_eq!(audit.decide(note(minute(2))), None);
}

#[test]
fn each_kind_of_history_has_its_stored_form() {
    let stored = |target: AuditTarget| serde_json::to_value(target).unwrap().to_string();
    assert_eq!(stored(AuditTarget::Account(ANNA)), r#"{"account":"00000000-0000-0000-0000-00000000000a"}"#);
    assert_eq!(
        stored(AuditTarget::Login(crate::fixtures::login(1))),
        r#"{"login":"login-00000000000000000000000001"}"#
    );
    assert_eq!(
        stored(AuditTarget::Invite(crate::fixtures::INVITE)),
        r#"{"invite":"00000000-0000-0000-0000-000000000001"}"#
    );
    assert_eq!(stored(AuditTarget::Log), r#""log""#);
}
