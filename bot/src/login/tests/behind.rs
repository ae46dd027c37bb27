//! What was recorded last has no position in the log yet, and whoever follows the log does not know of it; and what of a login
//! outlives its worker, where it had to do with a login code.

use std::time::Duration;

use domain::{AccountCommand, LoginStatus};
use eventlog::Context;
use stand_in::accounts::ILYA;
use vault::{UserInput, random_login_id};

use super::world::{Asked, ILYAS_NUMBER, World};

impl World {
    /// A login code is asked for ten seconds before the end, which moves the end; the log stands still by then.
    async fn a_code_comes_at_the_last_moment(&mut self) -> Asked {
        let asked = self.ilya_asks().await;
        self.event(&asked, "QrIssued", 1).await;
        self.stop_leader().await;
        self.hand.advance(Duration::from_secs(290));
        self.gives(&asked, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
        self.stands(&asked, LoginStatus::CodeRequired).await;
        asked
    }

    /// Waits until the events say so.
    async fn stands(&self, asked: &Asked, status: LoginStatus) {
        self.eventually("the login stands so", async || {
            self.store.load_login(&asked.login).await.unwrap().status() == Some(status)
        })
        .await;
    }

    async fn comes_in_and_the_log_goes_on(&mut self, asked: &Asked) {
        self.stands(asked, LoginStatus::Authorized).await;
        self.start_leader();
        self.closed(asked).await;
        self.one_session_is_left().await;
    }

    async fn last_code_is_given(&self, asked: &Asked) {
        let code = self.telegram.last_code(ILYAS_NUMBER).unwrap();
        self.gives(asked, UserInput::Code(code.into())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_asked_for_at_the_last_moment_gives_time_also_where_the_log_stands_still() {
    let mut world = World::start().await;
    let asked = world.a_code_comes_at_the_last_moment().await;

    world.hand.advance(Duration::from_secs(60));
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.last_code_is_given(&asked).await;

    world.comes_in_and_the_log_goes_on(&asked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_read_the_log_too_early_knows_that_the_login_has_more_time() {
    let mut world = World::start().await;
    let asked = world.a_code_comes_at_the_last_moment().await;

    world.kill_workers().await;
    world.hand.advance(Duration::from_secs(60));
    world.start_workers();
    world
        .eventually("a code is on the screen", async || {
            world.vault.token(&asked.login).await.unwrap().is_some()
        })
        .await;
    world.ilya_scans(&world.link(&asked).await).await;

    world.comes_in_and_the_log_goes_on(&asked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_code_whose_worker_has_died_is_told_to_be_of_no_use() {
    let mut world = World::start().await;
    let asked = world.ilya_asks().await;
    world.event(&asked, "QrIssued", 1).await;
    world.gives(&asked, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
    world.event(&asked, "CodeSent", 1).await;

    world.kill_workers().await;
    world.start_workers();

    let rejected = world.event(&asked, "CodeRejected", 1).await;
    assert_eq!(rejected.payload["CodeRejected"]["reason"], "stale");
    world.gives(&asked, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
    world.event(&asked, "CodeSent", 2).await;
    world.last_code_is_given(&asked).await;
    world.closed(&asked).await;
    let story = ["LoginStarted", "QrIssued", "CodeSent", "QrIssued", "CodeRejected", "CodeSent"];
    assert_eq!(world.story(&asked).await, [&story[..], &["AuthorizationConfirmed"]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_telegram_took_before_the_worker_died_is_how_the_login_was_confirmed() {
    let mut world = World::start().await;
    let asked = world.ilya_asks().await;
    world.event(&asked, "QrIssued", 1).await;
    world.gives(&asked, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
    world.event(&asked, "CodeSent", 1).await;
    world.telegram.faults().lose_answer("auth.signIn");
    world.telegram.faults().silence("updates.getState", 1);
    world.last_code_is_given(&asked).await;
    world.called("auth.signIn", 1).await;
    world.kill_workers().await;
    world.telegram.faults().clear();
    world.start_workers();

    let confirmed = world.event(&asked, "AuthorizationConfirmed", 1).await;
    assert_eq!(confirmed.payload["AuthorizationConfirmed"]["method"], "code");
    world.closed(&asked).await;
    world.one_session_is_left().await;
}

/// A token that expires on its way to the account's data centre is replaced there.
#[tokio::test(flavor = "multi_thread")]
async fn the_qr_code_of_another_data_centre_outlives_its_worker() {
    let mut world = World::start().await;
    world.telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    world.telegram.faults().expire_imports(1);
    let asked = world.ilya_asks().await;
    world.event(&asked, "QrIssued", 1).await;
    world.ilya_scans(&world.link(&asked).await).await;
    world.event(&asked, "QrIssued", 2).await;
    let link = world.link(&asked).await;
    world.kill_workers().await;
    world.ilya_scans(&link).await;

    world.start_workers();
    world.event(&asked, "AuthorizationConfirmed", 1).await;
    world.closed(&asked).await;
    let sessions = world.telegram.sessions_of(ILYA);
    assert_eq!((sessions.len(), sessions[0].dc), (1, 4));
}

/// The press that erases a person may fall between their asking for a login and its start.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_works_for_somebody_who_was_erased() {
    let world = World::start().await;
    let account = world.ilya().await;
    let erase = AccountCommand::Erase { at: world.now() };
    world.store.account(account, erase, Context::by(account)).await.unwrap();
    let asked = Asked { account, invite: world.invite().await, login: random_login_id(), attempt: 1 };
    world.redeem(&asked).await;
    let cancelled = world.event(&asked, "LoginCancelled", 1).await;
    assert_eq!(cancelled.payload["LoginCancelled"]["reason"], "erased");
    world.closed(&asked).await;
    assert_eq!(world.telegram.calls("auth.exportLoginToken"), 0);
}
