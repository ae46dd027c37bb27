//! Logins with a 2-step password, or by a login code instead of a scan.

use stand_in::accounts::{ANNA, ILYA};
use vault::UserInput;

use super::world::{ILYAS_NUMBER, World};

#[tokio::test(flavor = "multi_thread")]
async fn the_proof_of_the_password_links_the_session_and_a_wrong_one_may_be_tried_again() {
    let world = World::start().await;
    let login = world.ilya_is_asked_for_password("correct horse").await;
    world.prove_password(&login, "battery staple").await;
    world.wait_for_event(&login, "PasswordRejected", 1).await;
    world.prove_password(&login, "correct horse").await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_where_the_account_lives_also_after_a_crash() {
    let mut world = World::start().await;
    world.telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    let login = world.ilya_is_asked_for_password("correct horse").await;
    world.kill_workers().await;
    let asked_before = world.telegram.calls("account.getPassword");
    world.start_workers();
    world.wait_for_call("account.getPassword", asked_before + 1).await;
    world.prove_password_until_confirmed(&login, "correct horse").await;
    let sessions = world.telegram.sessions_of(ILYA);
    assert_eq!((sessions.len(), sessions[0].dc), (1, 4));
}

/// Telegram may refuse to log out a key that waits for the password. No account is logged in by that key, and none will be.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_waits_for_a_password_is_not_logged_out_for_ever() {
    let world = World::start().await;
    let login = world.ilya_is_asked_for_password("correct horse").await;
    world.telegram.faults().fail("auth.logOut", 401, "SESSION_PASSWORD_NEEDED", 100);
    world.cancel(&login).await;
    world.wait_until_closed(&login).await;
    world
        .eventually("its key is forgotten", async || {
            world.make_retired_keys_due().await;
            world.no_key_is_retired().await
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_code_links_the_session_without_a_scan() {
    let world = World::start().await;
    world.telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.give_input(&login, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
    world.wait_for_event(&login, "CodeSent", 1).await;
    world.give_input(&login, UserInput::Code("00000x".to_owned().into())).await;
    world.wait_for_event(&login, "CodeRejected", 1).await;
    let code = world.telegram.notices(ILYA).into_iter().rev().find_map(|notice| notice.code).unwrap();
    world.give_input(&login, UserInput::Code(code.into())).await;
    let confirmed = world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
    assert_eq!(confirmed.payload["AuthorizationConfirmed"]["method"], "code");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_telegram_refuses_leads_back_to_the_code_on_the_screen() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.give_input(&login, UserInput::Phone("+7".to_owned().into())).await;
    let rejected = world.wait_for_event(&login, "CodeRejected", 1).await;
    assert_eq!(rejected.payload["CodeRejected"]["reason"], "number_invalid");
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_telegram_sends_no_digits_the_person_is_told_and_the_qr_code_goes_on() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.telegram.faults().want_email();
    world.give_input(&login, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
    let rejected = world.wait_for_event(&login, "CodeRejected", 1).await;
    assert_eq!(rejected.payload["CodeRejected"]["reason"], "no_code");
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_with_a_code_of_their_own_links_nothing() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.give_input(&login, UserInput::Phone("+79990000002".to_owned().into())).await;
    world.wait_for_event(&login, "CodeSent", 1).await;
    let code = world.telegram.notices(ANNA).into_iter().rev().find_map(|notice| notice.code).unwrap();
    world.give_input(&login, UserInput::Code(code.into())).await;
    world.wait_for_event(&login, "AuthorizationRejected", 1).await;
    assert!(world.telegram.sessions_of(ANNA).is_empty());
}
