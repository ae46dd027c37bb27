//! What follows from what.

use serde_json::json;

use super::{Notice, Reaction, react};
use crate::account::{AccountEvent, Role, RoleSource};
use crate::event::Event;
use crate::fixtures::{ADMIN, ANNA, INVITE, login, minute, premium};
use crate::golden::samples;
use crate::id::InviteId;
use crate::invite::{InviteEvent, InviteGrant};
use crate::login::{CancelReason, CodeVia, FailReason, LoginEvent, Method};
use crate::tier::Tier;

fn to_login(event: LoginEvent) -> Vec<Reaction> {
    react(login(1).as_str(), &Event::Login(event))
}

fn to_account(event: AccountEvent) -> Vec<Reaction> {
    react(&ANNA.to_string(), &Event::Account(event))
}

fn release() -> Reaction {
    Reaction::Release { invite_id: INVITE, account_id: ANNA, login_id: login(1), attempt: 2 }
}

fn notify(notice: Notice) -> Reaction {
    Reaction::Notify { account_id: ANNA, notice }
}

fn card() -> Reaction {
    Reaction::ShowCard { account_id: Some(ANNA), login_id: login(1) }
}

fn confirmed(invite: Option<InviteGrant>) -> LoginEvent {
    LoginEvent::AuthorizationConfirmed {
        account_id: ANNA,
        invite,
        attempt: 2,
        method: Method::Qr,
        at: minute(1),
    }
}

fn expired(invite_id: Option<InviteId>) -> LoginEvent {
    LoginEvent::LoginExpired { account_id: ANNA, invite_id, attempt: 2, at: minute(5) }
}

#[test]
fn a_redeemed_invite_starts_its_login() {
    let (account_id, login_id, attempt, grant) = (ANNA, login(1), 2, premium());
    let event =
        InviteEvent::InviteRedeemed { account_id, login_id: login_id.clone(), attempt, grant, at: minute(0) };

    let reactions = react(&INVITE.to_string(), &Event::Invite(event));

    assert_eq!(reactions, [Reaction::StartLogin { login_id, account_id, grant, attempt }]);
}

#[test]
fn a_started_login_is_offered_to_the_workers_and_ends_the_persons_earlier_ones() {
    let (account_id, login_id, attempt) = (ANNA, login(1), 2);
    let (invite, deadline_at) = (Some(premium()), minute(5));
    let event = LoginEvent::LoginStarted { account_id, invite, attempt, deadline_at, at: minute(0) };

    assert_eq!(
        to_login(event),
        [
            Reaction::OpenAttempt { account_id, login_id: login_id.clone(), attempt },
            Reaction::CancelEarlier { account_id, login_id, attempt },
            card(),
        ]
    );
}

#[test]
fn the_card_of_a_first_attempt_is_sent_by_who_began_it() {
    let (account_id, invite, deadline_at) = (ANNA, Some(premium()), minute(5));
    let first = LoginEvent::LoginStarted { account_id, invite, attempt: 1, deadline_at, at: minute(0) };
    assert!(!to_login(first).contains(&card()));
}

/// In the chat it is answered, and the card names it; on the page the card alone says so.
#[test]
fn the_card_of_a_login_that_its_person_cancelled_is_shown_after_the_answer() {
    let (invite_id, reason) = (None, CancelReason::Person);
    let event = LoginEvent::LoginCancelled { account_id: ANNA, invite_id, attempt: 2, reason, at: minute(1) };
    let told = notify(Notice::Cancelled { login_id: login(1), reason, with_invite: false });
    assert_eq!(to_login(event), [told, card()]);
}

#[test]
fn the_card_says_what_telegram_asks_for() {
    let (attempt, deadline_at, at) = (1, minute(5), minute(1));
    let shown = [Reaction::ShowCard { account_id: None, login_id: login(1) }];
    assert_eq!(to_login(LoginEvent::PasswordRequested { attempt, deadline_at, at }), shown);
    let (via, length) = (CodeVia::App, Some(5));
    assert_eq!(to_login(LoginEvent::CodeSent { attempt, via, length, deadline_at, at }), shown);
}

#[test]
fn a_confirmed_login_with_an_invite_activates_what_it_promised() {
    let (account_id, login_id, attempt, grant) = (ANNA, login(1), 2, premium());
    let expected = Reaction::Activate { account_id, login_id, attempt, grant };
    assert_eq!(to_login(confirmed(Some(grant))), [expected]);
}

#[test]
fn a_confirmed_login_without_an_invite_activates_nothing_and_says_that_it_succeeded() {
    let notice = Notice::Authorized { login_id: login(1), tier: None };
    assert_eq!(to_login(confirmed(None)), [notify(notice), card()]);
}

#[test]
fn a_started_subscription_is_what_the_person_is_told_of() {
    let event = AccountEvent::SubscriptionActivated {
        login_id: login(1),
        attempt: 2,
        invite_id: INVITE,
        tier: Tier::Premium,
        limits: crate::fixtures::limits(Tier::Premium),
        started_at: minute(1),
        expires_at: None,
        at: minute(1),
    };
    let notice = Notice::Authorized { login_id: login(1), tier: Some(Tier::Premium) };
    assert_eq!(to_account(event), [notify(notice), card()]);
}

#[test]
fn an_expired_login_gives_its_use_back() {
    assert_eq!(
        to_login(expired(Some(INVITE))),
        [release(), notify(Notice::Expired { login_id: login(1), with_invite: true })]
    );
}

#[test]
fn a_cancelled_login_gives_its_use_back() {
    let reason = CancelReason::NewerLogin;
    let event = LoginEvent::LoginCancelled {
        account_id: ANNA,
        invite_id: Some(INVITE),
        attempt: 2,
        reason,
        at: minute(1),
    };
    assert_eq!(
        to_login(event),
        [release(), notify(Notice::Cancelled { login_id: login(1), reason, with_invite: true })]
    );
}

#[test]
fn a_login_that_another_account_confirmed_gives_its_use_back() {
    let (account_id, invite_id, attempt) = (ANNA, Some(INVITE), 2);
    let event = LoginEvent::AuthorizationRejected {
        account_id,
        invite_id,
        attempt,
        confirmed_by: None,
        at: minute(1),
    };
    assert_eq!(
        to_login(event),
        [release(), notify(Notice::Rejected { login_id: login(1), with_invite: true }), card()]
    );
}

#[test]
fn a_failed_login_gives_its_use_back() {
    let reason = FailReason::SessionLost;
    let event = LoginEvent::LoginFailed {
        account_id: ANNA,
        invite_id: Some(INVITE),
        attempt: 2,
        reason,
        at: minute(1),
    };
    assert_eq!(
        to_login(event),
        [release(), notify(Notice::Failed { login_id: login(1), reason, with_invite: true })]
    );
}

#[test]
fn a_login_without_an_invite_gives_nothing_back_and_its_person_is_not_told_of_one() {
    let (account_id, invite_id, attempt, at) = (ANNA, None, 2, minute(1));
    let (login_id, with_invite) = (login(1), false);
    let (gone, broken) = (CancelReason::Person, FailReason::SessionLost);
    let told = [
        (expired(None), Notice::Expired { login_id: login_id.clone(), with_invite }),
        (
            LoginEvent::LoginCancelled { account_id, invite_id, attempt, reason: gone, at },
            Notice::Cancelled { login_id: login_id.clone(), reason: gone, with_invite },
        ),
        (
            LoginEvent::AuthorizationRejected { account_id, invite_id, attempt, confirmed_by: None, at },
            Notice::Rejected { login_id: login_id.clone(), with_invite },
        ),
        (
            LoginEvent::LoginFailed { account_id, invite_id, attempt, reason: broken, at },
            Notice::Failed { login_id, reason: broken, with_invite },
        ),
    ];
    for (event, notice) in told {
        let mut told = to_login(event);
        told.retain(|reaction| *reaction != card());
        assert_eq!(told, [notify(notice)]);
    }
}

#[test]
fn a_block_ends_the_login_in_flight() {
    let reactions = to_account(AccountEvent::AccountBlocked { until: None, at: minute(1) });
    assert_eq!(reactions, [Reaction::CancelLive { account_id: ANNA, reason: CancelReason::Blocked }]);
}

#[test]
fn an_erasure_ends_the_login_in_flight() {
    let reactions = to_account(AccountEvent::AccountErased { at: minute(1) });
    assert_eq!(reactions, [Reaction::CancelLive { account_id: ANNA, reason: CancelReason::Erased }]);
}

#[test]
fn a_person_hears_of_what_others_did_to_their_session_and_subscription() {
    let (login_id, at) = (login(1), minute(1));
    let told = [
        (AccountEvent::AuthorizationRevoked { login_id: login_id.clone(), at }, Notice::AuthorizationRevoked),
        (AccountEvent::SessionExported { login_id, at }, Notice::SessionExported),
        (
            AccountEvent::SubscriptionExpired { tier: Tier::Basic, at },
            Notice::SubscriptionExpired { tier: Tier::Basic },
        ),
        (
            AccountEvent::SubscriptionChanged {
                tier: Tier::Trial,
                limits: crate::fixtures::limits(Tier::Trial),
                started_at: at,
                expires_at: None,
                change_id: None,
                at,
            },
            Notice::SubscriptionChanged { tier: Tier::Trial },
        ),
    ];
    for (event, notice) in told {
        assert_eq!(to_account(event), [notify(notice)]);
    }
}

#[test]
fn whose_account_confirmed_somebody_elses_login_is_warned_too() {
    let (attempt, at) = (1, minute(1));
    let reactions = to_login(LoginEvent::AuthorizationRejected {
        account_id: ANNA,
        invite_id: None,
        attempt,
        confirmed_by: Some(ADMIN),
        at,
    });
    let warned = Reaction::Notify { account_id: ADMIN, notice: Notice::ConfirmedAnothersLogin };
    let told = notify(Notice::Rejected { login_id: login(1), with_invite: false });
    assert_eq!(reactions, [told, card(), warned]);
}

#[test]
fn admins_hear_of_every_change_of_a_role() {
    let (role, source, at) = (Role::Auditor, RoleSource::Order, minute(1));
    let reactions = to_account(AccountEvent::RoleChanged { role, source, at });
    assert_eq!(reactions, [Reaction::TellAdmins { account_id: ANNA, role, source }]);
}

#[test]
fn nothing_but_a_confirmation_activates_anything() {
    for sample in samples() {
        let activates = react(&sample.stream_id(), &sample)
            .iter()
            .any(|reaction| matches!(reaction, Reaction::Activate { .. }));
        assert_eq!(activates, sample.name() == "AuthorizationConfirmed", "{}", sample.name());
    }
}

#[test]
fn a_notice_is_stored_under_the_kind_that_it_is_written_with() {
    let notices = [
        Notice::Authorized { login_id: login(1), tier: Some(Tier::Premium) },
        Notice::Expired { login_id: login(1), with_invite: false },
        Notice::Cancelled { login_id: login(1), reason: CancelReason::Person, with_invite: false },
        Notice::Rejected { login_id: login(1), with_invite: false },
        Notice::Failed { login_id: login(1), reason: FailReason::Internal, with_invite: false },
        Notice::SubscriptionExpired { tier: Tier::Basic },
        Notice::SubscriptionChanged { tier: Tier::Basic },
        Notice::AuthorizationRevoked,
        Notice::SessionExported,
        Notice::ConfirmedAnothersLogin,
        Notice::CardChanged { login_id: login(1) },
        Notice::RoleChanged {
            account_id: ANNA,
            role: Role::Admin,
            source: RoleSource::Order,
            by: Some(ANNA),
        },
    ];
    for notice in notices {
        let stored = serde_json::to_value(&notice).unwrap();
        assert_eq!(stored["kind"], notice.kind());
        assert_eq!(serde_json::from_value::<Notice>(stored).unwrap(), notice);
    }
}

#[test]
fn a_notice_that_was_stored_without_a_word_of_an_invite_is_of_a_login_with_one() {
    let (login_id, with_invite) = (login(1), true);
    let stored = [
        (
            json!({"kind": "expired", "login_id": login_id}),
            Notice::Expired { login_id: login(1), with_invite },
        ),
        (
            json!({"kind": "cancelled", "login_id": login_id, "reason": "person"}),
            Notice::Cancelled { login_id: login(1), reason: CancelReason::Person, with_invite },
        ),
        (
            json!({"kind": "rejected", "login_id": login_id}),
            Notice::Rejected { login_id: login(1), with_invite },
        ),
        (
            json!({"kind": "failed", "login_id": login_id, "reason": "internal"}),
            Notice::Failed { login_id: login(1), reason: FailReason::Internal, with_invite },
        ),
    ];
    for (stored, notice) in stored {
        assert_eq!(serde_json::from_value::<Notice>(stored).unwrap(), notice);
    }
}

#[test]
fn an_event_of_a_stream_without_a_proper_id_leads_to_nothing() {
    assert_eq!(react("?", &Event::Login(expired(Some(INVITE)))), []);
    assert_eq!(react("?", &Event::Account(AccountEvent::AccountBlocked { until: None, at: minute(1) })), []);
}
