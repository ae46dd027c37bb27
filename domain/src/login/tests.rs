//! Given events, when a command, then events or an error.

use cqrs_es::test::TestFramework;
use jiff::Timestamp;

use super::{
    CancelReason, CodeVia, FailReason, Login, LoginCommand, LoginError, LoginEvent, LoginStatus, Method,
    Refusal,
};
use crate::fixtures::{ANNA, BORIS, INVITE, minute, premium};

/// When the login is over, unless it was extended: five minutes after its start.
const DEADLINE: i64 = 5;

fn started(attempt: u32) -> LoginEvent {
    let (invite, deadline_at) = (Some(premium()), minute(DEADLINE));
    LoginEvent::LoginStarted { account_id: ANNA, invite, attempt, deadline_at, at: minute(0) }
}

fn qr_issued(token: &str) -> LoginEvent {
    LoginEvent::QrIssued { attempt: 1, token_sha256: token.to_owned(), expires_at: minute(1), at: minute(0) }
}

fn password_requested(deadline: i64, at: i64) -> LoginEvent {
    LoginEvent::PasswordRequested { attempt: 1, deadline_at: minute(deadline), at: minute(at) }
}

fn code_sent(deadline: i64, at: i64) -> LoginEvent {
    LoginEvent::CodeSent {
        attempt: 1,
        via: CodeVia::App,
        length: Some(5),
        deadline_at: minute(deadline),
        at: minute(at),
    }
}

fn confirmed() -> LoginEvent {
    let (invite, method) = (Some(premium()), Method::Qr);
    LoginEvent::AuthorizationConfirmed { account_id: ANNA, invite, attempt: 1, method, at: minute(1) }
}

fn rejected() -> LoginEvent {
    LoginEvent::AuthorizationRejected {
        account_id: ANNA,
        invite_id: Some(INVITE),
        attempt: 1,
        confirmed_by: None,
        at: minute(1),
    }
}

fn expired() -> LoginEvent {
    let at = minute(DEADLINE);
    LoginEvent::LoginExpired { account_id: ANNA, invite_id: Some(INVITE), attempt: 1, at }
}

fn cancelled() -> LoginEvent {
    let (invite_id, reason) = (Some(INVITE), CancelReason::Person);
    LoginEvent::LoginCancelled { account_id: ANNA, invite_id, attempt: 1, reason, at: minute(1) }
}

fn failed() -> LoginEvent {
    let (invite_id, reason) = (Some(INVITE), FailReason::FloodWait);
    LoginEvent::LoginFailed { account_id: ANNA, invite_id, attempt: 1, reason, at: minute(1) }
}

fn start(attempt: u32) -> LoginCommand {
    LoginCommand::Start { account_id: ANNA, invite: Some(premium()), attempt, at: minute(0) }
}

fn issue_qr(token: &str) -> LoginCommand {
    LoginCommand::IssueQr { attempt: 1, token_sha256: token.to_owned(), expires_at: minute(1), at: minute(0) }
}

fn record_code(at: i64) -> LoginCommand {
    LoginCommand::RecordCode { attempt: 1, via: CodeVia::App, length: Some(5), at: minute(at) }
}

fn request_password(at: i64) -> LoginCommand {
    LoginCommand::RequestPassword { attempt: 1, at: minute(at) }
}

fn confirm() -> LoginCommand {
    LoginCommand::Confirm { attempt: 1, method: Method::Qr, at: minute(1) }
}

fn reject() -> LoginCommand {
    LoginCommand::Reject { attempt: 1, confirmed_by: None, at: minute(1) }
}

fn expire_at(at: Timestamp) -> LoginCommand {
    LoginCommand::Expire { attempt: 1, at }
}

fn cancel() -> LoginCommand {
    LoginCommand::Cancel { attempt: 1, reason: CancelReason::Person, at: minute(1) }
}

fn fail() -> LoginCommand {
    LoginCommand::Fail { attempt: 1, reason: FailReason::FloodWait, at: minute(1) }
}

/// Every way to end, and how the login stands then.
fn ends() -> [(LoginEvent, LoginStatus); 5] {
    [
        (confirmed(), LoginStatus::Authorized),
        (rejected(), LoginStatus::Rejected),
        (expired(), LoginStatus::Expired),
        (cancelled(), LoginStatus::Cancelled),
        (failed(), LoginStatus::Failed),
    ]
}

/// Every way to end without authorisation.
fn defeats() -> impl Iterator<Item = LoginEvent> {
    ends().into_iter().map(|(event, _)| event).filter(|event| *event != confirmed())
}

fn then(given: Vec<LoginEvent>, when: LoginCommand, expected: Vec<LoginEvent>) {
    TestFramework::<Login>::with(()).given(given).when(when).then_expect_events(expected);
}

fn refused(given: Vec<LoginEvent>, when: LoginCommand, expected: LoginError) {
    TestFramework::<Login>::with(()).given(given).when(when).then_expect_error(expected);
}

#[test]
fn a_login_has_five_minutes_from_its_start() {
    then(vec![], start(1), vec![started(1)]);
}

#[test]
fn a_login_without_an_invite_can_be_started() {
    let when = LoginCommand::Start { account_id: ANNA, invite: None, attempt: 1, at: minute(0) };
    let deadline_at = minute(DEADLINE);
    let event =
        LoginEvent::LoginStarted { account_id: ANNA, invite: None, attempt: 1, deadline_at, at: minute(0) };
    then(vec![], when, vec![event]);
}

#[test]
fn starting_a_started_attempt_changes_nothing_however_it_stands() {
    then(vec![started(1)], start(1), vec![]);
    for (end, _) in ends() {
        then(vec![started(1), end], start(1), vec![]);
    }
}

#[test]
fn a_login_of_one_person_cannot_be_started_by_another() {
    let when = LoginCommand::Start { account_id: BORIS, invite: None, attempt: 2, at: minute(1) };
    refused(vec![started(1), cancelled()], when, LoginError::NotYours);
}

#[test]
fn after_an_end_without_authorisation_a_login_starts_anew() {
    for defeat in defeats() {
        then(vec![started(1), defeat], start(2), vec![started(2)]);
    }
}

#[test]
fn an_authorized_login_does_not_start_anew() {
    refused(vec![started(1), confirmed()], start(2), LoginError::Ended(LoginStatus::Authorized));
}

#[test]
fn a_login_that_still_runs_does_not_start_anew() {
    refused(vec![started(1), qr_issued("a")], start(2), LoginError::StillLive);
}

#[test]
fn no_attempt_is_skipped() {
    refused(vec![], start(2), LoginError::OutOfOrder);
    refused(vec![started(1), expired()], start(3), LoginError::OutOfOrder);
}

#[test]
fn a_login_that_was_never_started_takes_no_orders() {
    for when in [issue_qr("a"), record_code(1), request_password(1), confirm(), reject(), cancel(), fail()] {
        refused(vec![], when, LoginError::Unknown);
    }
}

#[test]
fn every_new_token_is_recorded() {
    then(vec![started(1)], issue_qr("a"), vec![qr_issued("a")]);
    then(vec![started(1), qr_issued("a")], issue_qr("b"), vec![qr_issued("b")]);
}

#[test]
fn the_same_token_twice_is_one() {
    then(vec![started(1), qr_issued("a")], issue_qr("a"), vec![]);
}

#[test]
fn a_password_asked_for_early_leaves_the_deadline_as_it_is() {
    then(vec![started(1)], request_password(1), vec![password_requested(DEADLINE, 1)]);
}

#[test]
fn a_password_asked_for_late_gives_three_minutes_from_then() {
    then(vec![started(1)], request_password(4), vec![password_requested(7, 4)]);
}

#[test]
fn a_code_asked_for_late_gives_three_minutes_from_then() {
    then(vec![started(1)], record_code(4), vec![code_sent(7, 4)]);
}

#[test]
fn the_deadline_is_extended_once() {
    let given = vec![started(1), code_sent(7, 4)];
    then(given, request_password(6), vec![password_requested(7, 6)]);
}

#[test]
fn a_retry_can_be_extended_anew() {
    let given = vec![started(1), code_sent(7, 4), expired(), started(2)];
    let when = LoginCommand::RequestPassword { attempt: 2, at: minute(4) };
    let event = LoginEvent::PasswordRequested { attempt: 2, deadline_at: minute(7), at: minute(4) };
    then(given, when, vec![event]);
}

#[test]
fn a_password_is_asked_for_once() {
    then(vec![started(1), password_requested(7, 4)], request_password(5), vec![]);
}

#[test]
fn every_wrong_password_and_code_is_recorded() {
    let given = || vec![started(1), password_requested(5, 1)];
    let when = LoginCommand::RejectPassword { attempt: 1, reason: Refusal::Wrong, at: minute(2) };
    then(
        given(),
        when,
        vec![LoginEvent::PasswordRejected { attempt: 1, reason: Refusal::Wrong, at: minute(2) }],
    );
    let when = LoginCommand::RejectCode { attempt: 1, reason: Refusal::Wrong, at: minute(2) };
    then(
        vec![started(1), code_sent(5, 1)],
        when,
        vec![LoginEvent::CodeRejected { attempt: 1, reason: Refusal::Wrong, at: minute(2) }],
    );
}

#[test]
fn a_refusal_is_stored_with_its_reason() {
    for (reason, spelling) in
        [(Refusal::NumberBanned, "number_banned"), (Refusal::NoCode, "no_code"), (Refusal::Wrong, "wrong")]
    {
        let stored = serde_json::to_value(LoginEvent::CodeRejected { attempt: 1, reason, at: minute(2) });
        assert_eq!(stored.unwrap()["CodeRejected"]["reason"], spelling);
    }
}

#[test]
fn a_wrong_password_leaves_the_login_as_it_stands() {
    let wrong = LoginEvent::PasswordRejected { attempt: 1, reason: Refusal::Wrong, at: minute(2) };
    assert_eq!(status(vec![started(1), password_requested(5, 1), wrong]), LoginStatus::PasswordRequired);
}

#[test]
fn a_login_expires_at_its_deadline_and_not_before() {
    let moment_before = minute(DEADLINE) - jiff::SignedDuration::from_nanos(1);
    then(vec![started(1)], expire_at(moment_before), vec![]);
    then(vec![started(1)], expire_at(minute(DEADLINE)), vec![expired()]);
}

#[test]
fn an_extended_login_expires_at_its_new_deadline() {
    let given = || vec![started(1), password_requested(7, 4)];
    then(given(), expire_at(minute(DEADLINE)), vec![]);
    let at = minute(7);
    let event = LoginEvent::LoginExpired { account_id: ANNA, invite_id: Some(INVITE), attempt: 1, at };
    then(given(), expire_at(at), vec![event]);
}

#[test]
fn a_live_login_ends_in_any_way_from_anywhere() {
    let stages = [vec![], vec![qr_issued("a")], vec![code_sent(5, 1)], vec![password_requested(5, 1)]];
    for stage in stages {
        let given = || [vec![started(1)], stage.clone()].concat();
        then(given(), confirm(), vec![confirmed()]);
        then(given(), reject(), vec![rejected()]);
        then(given(), expire_at(minute(DEADLINE)), vec![expired()]);
        then(given(), cancel(), vec![cancelled()]);
        then(given(), fail(), vec![failed()]);
    }
}

#[test]
fn a_confirmation_says_what_the_invite_promised() {
    then(vec![started(1)], confirm(), vec![confirmed()]);
}

#[test]
fn a_confirmation_twice_is_one() {
    then(vec![started(1), confirmed()], confirm(), vec![]);
}

#[test]
fn an_ended_login_is_not_confirmed() {
    for (end, status) in ends().into_iter().filter(|(end, _)| *end != confirmed()) {
        refused(vec![started(1), end], confirm(), LoginError::Ended(status));
    }
}

#[test]
fn an_ended_login_records_nothing_more() {
    for (end, status) in ends() {
        for when in [issue_qr("b"), record_code(1), request_password(1)] {
            refused(vec![started(1), end.clone()], when, LoginError::Ended(status));
        }
    }
}

#[test]
fn the_first_end_is_the_end() {
    for (end, _) in ends() {
        for when in [reject(), expire_at(minute(60)), cancel(), fail()] {
            then(vec![started(1), end.clone()], when, vec![]);
        }
    }
}

#[test]
fn whoever_speaks_for_an_earlier_attempt_is_not_listened_to() {
    let given = || vec![started(1), expired(), started(2)];
    for when in [issue_qr("a"), record_code(1), request_password(1), confirm()] {
        refused(given(), when, LoginError::Superseded);
    }
    for when in [reject(), expire_at(minute(60)), cancel(), fail()] {
        then(given(), when, vec![]);
    }
}

#[test]
fn a_retry_takes_the_first_token_of_its_own() {
    let given = vec![started(1), qr_issued("a"), expired(), started(2)];
    let (attempt, token_sha256) = (2, "a".to_owned());
    let when = LoginCommand::IssueQr { attempt, token_sha256, expires_at: minute(1), at: minute(0) };
    let token_sha256 = "a".to_owned();
    let event = LoginEvent::QrIssued { attempt, token_sha256, expires_at: minute(1), at: minute(0) };
    then(given, when, vec![event]);
}

#[test]
fn the_status_is_what_the_last_event_left() {
    assert_eq!(status(vec![started(1)]), LoginStatus::Waiting);
    assert_eq!(status(vec![started(1), qr_issued("a")]), LoginStatus::Waiting);
    assert_eq!(status(vec![started(1), code_sent(5, 1)]), LoginStatus::CodeRequired);
    assert_eq!(status(vec![started(1), password_requested(5, 1)]), LoginStatus::PasswordRequired);
    for (end, expected) in ends() {
        assert_eq!(status(vec![started(1), end]), expected);
    }
}

#[test]
fn a_status_is_spelled_as_it_is_serialized() {
    for (end, status) in ends() {
        assert_eq!(serde_json::to_value(status).unwrap(), status.name(), "{end:?}");
    }
    assert_eq!(serde_json::to_value(LoginStatus::PasswordRequired).unwrap(), "password_required");
    assert_eq!(serde_json::to_value(LoginStatus::CodeRequired).unwrap(), LoginStatus::CodeRequired.name());
    assert_eq!(serde_json::to_value(LoginStatus::Waiting).unwrap(), LoginStatus::Waiting.name());
}

fn status(given: Vec<LoginEvent>) -> LoginStatus {
    let mut login = Login::default();
    for event in given {
        cqrs_es::Aggregate::apply(&mut login, event);
    }
    login.status().expect("it was started")
}
