//! The line to Telegram breaks in the middle of a call, before it is done or after: what was asked then is asked again where
//! that does no harm, and found out where it would.

use projections::vault::Wish;
use stand_in::accounts::ILYA;
use stand_in::mtproto::Faults;

use super::world::World;

/// Before anything is done, and after it.
const BREAKS: [fn(&Faults, &str); 2] = [Faults::hang_up, Faults::lose_answer];

impl World {
    /// Nothing of the logins so far is left at Telegram but the session of the last.
    async fn one_session_is_left(&self) {
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
        world.gives(&asked, Wish::Phone("+79990000001".to_owned().into())).await;
        world.event(&asked, "CodeSent", 1).await;
        let code = world.telegram.last_code("+79990000001").unwrap();
        break_line(&world.telegram.faults(), "auth.signIn");
        world.gives(&asked, Wish::Code(code.clone().into())).await;
        tokio::select! {
            _ = world.event(&asked, "AuthorizationConfirmed", 1) => {}
            rejected = world.event(&asked, "CodeRejected", 1) => {
                assert_eq!(rejected.payload["CodeRejected"]["reason"], "unclear");
                world.gives(&asked, Wish::Code(code.into())).await;
                world.event(&asked, "AuthorizationConfirmed", 1).await;
            }
        }
        world.one_session_is_left().await;
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
