//! The connection to Telegram breaks in the middle of a call, before Telegram has done it or after. The worker calls again where
//! that does no harm. Where it could, the worker finds out what has happened.

use std::time::Duration;

use stand_in::accounts::ILYA;
use stand_in::mtproto::Faults;
use vault::UserInput;

use super::world::{ILYAS_NUMBER, World};

/// Before Telegram has done the call, and after it.
const BREAKS: [fn(&Faults, &str); 2] = [Faults::hang_up, Faults::lose_answer];

impl World {
    /// Waits until Telegram has only the session of the last login.
    pub(super) async fn wait_until_one_session_is_left(&self) {
        self.eventually("one session is left, and no scan hangs", async || {
            self.telegram.sessions_of(ILYA).len() == 1 && self.telegram.hanging_acceptances() == 0
        })
        .await;
        assert!(self.telegram.keys_in_two_places().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_at_any_step_of_a_login_costs_nothing() {
    let world = World::start().await;
    world.telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    for break_connection in BREAKS {
        for (method, scanned) in [
            ("auth.exportLoginToken", false),
            ("auth.exportLoginToken", true),
            ("auth.importLoginToken", true),
        ] {
            if !scanned {
                break_connection(&world.telegram.faults(), method);
            }
            let login = world.ilya_requests_login().await;
            world.wait_for_event(&login, "QrIssued", 1).await;
            if scanned {
                break_connection(&world.telegram.faults(), method);
            }
            world.ilya_scans(&world.link(&login).await).await;
            world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
            world.wait_until_closed(&login).await;
            world.wait_until_one_session_is_left().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_around_the_password_costs_at_most_one_more_try() {
    let world = World::start().await;
    world.telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    world.set_ilyas_password("correct horse").await;
    for break_connection in BREAKS {
        for method in ["auth.importLoginToken", "account.getPassword", "auth.checkPassword"] {
            let login = world.ilya_requests_login().await;
            world.wait_for_event(&login, "QrIssued", 1).await;
            break_connection(&world.telegram.faults(), method);
            world.ilya_scans(&world.link(&login).await).await;
            world.wait_for_event(&login, "PasswordRequested", 1).await;
            world.prove_password_until_confirmed(&login, "correct horse").await;
            world.wait_until_closed(&login).await;
            world.wait_until_one_session_is_left().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_while_a_code_is_handed_on_asks_for_it_once_more_or_lets_in() {
    for break_connection in BREAKS {
        let world = World::start().await;
        let login = world.ilya_requests_login().await;
        world.wait_for_event(&login, "QrIssued", 1).await;
        world.give_input(&login, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
        world.wait_for_event(&login, "CodeSent", 1).await;
        let code = world.telegram.last_code(ILYAS_NUMBER).unwrap();
        break_connection(&world.telegram.faults(), "auth.signIn");
        world.give_input(&login, UserInput::Code(code.clone().into())).await;
        tokio::select! {
            _ = world.wait_for_event(&login, "AuthorizationConfirmed", 1) => {}
            rejected = world.wait_for_event(&login, "CodeRejected", 1) => {
                assert_eq!(rejected.payload["CodeRejected"]["reason"], "unclear");
                world.give_input(&login, UserInput::Code(code.into())).await;
                world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
            }
        }
        world.wait_until_one_session_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_while_a_code_is_asked_for_asks_once_and_leads_back_to_the_qr_code() {
    for break_connection in BREAKS {
        let world = World::start().await;
        let login = world.ilya_requests_login().await;
        world.wait_for_event(&login, "QrIssued", 1).await;
        break_connection(&world.telegram.faults(), "auth.sendCode");
        world.give_input(&login, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
        let rejected = world.wait_for_event(&login, "CodeRejected", 1).await;
        assert_eq!(rejected.payload["CodeRejected"]["reason"], "unclear");
        assert_eq!(world.telegram.calls("auth.sendCode"), 1, "a code too many would confuse");

        // The code on the screen still counts, and its scan is noticed long before the code would be renewed.
        world.ilya_scans(&world.link(&login).await).await;
        world.manual_clock.advance(Duration::from_secs(4));
        let confirmed = world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
        assert_eq!(confirmed.payload["AuthorizationConfirmed"]["method"], "qr");
        world.wait_until_closed(&login).await;
        assert_eq!(world.telegram.calls("auth.sendCode"), 1);
        world.wait_until_one_session_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_sent_over_a_broken_connection_is_asked_for_once_more_by_the_person() {
    for break_connection in BREAKS {
        let world = World::start().await;
        world.telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
        let login = world.ilya_requests_login().await;
        world.wait_for_event(&login, "QrIssued", 1).await;
        // 1. It breaks at the home data centre, or at that of the account.
        break_connection(&world.telegram.faults(), "auth.sendCode");
        world.give_input(&login, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
        world.wait_for_event(&login, "CodeRejected", 1).await;
        // 2. Once more, and it gets through.
        world.give_input(&login, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
        world.wait_for_event(&login, "CodeSent", 1).await;
        let code = world.telegram.last_code(ILYAS_NUMBER).unwrap();
        world.give_input(&login, UserInput::Code(code.into())).await;
        let confirmed = world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
        assert_eq!(confirmed.payload["AuthorizationConfirmed"]["method"], "code");
        world.wait_until_closed(&login).await;
        world.wait_until_one_session_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_while_a_code_is_waited_for_is_opened_anew_for_the_scan_of_the_qr_code_before()
 {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    let link = world.link(&login).await;
    world.give_input(&login, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
    world.wait_for_event(&login, "CodeSent", 1).await;
    world.telegram.faults().drop_connections();
    world.ilya_scans(&link).await;
    let confirmed = world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
    assert_eq!(confirmed.payload["AuthorizationConfirmed"]["method"], "qr");
    world.wait_until_closed(&login).await;
    world.wait_until_one_session_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_while_the_account_of_a_key_is_asked_for_asks_again() {
    for break_connection in BREAKS {
        for method in ["updates.getState", "users.getUsers"] {
            let world = World::start().await;
            let login = world.ilya_requests_login().await;
            world.wait_for_event(&login, "QrIssued", 1).await;
            world.give_input(&login, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
            world.wait_for_event(&login, "CodeSent", 1).await;
            let code = world.telegram.last_code(ILYAS_NUMBER).unwrap();
            // 1. The key is logged in, and the answer that names the account gets lost.
            world.telegram.faults().lose_answer("auth.signIn");
            // 2. And so does the question for the account, or its answer.
            break_connection(&world.telegram.faults(), method);
            world.give_input(&login, UserInput::Code(code.into())).await;
            world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
            world.wait_until_closed(&login).await;

            assert_eq!(
                world.event_names(&login).await,
                ["LoginStarted", "QrIssued", "CodeSent", "AuthorizationConfirmed"]
            );
            assert_eq!(world.telegram.calls("auth.signIn"), 1);
            assert_eq!(world.telegram.calls(method), 2);
            world.wait_until_one_session_is_left().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_while_a_scanned_login_is_logged_out_leaves_nothing() {
    let world = World::start().await;
    for break_connection in BREAKS {
        let login = world.ilya_requests_login().await;
        world.wait_for_event(&login, "QrIssued", 1).await;
        world.telegram.faults().hold_updates();
        world.ilya_scans(&world.link(&login).await).await;
        break_connection(&world.telegram.faults(), "auth.logOut");
        world.cancel(&login).await;
        world.eventually("no scan hangs", async || world.telegram.hanging_acceptances() == 0).await;
        assert!(world.telegram.sessions_of(ILYA).is_empty());
        world.wait_until_closed(&login).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_centre_that_does_not_know_a_fresh_key_yet_is_asked_again() {
    let world = World::start().await;
    world.telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    world.set_ilyas_password("correct horse").await;
    world.telegram.faults().unregistered("auth.importLoginToken", 2);
    world.telegram.faults().unregistered("account.getPassword", 2);
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_for_event(&login, "PasswordRequested", 1).await;
    world.prove_password(&login, "correct horse").await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
    world.wait_until_closed(&login).await;
    assert_eq!(
        world.event_names(&login).await,
        ["LoginStarted", "QrIssued", "PasswordRequested", "AuthorizationConfirmed"]
    );
    world.wait_until_one_session_is_left().await;
}
