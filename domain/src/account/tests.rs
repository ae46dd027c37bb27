//! Given events, when a command, then events or an error.

use cqrs_es::Aggregate as _;
use cqrs_es::test::TestFramework;
use jiff::Timestamp;

use super::{Account, AccountCommand, AccountError, AccountEvent, Role, RoleSource};
use crate::fixtures::{ANNA, INVITE, day, grant, limits, login, sealed};
use crate::invite::InviteGrant;
use crate::tier::Tier;

mod acts;
mod import;

fn registered() -> AccountEvent {
    let (telegram_id, profile) = (sealed("id"), sealed("Anna"));
    AccountEvent::AccountRegistered { account_id: ANNA, telegram_id, profile, imported: None, at: day(0) }
}

fn register(profile: &str) -> AccountCommand {
    let (telegram_id, profile) = (sealed("id"), sealed(profile));
    AccountCommand::Register { account_id: ANNA, telegram_id, profile, at: day(0) }
}

fn activate(number: u32, grant: InviteGrant, on: i64) -> AccountCommand {
    let limits = limits(grant.tier);
    AccountCommand::Activate { login_id: login(number), attempt: 1, grant, limits, at: day(on) }
}

/// Activated by the login of this number, on a day, from a day, until a day.
fn activated(number: u32, tier: Tier, on: i64, from: i64, until: Option<i64>) -> AccountEvent {
    AccountEvent::SubscriptionActivated {
        login_id: login(number),
        attempt: 1,
        invite_id: INVITE,
        tier,
        limits: limits(tier),
        started_at: day(from),
        expires_at: until.map(day),
        at: day(on),
    }
}

fn change(tier: Tier, days: u32, on: i64) -> AccountCommand {
    AccountCommand::ChangeSubscription { tier, days, limits: limits(tier), change_id: None, at: day(on) }
}

fn changed(tier: Tier, on: i64, from: i64, until: Option<i64>) -> AccountEvent {
    AccountEvent::SubscriptionChanged {
        tier,
        limits: limits(tier),
        started_at: day(from),
        expires_at: until.map(day),
        change_id: None,
        at: day(on),
    }
}

fn erased() -> AccountEvent {
    AccountEvent::AccountErased { at: day(1) }
}

fn then(given: Vec<AccountEvent>, when: AccountCommand, expected: Vec<AccountEvent>) {
    TestFramework::<Account>::with(()).given(given).when(when).then_expect_events(expected);
}

fn refused(given: Vec<AccountEvent>, when: AccountCommand, expected: AccountError) {
    TestFramework::<Account>::with(()).given(given).when(when).then_expect_error(expected);
}

#[test]
fn a_person_is_registered_by_their_first_message() {
    then(vec![], register("Anna"), vec![registered()]);
}

#[test]
fn a_person_who_did_not_change_is_nothing_new() {
    then(vec![registered()], register("Anna"), vec![]);
}

#[test]
fn a_changed_name_is_noted_once() {
    let renamed = || AccountEvent::ProfileChanged { profile: sealed("Anja"), at: day(0) };
    then(vec![registered()], register("Anja"), vec![renamed()]);
    then(vec![registered(), renamed()], register("Anja"), vec![]);
}

#[test]
fn an_unknown_account_takes_no_orders() {
    for when in [activate(1, grant(Tier::Premium, 30), 0), change(Tier::Basic, 30, 0), block(), erase()] {
        refused(vec![], when, AccountError::Unknown);
    }
}

#[test]
fn a_confirmed_login_starts_what_its_invite_promised() {
    let when = activate(1, grant(Tier::Premium, 30), 1);
    then(vec![registered()], when, vec![activated(1, Tier::Premium, 1, 1, Some(31))]);
}

#[test]
fn an_activation_carries_the_limits_of_its_day_whatever_they_are_today() {
    let mut limits = limits(Tier::Premium);
    limits.max_channels = 7;
    let grant = grant(Tier::Premium, 30);
    let when = AccountCommand::Activate { login_id: login(1), attempt: 1, grant, limits, at: day(1) };

    let events =
        TestFramework::<Account>::with(()).given(vec![registered()]).when(when).inspect_result().unwrap();

    let [AccountEvent::SubscriptionActivated { limits: stored, .. }] = events.as_slice() else {
        panic!("one activation: {events:?}");
    };
    assert_eq!(*stored, limits);
}

#[test]
fn a_grant_with_a_name_is_carried_out_once() {
    let named = |change: &str| AccountCommand::ChangeSubscription {
        tier: Tier::Basic,
        days: 30,
        limits: limits(Tier::Basic),
        change_id: Some(change.to_owned()),
        at: day(2),
    };
    let first = AccountEvent::SubscriptionChanged {
        tier: Tier::Basic,
        limits: limits(Tier::Basic),
        started_at: day(2),
        expires_at: Some(day(32)),
        change_id: Some("update/1".to_owned()),
        at: day(2),
    };
    then(vec![registered()], named("update/1"), vec![first.clone()]);
    then(vec![registered(), first.clone()], named("update/1"), vec![]);
    let events = TestFramework::<Account>::with(())
        .given(vec![registered(), first])
        .when(named("update/2"))
        .inspect_result();
    assert_eq!(events.unwrap().len(), 1);
}

#[test]
fn a_login_starts_one_subscription_however_often_it_is_told() {
    let given = vec![registered(), activated(1, Tier::Premium, 1, 1, Some(31))];
    then(given, activate(1, grant(Tier::Premium, 30), 2), vec![]);
}

#[test]
fn a_login_starts_one_subscription_also_after_others_came_and_went() {
    let given = vec![
        registered(),
        activated(1, Tier::Premium, 1, 1, Some(31)),
        activated(2, Tier::Basic, 2, 2, Some(32)),
        AccountEvent::SubscriptionExpired { tier: Tier::Basic, at: day(32) },
    ];
    then(given, activate(1, grant(Tier::Premium, 30), 33), vec![]);
}

#[test]
fn zero_days_are_unlimited() {
    let when = activate(1, grant(Tier::Premium, 0), 1);
    then(vec![registered()], when, vec![activated(1, Tier::Premium, 1, 1, None)]);
}

#[test]
fn the_same_tier_extends_the_end_of_a_running_subscription() {
    let given = vec![registered(), activated(1, Tier::Premium, 1, 1, Some(31))];
    let when = activate(2, grant(Tier::Premium, 30), 10);
    then(given, when, vec![activated(2, Tier::Premium, 10, 1, Some(61))]);
}

#[test]
fn another_tier_replaces_a_running_subscription() {
    let given = vec![registered(), activated(1, Tier::Premium, 1, 1, Some(31))];
    let when = activate(2, grant(Tier::Basic, 30), 10);
    then(given, when, vec![activated(2, Tier::Basic, 10, 10, Some(40))]);
}

#[test]
fn a_subscription_whose_time_is_over_is_not_extended() {
    let given = vec![registered(), activated(1, Tier::Premium, 1, 1, Some(31))];
    let when = activate(2, grant(Tier::Premium, 30), 31);
    then(given, when, vec![activated(2, Tier::Premium, 31, 31, Some(61))]);
}

#[test]
fn an_unlimited_subscription_stays_so_when_the_same_tier_is_added() {
    let given = vec![registered(), activated(1, Tier::Premium, 1, 1, None)];
    let when = activate(2, grant(Tier::Premium, 30), 10);
    then(given, when, vec![activated(2, Tier::Premium, 10, 1, None)]);
}

#[test]
fn an_unlimited_grant_lifts_the_end_of_the_same_tier() {
    let given = vec![registered(), activated(1, Tier::Premium, 1, 1, Some(31))];
    let when = activate(2, grant(Tier::Premium, 0), 10);
    then(given, when, vec![activated(2, Tier::Premium, 10, 1, None)]);
}

#[test]
fn a_span_that_no_calendar_holds_ends_with_the_calendar() {
    let when = activate(1, grant(Tier::Premium, u32::MAX), 1);
    let result = TestFramework::<Account>::with(()).given(vec![registered()]).when(when).inspect_result();
    let events = result.unwrap();
    let [AccountEvent::SubscriptionActivated { expires_at, .. }] = events.as_slice() else {
        panic!("one activation: {events:?}");
    };
    assert_eq!(*expires_at, Some(Timestamp::MAX));
}

#[test]
fn an_admins_grant_extends_and_replaces_like_a_login() {
    let given = || vec![registered(), activated(1, Tier::Premium, 1, 1, Some(31))];
    then(given(), change(Tier::Premium, 10, 5), vec![changed(Tier::Premium, 5, 1, Some(41))]);
    then(given(), change(Tier::Trial, 7, 5), vec![changed(Tier::Trial, 5, 5, Some(12))]);
}

#[test]
fn a_subscription_that_is_restored_runs_exactly_as_it_did() {
    let given = || vec![registered(), activated(1, Tier::Premium, 1, 1, Some(31))];
    let before = given().into_iter().fold(Account::default(), |mut account, event| {
        account.apply(event);
        account
    });
    let subscription = before.subscription_at(day(5)).unwrap();
    let restore = |at| AccountCommand::RestoreSubscription { subscription, change_id: "undo".to_owned(), at };
    // Of the same tier, which a grant extends; and of another one.
    for granted in [changed(Tier::Premium, 5, 1, Some(61)), changed(Tier::Trial, 5, 5, Some(12))] {
        let restored = AccountEvent::SubscriptionChanged {
            tier: Tier::Premium,
            limits: limits(Tier::Premium),
            started_at: day(1),
            expires_at: Some(day(31)),
            change_id: Some("undo".to_owned()),
            at: day(6),
        };
        let mistaken = || [given(), vec![granted.clone()]].concat();
        then(mistaken(), restore(day(6)), vec![restored.clone()]);
        then([mistaken(), vec![restored]].concat(), restore(day(7)), vec![]);
    }
}

#[test]
fn a_subscription_expires_at_its_end_once_and_not_before() {
    let given = || vec![registered(), activated(1, Tier::Premium, 1, 1, Some(31))];
    let expired = || AccountEvent::SubscriptionExpired { tier: Tier::Premium, at: day(31) };
    then(given(), AccountCommand::ExpireSubscription { at: day(30) }, vec![]);
    then(given(), AccountCommand::ExpireSubscription { at: day(31) }, vec![expired()]);
    let given = [given(), vec![expired()]].concat();
    then(given, AccountCommand::ExpireSubscription { at: day(32) }, vec![]);
}

#[test]
fn a_subscription_is_ended_before_its_time_once_and_never_after_it() {
    let given = || vec![registered(), activated(1, Tier::Premium, 1, 1, Some(31))];
    let revoked = || AccountEvent::SubscriptionRevoked { tier: Tier::Premium, at: day(5) };
    then(given(), AccountCommand::RevokeSubscription { at: day(5) }, vec![revoked()]);
    then(given(), AccountCommand::RevokeSubscription { at: day(31) }, vec![]);
    let after = || [given(), vec![revoked()]].concat();
    then(after(), AccountCommand::RevokeSubscription { at: day(6) }, vec![]);
    then(after(), AccountCommand::ExpireSubscription { at: day(31) }, vec![]);
    // What is granted next begins anew: nothing is left of the time that was taken.
    then(after(), change(Tier::Premium, 10, 7), vec![changed(Tier::Premium, 7, 7, Some(17))]);
}

#[test]
fn an_unlimited_subscription_is_ended_as_well() {
    let given = vec![registered(), activated(1, Tier::Premium, 1, 1, None)];
    let revoked = AccountEvent::SubscriptionRevoked { tier: Tier::Premium, at: day(2) };
    then(given, AccountCommand::RevokeSubscription { at: day(2) }, vec![revoked]);
}

#[test]
fn an_unlimited_subscription_never_expires() {
    let given = vec![registered(), activated(1, Tier::Premium, 1, 1, None)];
    then(given, AccountCommand::ExpireSubscription { at: Timestamp::MAX }, vec![]);
}

#[test]
fn a_subscription_that_was_extended_meanwhile_does_not_expire() {
    let given = vec![
        registered(),
        activated(1, Tier::Premium, 1, 1, Some(31)),
        activated(2, Tier::Premium, 30, 1, Some(61)),
    ];
    then(given, AccountCommand::ExpireSubscription { at: day(31) }, vec![]);
}

#[test]
fn a_role_changes_once() {
    let change = |role| AccountCommand::ChangeRole { role, at: day(1) };
    let changed = || role_changed(Role::Admin, RoleSource::Order);
    then(vec![registered()], change(Role::Admin), vec![changed()]);
    then(vec![registered(), changed()], change(Role::Admin), vec![]);
    then(vec![registered()], change(Role::User), vec![]);
}

fn role_changed(role: Role, source: RoleSource) -> AccountEvent {
    AccountEvent::RoleChanged { role, source, at: day(1) }
}

fn named(named: bool) -> AccountCommand {
    AccountCommand::NameAsAdmin { named, at: day(1) }
}

#[test]
fn an_admin_by_the_settings_is_one_for_as_long_as_they_name_them() {
    let by_settings = |role| role_changed(role, RoleSource::Settings);
    then(vec![registered()], named(true), vec![by_settings(Role::Admin)]);
    then(vec![registered(), by_settings(Role::Admin)], named(true), vec![]);
    then(vec![registered(), by_settings(Role::Admin)], named(false), vec![by_settings(Role::User)]);
    then(vec![registered()], named(false), vec![]);
}

#[test]
fn whoever_an_admin_made_one_stays_one_though_the_settings_name_them_no_longer() {
    let (admin, order) = (|source| role_changed(Role::Admin, source), RoleSource::Order);
    let make = || AccountCommand::ChangeRole { role: Role::Admin, at: day(1) };
    then(vec![registered(), admin(RoleSource::Settings)], make(), vec![admin(order)]);
    then(vec![registered(), admin(RoleSource::Settings), admin(order)], named(false), vec![]);
    then(vec![registered(), admin(order)], named(true), vec![]);
    then(vec![registered(), admin(order)], named(false), vec![]);
}

#[test]
fn an_auditor_whom_the_settings_made_an_admin_is_an_auditor_again() {
    let given = vec![
        registered(),
        role_changed(Role::Auditor, RoleSource::Order),
        role_changed(Role::Admin, RoleSource::Settings),
    ];
    then(given, named(false), vec![role_changed(Role::Auditor, RoleSource::Settings)]);
}

fn block() -> AccountCommand {
    AccountCommand::Block { at: day(1) }
}

fn blocked() -> AccountEvent {
    AccountEvent::AccountBlocked { until: None, at: day(1) }
}

#[test]
fn a_person_is_blocked_once() {
    then(vec![registered()], block(), vec![blocked()]);
    then(vec![registered(), blocked()], block(), vec![]);
}

#[test]
fn a_person_is_unblocked_only_while_blocked() {
    let unblock = || AccountCommand::Unblock { at: day(1) };
    let unblocked = || AccountEvent::AccountUnblocked { at: day(1) };
    then(vec![registered(), blocked()], unblock(), vec![unblocked()]);
    then(vec![registered()], unblock(), vec![]);
    then(vec![registered(), blocked(), unblocked()], block(), vec![blocked()]);
}

#[test]
fn a_block_is_seen() {
    let account = |events: Vec<AccountEvent>| {
        let mut account = Account::default();
        events.into_iter().for_each(|event| cqrs_es::Aggregate::apply(&mut account, event));
        account
    };
    assert!(!account(vec![registered()]).is_blocked());
    assert!(account(vec![registered(), blocked()]).is_blocked());
    assert!(account(vec![registered(), blocked(), erased()]).is_blocked(), "an erasure does not lift it");
}

#[test]
fn a_session_ends_once_whoever_ends_it() {
    let log_out = || AccountCommand::LogOut { login_id: login(1), at: day(2) };
    let revoke = || AccountCommand::RevokeAuthorization { login_id: login(1), at: day(2) };
    let logged_out = || AccountEvent::LoggedOut { login_id: login(1), at: day(2) };
    let revoked = || AccountEvent::AuthorizationRevoked { login_id: login(1), at: day(2) };

    then(vec![registered()], log_out(), vec![logged_out()]);
    then(vec![registered()], revoke(), vec![revoked()]);
    then(vec![registered(), logged_out()], revoke(), vec![]);
    then(vec![registered(), revoked()], log_out(), vec![]);
}

#[test]
fn what_became_of_a_session_is_seen() {
    let mut account = Account::default();
    let exported = AccountEvent::SessionExported { login_id: login(1), at: day(2) };
    let revoked = AccountEvent::AuthorizationRevoked { login_id: login(2), at: day(2) };
    for event in [registered(), exported, revoked] {
        cqrs_es::Aggregate::apply(&mut account, event);
    }
    let seen = |number| (account.is_handed_over(&login(number)), account.is_unlinked(&login(number)));
    assert_eq!([seen(1), seen(2), seen(3)], [(true, false), (false, true), (false, false)]);
}

#[test]
fn the_session_of_a_later_login_ends_for_itself() {
    let given = vec![registered(), AccountEvent::LoggedOut { login_id: login(1), at: day(2) }];
    let when = AccountCommand::LogOut { login_id: login(2), at: day(3) };
    then(given, when, vec![AccountEvent::LoggedOut { login_id: login(2), at: day(3) }]);
}

#[test]
fn a_session_is_handed_over_once() {
    let export = || AccountCommand::ExportSession { login_id: login(1), at: day(2) };
    let exported = || AccountEvent::SessionExported { login_id: login(1), at: day(2) };
    then(vec![registered()], export(), vec![exported()]);
    then(vec![registered(), exported()], export(), vec![]);
    let logged_out = AccountEvent::LoggedOut { login_id: login(1), at: day(2) };
    refused(vec![registered(), logged_out], export(), AccountError::NotLinked);
    let log_out = || AccountCommand::LogOut { login_id: login(1), at: day(3) };
    refused(vec![registered(), exported()], log_out(), AccountError::HandedOver);
    let ended = AccountEvent::AuthorizationRevoked { login_id: login(1), at: day(2) };
    then(vec![registered(), exported(), ended.clone()], log_out(), vec![]);
    refused(vec![registered(), ended], export(), AccountError::NotLinked);
}

fn erase() -> AccountCommand {
    AccountCommand::Erase { at: day(1) }
}

#[test]
fn a_person_is_erased_once() {
    then(vec![registered()], erase(), vec![erased()]);
    then(vec![registered(), erased()], erase(), vec![]);
}

#[test]
fn an_erased_account_does_not_come_back() {
    for when in
        [register("Anna"), activate(1, grant(Tier::Premium, 30), 2), change(Tier::Basic, 30, 2), block()]
    {
        refused(vec![registered(), erased()], when, AccountError::Erased);
    }
}

#[test]
fn what_only_takes_away_is_no_contradiction_after_an_erasure() {
    let given = || vec![registered(), activated(1, Tier::Premium, 1, 1, Some(2)), erased()];
    then(given(), AccountCommand::LogOut { login_id: login(1), at: day(9) }, vec![]);
    then(given(), AccountCommand::RevokeAuthorization { login_id: login(1), at: day(9) }, vec![]);
    then(given(), AccountCommand::ExpireSubscription { at: day(9) }, vec![]);
}
