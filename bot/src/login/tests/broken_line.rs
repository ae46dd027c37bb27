//! The line to Telegram breaks in the middle of a call, before it is done or after: what was asked then is asked again where
//! that does no harm, and found out where it would.

use std::time::Duration;

use stand_in::accounts::ILYA;
use stand_in::mtproto::Faults;
use vault::UserInput;

use super::world::{ILYAS_NUMBER, World};

/// Before anything is done, and after it.
const BREAKS: [fn(&Faults, &str); 2] = [Faults::hang_up, Faults::lose_answer];

impl World {
    /// Nothing of the logins so far is left at Telegram but the session of the last.
    pub(super) async fn one_session_is_left(&self) {
        self.eventually("one session is left, and no scan hangs", async || {
            self.telegram.sessions_of(ILYA).len() == 1 && self.telegram.hanging_acceptances() == 0
        })
        .await;
        assert!(self.telegram.keys_in_two_places().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_at_any_step_of_a_login_costs_nothing() {
    let world = World::start().await;
    world.telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    for break_line in BREAKS {
        for (method, scanned) in [
            ("auth.exportLoginToken", false),
            ("auth.exportLoginToken", true),
            ("auth.importLoginToken", true),
        ] {
            if !scanned {
                break_line(&world.telegram.faults(), method);
            }
            let asked = world.ilya_asks().await;
            world.event(&asked, "QrIssued", 1).await;
            if scanned {
                break_line(&world.telegram.faults(), method);
            }
            world.ilya_scans(&world.link(&asked).await).await;
            world.event(&asked, "AuthorizationConfirmed", 1).await;
            world.closed(&asked).await;
            world.one_session_is_left().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_around_the_password_costs_at_most_one_more_try() {
    let world = World::start().await;
    world.telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    world.ilya_has_the_password("correct horse").await;
    for break_line in BREAKS {
        for method in ["auth.importLoginToken", "account.getPassword", "auth.checkPassword"] {
            let asked = world.ilya_asks().await;
            world.event(&asked, "QrIssued", 1).await;
            break_line(&world.telegram.faults(), method);
            world.ilya_scans(&world.link(&asked).await).await;
            world.event(&asked, "PasswordRequested", 1).await;
            world.as_long_as_it_takes_proves(&asked, "correct horse").await;
            world.closed(&asked).await;
            world.one_session_is_left().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_while_a_code_is_handed_on_asks_for_it_once_more_or_lets_in() {
    for break_line in BREAKS {
        let world = World::start().await;
        let asked = world.ilya_asks().await;
        world.event(&asked, "QrIssued", 1).await;
        world.gives(&asked, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
        world.event(&asked, "CodeSent", 1).await;
        let code = world.telegram.last_code(ILYAS_NUMBER).unwrap();
        break_line(&world.telegram.faults(), "auth.signIn");
        world.gives(&asked, UserInput::Code(code.clone().into())).await;
        tokio::select! {
            _ = world.event(&asked, "AuthorizationConfirmed", 1) => {}
            rejected = world.event(&asked, "CodeRejected", 1) => {
                assert_eq!(rejected.payload["CodeRejected"]["reason"], "unclear");
                world.gives(&asked, UserInput::Code(code.into())).await;
                world.event(&asked, "AuthorizationConfirmed", 1).await;
            }
        }
        world.one_session_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_while_a_code_is_asked_for_asks_once_and_leads_back_to_the_qr_code() {
    for break_line in BREAKS {
        let world = World::start().await;
        let asked = world.ilya_asks().await;
        world.event(&asked, "QrIssued", 1).await;
        break_line(&world.telegram.faults(), "auth.sendCode");
        world.gives(&asked, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
        let rejected = world.event(&asked, "CodeRejected", 1).await;
        assert_eq!(rejected.payload["CodeRejected"]["reason"], "unclear");
        assert_eq!(world.telegram.calls("auth.sendCode"), 1, "a code too many would confuse");

        // The code on the screen still counts, and its scan is heard of long before the code would be renewed.
        world.ilya_scans(&world.link(&asked).await).await;
        world.hand.advance(Duration::from_secs(4));
        let confirmed = world.event(&asked, "AuthorizationConfirmed", 1).await;
        assert_eq!(confirmed.payload["AuthorizationConfirmed"]["method"], "qr");
        world.closed(&asked).await;
        assert_eq!(world.telegram.calls("auth.sendCode"), 1);
        world.one_session_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_sent_over_a_broken_line_is_asked_for_once_more_by_the_person() {
    for break_line in BREAKS {
        let world = World::start().await;
        world.telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
        let asked = world.ilya_asks().await;
        world.event(&asked, "QrIssued", 1).await;
        // 1. It breaks at home, where the account does not live, or there.
        break_line(&world.telegram.faults(), "auth.sendCode");
        world.gives(&asked, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
        world.event(&asked, "CodeRejected", 1).await;
        // 2. Once more, and it gets through.
        world.gives(&asked, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
        world.event(&asked, "CodeSent", 1).await;
        let code = world.telegram.last_code(ILYAS_NUMBER).unwrap();
        world.gives(&asked, UserInput::Code(code.into())).await;
        let confirmed = world.event(&asked, "AuthorizationConfirmed", 1).await;
        assert_eq!(confirmed.payload["AuthorizationConfirmed"]["method"], "code");
        world.closed(&asked).await;
        world.one_session_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_while_a_code_is_waited_for_is_opened_anew_for_the_scan_of_the_qr_code_before() {
    let world = World::start().await;
    let asked = world.ilya_asks().await;
    world.event(&asked, "QrIssued", 1).await;
    let link = world.link(&asked).await;
    world.gives(&asked, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
    world.event(&asked, "CodeSent", 1).await;
    world.telegram.faults().drop_connections();
    world.ilya_scans(&link).await;
    let confirmed = world.event(&asked, "AuthorizationConfirmed", 1).await;
    assert_eq!(confirmed.payload["AuthorizationConfirmed"]["method"], "qr");
    world.closed(&asked).await;
    world.one_session_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_while_a_key_is_asked_whose_it_is_asks_again() {
    for break_line in BREAKS {
        for method in ["updates.getState", "users.getUsers"] {
            let world = World::start().await;
            let asked = world.ilya_asks().await;
            world.event(&asked, "QrIssued", 1).await;
            world.gives(&asked, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
            world.event(&asked, "CodeSent", 1).await;
            let code = world.telegram.last_code(ILYAS_NUMBER).unwrap();
            // 1. The key is let in, and the answer that names its owner gets lost.
            world.telegram.faults().lose_answer("auth.signIn");
            // 2. And so does the question for the owner, or its answer.
            break_line(&world.telegram.faults(), method);
            world.gives(&asked, UserInput::Code(code.into())).await;
            world.event(&asked, "AuthorizationConfirmed", 1).await;
            world.closed(&asked).await;

            assert_eq!(
                world.story(&asked).await,
                ["LoginStarted", "QrIssued", "CodeSent", "AuthorizationConfirmed"]
            );
            assert_eq!(world.telegram.calls("auth.signIn"), 1);
            assert_eq!(world.telegram.calls(method), 2);
            world.one_session_is_left().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_while_a_scanned_login_is_logged_out_leaves_nothing() {
    let world = World::start().await;
    for break_line in BREAKS {
        let asked = world.ilya_asks().await;
        world.event(&asked, "QrIssued", 1).await;
        world.telegram.faults().hold_updates();
        world.ilya_scans(&world.link(&asked).await).await;
        break_line(&world.telegram.faults(), "auth.logOut");
        world.cancel(&asked).await;
        world.eventually("no scan hangs", async || world.telegram.hanging_acceptances() == 0).await;
        assert!(world.telegram.sessions_of(ILYA).is_empty());
        world.closed(&asked).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_centre_that_does_not_know_a_fresh_key_yet_is_asked_again() {
    let world = World::start().await;
    world.telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    world.ilya_has_the_password("correct horse").await;
    world.telegram.faults().unregistered("auth.importLoginToken", 2);
    world.telegram.faults().unregistered("account.getPassword", 2);
    let asked = world.ilya_asks().await;
    world.event(&asked, "QrIssued", 1).await;
    world.ilya_scans(&world.link(&asked).await).await;
    world.event(&asked, "PasswordRequested", 1).await;
    world.proves(&asked, "correct horse").await;
    world.event(&asked, "AuthorizationConfirmed", 1).await;
    world.closed(&asked).await;
    assert_eq!(
        world.story(&asked).await,
        ["LoginStarted", "QrIssued", "PasswordRequested", "AuthorizationConfirmed"]
    );
    world.one_session_is_left().await;
}
