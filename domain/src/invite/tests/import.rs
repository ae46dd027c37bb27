//! Invites that are taken over: what is left of their uses, and who has used them.

use super::*;
use crate::invite::{ImportedInvite, ImportedUse};

fn invite(max_uses: u32, used_before: u32, used_by: Option<AccountId>) -> ImportedInvite {
    ImportedInvite {
        invite_id: INVITE,
        tier: Tier::Premium,
        subscription_days: 30,
        max_uses,
        used_before,
        used_by: used_by.map(|account_id| ImportedUse { account_id, login_id: login(9), used_at: minute(1) }),
        valid_until: day(UNTIL),
        created_by: Some(ADMIN),
        at: minute(2),
    }
}

fn import(invite: ImportedInvite) -> InviteCommand {
    InviteCommand::Import(invite)
}

fn made(max_uses: u32, used_before: u32) -> InviteEvent {
    InviteEvent::InviteCreated {
        invite_id: INVITE,
        tier: Tier::Premium,
        max_uses,
        valid_until: day(UNTIL),
        subscription_days: 30,
        created_by: Some(ADMIN),
        used_before,
        at: minute(2),
    }
}

#[test]
fn an_invite_comes_with_its_use_and_comes_once() {
    let events = || vec![made(3, 1), used(ANNA, 9)];
    then(vec![], import(invite(3, 1, Some(ANNA))), events());
    then(events(), import(invite(3, 1, Some(ANNA))), vec![]);
    then(vec![created(1)], import(invite(3, 1, Some(ANNA))), vec![]);
}

#[test]
fn what_is_left_of_its_uses_can_be_redeemed_and_no_more() {
    let given = || vec![made(3, 1), used(ANNA, 9)];
    then(given(), redeem(BORIS, 1, 1), vec![redeemed(BORIS, 1, 1)]);
    let full = [given(), vec![redeemed(BORIS, 1, 1)]].concat();
    refused(full, redeem(VERA, 2, 1), InviteError::UsedUp);
}

#[test]
fn who_has_used_it_there_hears_so_here() {
    refused(vec![made(3, 1), used(ANNA, 9)], redeem(ANNA, 1, 1), InviteError::AlreadyUsedByYou);
}

#[test]
fn one_that_was_used_up_by_people_whom_nobody_knows_is_used_up_here() {
    then(vec![], import(invite(2, 2, None)), vec![made(2, 2)]);
    refused(vec![made(2, 2)], redeem(ANNA, 1, 1), InviteError::UsedUp);
}
