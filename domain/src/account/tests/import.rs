//! People who are taken over: what comes with them, what stays as it is here, and what becomes of their sessions.

use super::*;
use crate::account::{
    ImportCommand, ImportedBlock, ImportedPerson, ImportedSubscription, Origin, PastChange, PastChangeKind,
    Subscription,
};
use crate::fixtures::{ADMIN, minute};

fn origin() -> Origin {
    Origin { since: Some(minute(0)), invited_by: Some(ADMIN) }
}

fn past(change: PastChangeKind, minutes: i64) -> PastChange {
    let (from_tier, to_tier) = (Some(Tier::Basic), Some(Tier::Premium));
    PastChange { changed_at: minute(minutes), change, from_tier, to_tier, changed_by: None, reason: None }
}

fn person() -> ImportedPerson {
    ImportedPerson {
        account_id: ANNA,
        telegram_id: sealed("id"),
        profile: sealed("Anna"),
        origin: origin(),
        role: Role::Admin,
        block: Some(ImportedBlock { until: Some(day(9)) }),
        subscription: Some(ImportedSubscription {
            subscription: Subscription {
                tier: Tier::Premium,
                started_at: day(0),
                expires_at: Some(day(30)),
                limits: limits(Tier::Premium),
            },
            is_over: false,
        }),
        history: vec![past(PastChangeKind::Created, 1), past(PastChangeKind::Renewed, 2)],
        at: day(1),
    }
}

fn import(person: ImportedPerson) -> AccountCommand {
    AccountCommand::Import(ImportCommand::Person(Box::new(person)))
}

fn registered_by_import() -> AccountEvent {
    AccountEvent::AccountRegistered {
        account_id: ANNA,
        telegram_id: sealed("id"),
        profile: sealed("Anna"),
        imported: Some(origin()),
        at: day(1),
    }
}

fn happened(change: PastChange) -> AccountEvent {
    AccountEvent::SubscriptionHistoryImported { change, at: day(1) }
}

fn subscribed(is_over: bool) -> AccountEvent {
    AccountEvent::SubscriptionImported {
        tier: Tier::Premium,
        limits: limits(Tier::Premium),
        started_at: day(0),
        expires_at: Some(day(30)),
        is_over,
        at: day(1),
    }
}

fn blocked_until(until: i64) -> AccountEvent {
    AccountEvent::AccountBlocked { until: Some(day(until)), at: day(1) }
}

fn history() -> [AccountEvent; 2] {
    [happened(past(PastChangeKind::Created, 1)), happened(past(PastChangeKind::Renewed, 2))]
}

fn whole() -> Vec<AccountEvent> {
    let [one, two] = history();
    let role = AccountEvent::RoleChanged { role: Role::Admin, source: RoleSource::Order, at: day(1) };
    vec![registered_by_import(), one, two, subscribed(false), role, blocked_until(9)]
}

fn session(command: fn(crate::id::LoginId) -> ImportCommand) -> AccountCommand {
    AccountCommand::Import(command(login(1)))
}

fn link() -> AccountCommand {
    session(|login_id| ImportCommand::Session { login_id, at: day(1) })
}

fn give_back() -> AccountCommand {
    session(|login_id| ImportCommand::ReturnSession { login_id, at: day(2) })
}

fn reject() -> AccountCommand {
    session(|login_id| ImportCommand::RejectSession { login_id, at: day(2) })
}

fn linked() -> AccountEvent {
    AccountEvent::SessionImported { login_id: login(1), at: day(1) }
}

fn given_back() -> AccountEvent {
    AccountEvent::SessionReturned { login_id: login(1), at: day(2) }
}

fn rejected() -> AccountEvent {
    AccountEvent::SessionRejected { login_id: login(1), at: day(2) }
}

#[test]
fn a_person_comes_with_all_that_they_had_and_comes_once() {
    then(vec![], import(person()), whole());
    then(whole(), import(person()), vec![]);
}

#[test]
fn a_person_without_anything_is_registered_alone() {
    let bare =
        ImportedPerson { role: Role::User, block: None, subscription: None, history: vec![], ..person() };
    then(vec![], import(bare), vec![registered_by_import()]);
}

#[test]
fn what_happened_there_since_the_first_import_is_added_and_nothing_else() {
    let mut again = person();
    again.history.push(past(PastChangeKind::Upgraded, 3));
    let unblocked = AccountEvent::AccountUnblocked { at: day(2) };
    let given = [whole(), vec![unblocked]].concat();
    then(given, import(again), vec![happened(past(PastChangeKind::Upgraded, 3))]);
}

#[test]
fn a_step_that_is_there_twice_is_told_once() {
    let mut twice = ImportedPerson { role: Role::User, block: None, subscription: None, ..person() };
    twice.history = vec![past(PastChangeKind::Created, 1), past(PastChangeKind::Created, 1)];
    let expected = vec![registered_by_import(), happened(past(PastChangeKind::Created, 1))];
    then(vec![], import(twice), expected);
}

#[test]
fn a_step_is_told_once_also_where_who_did_it_is_unknown_meanwhile_or_known_by_then() {
    let unnamed = past(PastChangeKind::Created, 1);
    let named = PastChange { changed_by: Some(ADMIN), ..unnamed.clone() };
    for (before, after) in [(named.clone(), unnamed.clone()), (unnamed, named)] {
        let again = ImportedPerson { history: vec![after], ..person() };
        then(vec![registered_by_import(), happened(before)], import(again), vec![]);
    }
}

#[test]
fn what_two_did_at_one_time_is_told_of_both() {
    let by = |changed_by| PastChange { changed_by: Some(changed_by), ..past(PastChangeKind::Created, 1) };
    let two = ImportedPerson { history: vec![by(ADMIN), by(ANNA)], ..person() };
    then(vec![registered_by_import()], import(two), vec![happened(by(ADMIN)), happened(by(ANNA))]);
}

#[test]
fn what_a_person_has_here_is_not_replaced() {
    let [one, two] = history();
    let given = vec![registered(), changed(Tier::Basic, 0, 0, Some(30))];
    then(given, import(person()), vec![one.clone(), two.clone(), blocked_until(9)]);
    let blocked_here = vec![registered(), changed(Tier::Basic, 0, 0, Some(30)), blocked()];
    then(blocked_here, import(person()), vec![one, two]);
}

#[test]
fn a_person_who_wrote_before_and_has_nothing_here_gets_their_subscription_and_no_role() {
    let [one, two] = history();
    then(vec![registered()], import(person()), vec![one, two, subscribed(false), blocked_until(9)]);
}

#[test]
fn an_erased_person_is_not_brought_back() {
    refused(vec![registered_by_import(), erased()], import(person()), AccountError::Erased);
    refused(vec![registered_by_import(), erased()], link(), AccountError::Erased);
}

#[test]
fn a_subscription_that_was_over_there_is_over_here_and_one_that_runs_expires_by_itself() {
    let expire = || AccountCommand::ExpireSubscription { at: day(31) };
    then(vec![registered_by_import(), subscribed(true)], expire(), vec![]);
    let expired = AccountEvent::SubscriptionExpired { tier: Tier::Premium, at: day(31) };
    then(vec![registered_by_import(), subscribed(false)], expire(), vec![expired]);
}

#[test]
fn the_same_tier_extends_an_imported_subscription() {
    let given = vec![registered_by_import(), subscribed(false)];
    let when = activate(1, grant(Tier::Premium, 30), 1);
    then(given, when, vec![activated(1, Tier::Premium, 1, 0, Some(60))]);
}

#[test]
fn a_block_ends_on_its_day_and_not_before() {
    let end = |on| AccountCommand::EndBlock { at: day(on) };
    let given = || vec![registered_by_import(), blocked_until(9)];
    then(given(), end(8), vec![]);
    then(given(), end(9), vec![AccountEvent::AccountUnblocked { at: day(9) }]);
}

#[test]
fn a_block_by_an_admin_does_not_end_by_itself_whatever_was_before() {
    let end = || AccountCommand::EndBlock { at: day(9) };
    then(vec![registered_by_import(), blocked_until(9)], block(), vec![blocked()]);
    then(vec![registered_by_import(), blocked_until(9), blocked()], end(), vec![]);
    let unblocked = || AccountEvent::AccountUnblocked { at: day(2) };
    then(vec![registered_by_import(), blocked_until(9), unblocked(), blocked()], end(), vec![]);
    then(vec![registered_by_import(), blocked_until(9), unblocked()], end(), vec![]);
}

#[test]
fn a_session_is_linked_once_and_ends_as_any_other() {
    then(vec![registered_by_import()], link(), vec![linked()]);
    then(vec![registered_by_import(), linked()], link(), vec![]);
    let log_out = AccountCommand::LogOut { login_id: login(1), at: day(2) };
    let logged_out = AccountEvent::LoggedOut { login_id: login(1), at: day(2) };
    then(vec![registered_by_import(), linked()], log_out, vec![logged_out]);
    refused(vec![], link(), AccountError::Unknown);
}

#[test]
fn a_session_goes_back_while_it_is_here_and_once() {
    then(vec![registered_by_import(), linked()], give_back(), vec![given_back()]);
    then(vec![registered_by_import(), linked(), given_back()], give_back(), vec![]);
    let over = AccountEvent::AuthorizationRevoked { login_id: login(1), at: day(1) };
    then(vec![registered_by_import(), linked(), over], give_back(), vec![]);
    let exported = AccountEvent::SessionExported { login_id: login(1), at: day(1) };
    refused(vec![registered_by_import(), linked(), exported], give_back(), AccountError::HandedOver);
    refused(vec![registered_by_import()], give_back(), AccountError::NotLinked);
}

#[test]
fn a_session_of_another_account_is_dropped_once_and_only_an_imported_one() {
    then(vec![registered_by_import(), linked()], reject(), vec![rejected()]);
    then(vec![registered_by_import(), linked(), rejected()], reject(), vec![]);
    refused(vec![registered_by_import()], reject(), AccountError::NotLinked);
}

#[test]
fn a_person_who_was_taken_over_is_no_stranger() {
    let mut account = Account::default();
    account.apply(registered_by_import());
    assert!(!account.is_stranger());
    account.apply(linked());
    assert!(account.has_imported(&login(1)) && !account.has_imported(&login(2)));
}
