//! The last events have no position in the log yet, so a follower of the log does not know them. And what is left of a login
//! with a login code when its worker dies.

use std::time::Duration;

use domain::{AccountCommand, LoginStatus};
use eventlog::Context;
use stand_in::accounts::ILYA;
use vault::{UserInput, random_login_id};

use super::world::{ILYAS_NUMBER, TestLogin, World};

impl World {
    /// Ten seconds before the login ends, a code is asked for. That moves the end, but the log stands still by then.
    async fn code_sent_at_the_last_moment(&mut self) -> TestLogin {
        let login = self.ilya_requests_login().await;
        self.wait_for_event(&login, "QrIssued", 1).await;
        self.stop_leader().await;
        self.manual_clock.advance(Duration::from_secs(290));
        self.give_input(&login, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
        self.wait_for_status(&login, LoginStatus::CodeRequired).await;
        login
    }

    /// Waits until the login has this status by its events.
    async fn wait_for_status(&self, login: &TestLogin, status: LoginStatus) {
        self.eventually("the login has this status", async || {
            self.store.load_login(&login.id).await.unwrap().status() == Some(status)
        })
        .await;
    }

    async fn is_authorized_and_the_log_goes_on(&mut self, login: &TestLogin) {
        self.wait_for_status(login, LoginStatus::Authorized).await;
        self.start_leader();
        self.wait_until_closed(login).await;
        self.wait_until_one_session_is_left().await;
    }

    async fn give_last_code(&self, login: &TestLogin) {
        let code = self.telegram.last_code(ILYAS_NUMBER).unwrap();
        self.give_input(login, UserInput::Code(code.into())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_asked_for_at_the_last_moment_moves_the_deadline_also_while_the_log_stands_still() {
    let mut world = World::start().await;
    let login = world.code_sent_at_the_last_moment().await;

    world.manual_clock.advance(Duration::from_secs(60));
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.give_last_code(&login).await;

    world.is_authorized_and_the_log_goes_on(&login).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_log_is_behind_knows_that_the_deadline_has_moved() {
    let mut world = World::start().await;
    let login = world.code_sent_at_the_last_moment().await;

    world.kill_workers().await;
    world.manual_clock.advance(Duration::from_secs(60));
    world.start_workers();
    world
        .eventually("a code is on the screen", async || world.vault.token(&login.id).await.unwrap().is_some())
        .await;
    world.ilya_scans(&world.link(&login).await).await;

    world.is_authorized_and_the_log_goes_on(&login).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_code_whose_worker_has_died_is_rejected_as_stale() {
    let mut world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.give_input(&login, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
    world.wait_for_event(&login, "CodeSent", 1).await;

    world.kill_workers().await;
    world.start_workers();

    let rejected = world.wait_for_event(&login, "CodeRejected", 1).await;
    assert_eq!(rejected.payload["CodeRejected"]["reason"], "stale");
    world.give_input(&login, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
    world.wait_for_event(&login, "CodeSent", 2).await;
    world.give_last_code(&login).await;
    world.wait_until_closed(&login).await;
    let names = ["LoginStarted", "QrIssued", "CodeSent", "QrIssued", "CodeRejected", "CodeSent"];
    assert_eq!(world.event_names(&login).await, [&names[..], &["AuthorizationConfirmed"]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_telegram_took_before_the_worker_died_is_how_the_login_was_confirmed() {
    let mut world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.give_input(&login, UserInput::Phone(ILYAS_NUMBER.to_owned().into())).await;
    world.wait_for_event(&login, "CodeSent", 1).await;
    world.telegram.faults().lose_answer("auth.signIn");
    world.telegram.faults().silence("updates.getState", 1);
    world.give_last_code(&login).await;
    world.wait_for_call("auth.signIn", 1).await;
    world.kill_workers().await;
    world.telegram.faults().clear();
    world.start_workers();

    let confirmed = world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
    assert_eq!(confirmed.payload["AuthorizationConfirmed"]["method"], "code");
    world.wait_until_closed(&login).await;
    world.wait_until_one_session_is_left().await;
}

/// A token that expires on its way to the account's data centre is replaced there.
#[tokio::test(flavor = "multi_thread")]
async fn the_qr_code_of_another_data_centre_outlives_its_worker() {
    let mut world = World::start().await;
    world.telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    world.telegram.faults().expire_imports(1);
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_for_event(&login, "QrIssued", 2).await;
    let link = world.link(&login).await;
    world.kill_workers().await;
    world.ilya_scans(&link).await;

    world.start_workers();
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
    world.wait_until_closed(&login).await;
    let sessions = world.telegram.sessions_of(ILYA);
    assert_eq!((sessions.len(), sessions[0].dc), (1, 4));
}

/// A person may be erased after they requested a login and before it starts.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_of_an_erased_person_is_cancelled() {
    let world = World::start().await;
    let account = world.ilya().await;
    let erase = AccountCommand::Erase { at: world.now() };
    world.store.account(account, erase, Context::by(account)).await.unwrap();
    let login = TestLogin { account, invite: world.invite().await, id: random_login_id(), attempt: 1 };
    world.redeem(&login).await;
    let cancelled = world.wait_for_event(&login, "LoginCancelled", 1).await;
    assert_eq!(cancelled.payload["LoginCancelled"]["reason"], "erased");
    world.wait_until_closed(&login).await;
    assert_eq!(world.telegram.calls("auth.exportLoginToken"), 0);
}
