//! Given events, when a command, then events or an error.

use cqrs_es::test::TestFramework;
use jiff::Timestamp;

use super::{Invite, InviteCommand, InviteError, InviteEvent};
use crate::fixtures::{ADMIN, ANNA, BORIS, INVITE, VERA, day, login, minute, premium};
use crate::id::AccountId;
use crate::tier::Tier;

mod import;
mod interleavings;

const UNTIL: i64 = 30;

fn created(max_uses: u32) -> InviteEvent {
    InviteEvent::InviteCreated {
        invite_id: INVITE,
        tier: Tier::Premium,
        max_uses,
        valid_until: day(UNTIL),
        subscription_days: 30,
        created_by: Some(ADMIN),
        used_before: 0,
        at: minute(0),
    }
}

fn redeemed(account_id: AccountId, number: u32, attempt: u32) -> InviteEvent {
    InviteEvent::InviteRedeemed {
        account_id,
        login_id: login(number),
        attempt,
        grant: premium(),
        at: minute(1),
    }
}

fn used(account_id: AccountId, number: u32) -> InviteEvent {
    InviteEvent::InviteUsed { account_id, login_id: login(number), attempt: 1, at: minute(1) }
}

fn released(account_id: AccountId, number: u32) -> InviteEvent {
    InviteEvent::InviteReleased { account_id, login_id: login(number), attempt: 1, at: minute(1) }
}

fn revoked() -> InviteEvent {
    InviteEvent::InviteRevoked { at: minute(1) }
}

fn create(max_uses: u32) -> InviteCommand {
    InviteCommand::Create {
        invite_id: INVITE,
        tier: Tier::Premium,
        max_uses,
        valid_until: day(UNTIL),
        subscription_days: 30,
        created_by: Some(ADMIN),
        at: minute(0),
    }
}

fn redeem(account_id: AccountId, number: u32, attempt: u32) -> InviteCommand {
    redeem_at(account_id, number, attempt, minute(1))
}

fn redeem_at(account_id: AccountId, number: u32, attempt: u32, at: Timestamp) -> InviteCommand {
    InviteCommand::Redeem { account_id, login_id: login(number), attempt, at }
}

fn use_it(account_id: AccountId, number: u32) -> InviteCommand {
    InviteCommand::Use { account_id, login_id: login(number), attempt: 1, at: minute(1) }
}

fn release(account_id: AccountId, number: u32) -> InviteCommand {
    InviteCommand::Release { account_id, login_id: login(number), attempt: 1, at: minute(1) }
}

fn then(given: Vec<InviteEvent>, when: InviteCommand, expected: Vec<InviteEvent>) {
    TestFramework::<Invite>::with(()).given(given).when(when).then_expect_events(expected);
}

fn refused(given: Vec<InviteEvent>, when: InviteCommand, expected: InviteError) {
    TestFramework::<Invite>::with(()).given(given).when(when).then_expect_error(expected);
}

#[test]
fn an_invite_is_created_once() {
    then(vec![], create(1), vec![created(1)]);
    then(vec![created(1)], create(2), vec![]);
}

#[test]
fn an_invite_without_uses_cannot_be_created() {
    refused(vec![], create(0), InviteError::NoUses);
}

#[test]
fn redeeming_reserves_a_use_for_the_login_and_says_what_it_promises() {
    then(vec![created(1)], redeem(ANNA, 1, 1), vec![redeemed(ANNA, 1, 1)]);
}

#[test]
fn an_unknown_invite_cannot_be_redeemed() {
    refused(vec![], redeem(ANNA, 1, 1), InviteError::Unknown);
}

#[test]
fn an_invite_can_be_redeemed_until_the_moment_it_expires_and_not_from_then_on() {
    let last = day(UNTIL) - jiff::SignedDuration::from_nanos(1);
    let event = InviteEvent::InviteRedeemed {
        account_id: ANNA,
        login_id: login(1),
        attempt: 1,
        grant: premium(),
        at: last,
    };
    then(vec![created(1)], redeem_at(ANNA, 1, 1, last), vec![event]);
    refused(vec![created(1)], redeem_at(ANNA, 1, 1, day(UNTIL)), InviteError::Expired);
}

#[test]
fn a_revoked_invite_cannot_be_redeemed() {
    refused(vec![created(1), revoked()], redeem(ANNA, 1, 1), InviteError::Revoked);
}

#[test]
fn an_invite_whose_uses_are_all_reserved_is_used_up() {
    refused(vec![created(1), redeemed(ANNA, 1, 1)], redeem(BORIS, 2, 1), InviteError::UsedUp);
}

#[test]
fn an_invite_whose_uses_are_all_used_is_used_up() {
    let given = vec![created(1), redeemed(ANNA, 1, 1), used(ANNA, 1)];
    refused(given, redeem(BORIS, 2, 1), InviteError::UsedUp);
}

#[test]
fn an_invite_with_two_uses_is_redeemed_by_two_people() {
    let given = vec![created(2), redeemed(ANNA, 1, 1)];
    then(given, redeem(BORIS, 2, 1), vec![redeemed(BORIS, 2, 1)]);
    let given = vec![created(2), redeemed(ANNA, 1, 1), redeemed(BORIS, 2, 1)];
    refused(given, redeem(VERA, 3, 1), InviteError::UsedUp);
}

#[test]
fn the_same_redemption_twice_is_one() {
    then(vec![created(1), redeemed(ANNA, 1, 1)], redeem(ANNA, 1, 1), vec![]);
    then(vec![created(1), redeemed(ANNA, 1, 1), used(ANNA, 1)], redeem(ANNA, 1, 1), vec![]);
}

#[test]
fn a_new_login_of_the_same_person_moves_the_reservation_without_a_second_use() {
    let given = vec![created(1), redeemed(ANNA, 1, 1)];
    then(given, redeem(ANNA, 2, 1), vec![redeemed(ANNA, 2, 1)]);
    let given = vec![created(1), redeemed(ANNA, 1, 1), redeemed(ANNA, 2, 1)];
    refused(given, redeem(BORIS, 3, 1), InviteError::UsedUp);
}

#[test]
fn a_moved_reservation_is_its_new_logins_alone() {
    let given = || vec![created(1), redeemed(ANNA, 1, 1), redeemed(ANNA, 2, 1)];
    refused(given(), use_it(ANNA, 1), InviteError::NotReserved);
    then(given(), release(ANNA, 1), vec![]);
    then(given(), use_it(ANNA, 2), vec![used(ANNA, 2)]);
}

#[test]
fn a_late_repetition_of_an_order_does_not_move_the_reservation_back() {
    let given = vec![created(1), redeemed(ANNA, 1, 1), redeemed(ANNA, 2, 1)];
    then(given, redeem(ANNA, 1, 1), vec![]);
}

#[test]
fn a_late_repetition_of_an_order_does_not_reserve_again_what_was_given_back() {
    let given = vec![created(1), redeemed(ANNA, 1, 1), released(ANNA, 1)];
    then(given, redeem(ANNA, 1, 1), vec![]);
}

#[test]
fn a_retry_redeems_anew_after_the_attempt_before_gave_back() {
    let given = vec![created(1), redeemed(ANNA, 1, 1), released(ANNA, 1)];
    then(given, redeem(ANNA, 1, 2), vec![redeemed(ANNA, 1, 2)]);
}

#[test]
fn a_release_that_comes_after_the_retry_changes_nothing() {
    let given = vec![created(1), redeemed(ANNA, 1, 1), redeemed(ANNA, 1, 2)];
    then(given, release(ANNA, 1), vec![]);
}

#[test]
fn a_released_use_can_be_redeemed_by_somebody_else() {
    let given = vec![created(1), redeemed(ANNA, 1, 1), released(ANNA, 1)];
    then(given, redeem(BORIS, 2, 1), vec![redeemed(BORIS, 2, 1)]);
}

#[test]
fn a_release_gives_back_what_its_login_reserved_once() {
    then(vec![created(1), redeemed(ANNA, 1, 1)], release(ANNA, 1), vec![released(ANNA, 1)]);
    then(vec![created(1), redeemed(ANNA, 1, 1), released(ANNA, 1)], release(ANNA, 1), vec![]);
}

#[test]
fn a_release_that_names_another_login_changes_nothing() {
    then(vec![created(1), redeemed(ANNA, 1, 1)], release(ANNA, 2), vec![]);
    then(vec![created(1), redeemed(ANNA, 1, 1)], release(BORIS, 1), vec![]);
}

/// 1. The login expires.  2. Its worker, which does not know yet, uses the invite.  3. The reactor releases.
#[test]
fn a_login_that_ends_between_its_use_and_its_confirmation_gives_its_use_back() {
    let given = vec![created(1), redeemed(ANNA, 1, 1), used(ANNA, 1)];
    then(given, release(ANNA, 1), vec![released(ANNA, 1)]);
    let given = vec![created(1), redeemed(ANNA, 1, 1), used(ANNA, 1), released(ANNA, 1)];
    then(given, redeem(ANNA, 2, 1), vec![redeemed(ANNA, 2, 1)]);
}

#[test]
fn a_reservation_becomes_a_use_once() {
    then(vec![created(1), redeemed(ANNA, 1, 1)], use_it(ANNA, 1), vec![used(ANNA, 1)]);
    then(vec![created(1), redeemed(ANNA, 1, 1), used(ANNA, 1)], use_it(ANNA, 1), vec![]);
}

#[test]
fn what_was_not_reserved_cannot_be_used() {
    refused(vec![created(1)], use_it(ANNA, 1), InviteError::NotReserved);
    refused(vec![created(1), redeemed(ANNA, 1, 2)], use_it(ANNA, 1), InviteError::NotReserved);
    refused(vec![created(1), redeemed(ANNA, 1, 1)], use_it(BORIS, 1), InviteError::NotReserved);
    let given = vec![created(1), redeemed(ANNA, 1, 1), released(ANNA, 1)];
    refused(given, use_it(ANNA, 1), InviteError::NotReserved);
}

#[test]
fn whoever_used_it_is_told_so_also_where_uses_are_left() {
    let given = || vec![created(5), redeemed(ANNA, 1, 1), used(ANNA, 1)];
    refused(given(), redeem(ANNA, 2, 1), InviteError::AlreadyUsedByYou);
    let late = redeem_at(ANNA, 2, 1, day(UNTIL));
    refused(given(), late, InviteError::AlreadyUsedByYou);
}

#[test]
fn revoking_does_not_end_a_login_that_has_reserved() {
    let given = vec![created(1), redeemed(ANNA, 1, 1), revoked()];
    then(given, use_it(ANNA, 1), vec![used(ANNA, 1)]);
}

#[test]
fn expiring_does_not_end_a_login_that_has_reserved() {
    let late = InviteCommand::Use { account_id: ANNA, login_id: login(1), attempt: 1, at: day(UNTIL) };
    let event = InviteEvent::InviteUsed { account_id: ANNA, login_id: login(1), attempt: 1, at: day(UNTIL) };
    then(vec![created(1), redeemed(ANNA, 1, 1)], late, vec![event]);
}

#[test]
fn an_invite_is_revoked_once_and_only_if_it_exists() {
    let revoke = || InviteCommand::Revoke { at: minute(1) };
    then(vec![created(1)], revoke(), vec![revoked()]);
    then(vec![created(1), revoked()], revoke(), vec![]);
    refused(vec![], revoke(), InviteError::Unknown);
}
