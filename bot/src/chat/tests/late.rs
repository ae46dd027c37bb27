//! A process takes an update up, and freezes. Another one handles it, and the person goes on. Then the first one wakes up:
//! nothing that began afterwards is its to end, and there is nothing left to say.

use domain::AccountId;
use domain::login::Method;
use eventlog::Fence;
use messages::inbox::Source;
use teloxide::types::UpdateKind;
use vault::{Linked, random_login_id};

use super::super::handler;
use super::delivery::message;
use super::*;

/// An update of Ilya's on its way to a handler.
struct Taken {
    update_id: i64,
    kind: UpdateKind,
}

impl World {
    /// Ilya writes; the process that looks into the inbox takes it up.
    async fn ilya_writes(&self, update_id: i64, text: &str) -> Taken {
        let body = message(update_id, text).to_string();
        Inbox::new(&self.chat.app.db).receive(body.as_bytes(), Source::Polling).await.unwrap();
        Taken { update_id, kind: handler::read(&body).unwrap() }
    }

    /// A session of Ilya's is linked by a login.
    async fn links(&self, account_id: AccountId) -> LoginId {
        let (login_id, fence) = self.links_unconfirmed(account_id).await;
        let confirm = LoginCommand::Confirm { attempt: 1, method: Method::Qr, at: self.hand.now() };
        self.chat.app.store.login(&login_id, confirm, Context::system().with_fence(&fence)).await.unwrap();
        self.chat.app.vault.retire_replaced(&fence, account_id).await.unwrap();
        self.chat.app.vault.close_attempt(&fence).await.unwrap();
        login_id
    }

    /// A worker has put a session into the vault, and is about to confirm its login.
    async fn links_unconfirmed(&self, account_id: AccountId) -> (LoginId, Fence) {
        let (vault, login_id) = (&self.chat.app.vault, random_login_id());
        let start = LoginCommand::Start { account_id, invite: None, attempt: 1, at: self.hand.now() };
        self.chat.app.store.login(&login_id, start, Context::by(account_id)).await.unwrap();
        vault.open_attempt(&login_id, 1, account_id).await.unwrap();
        let claimed = vault.claim_attempts("a worker", Duration::from_secs(60), 1).await.unwrap().remove(0);
        let key_id = self.chat.master.id();
        let linked = Linked { account_id, login_id: login_id.clone(), sealed: b"sealed".to_vec(), key_id };
        vault.link_session(&claimed.fence, &linked).await.unwrap();
        (login_id, claimed.fence)
    }

    async fn linked(&self, account_id: AccountId) -> Option<LoginId> {
        self.chat.app.vault.linked(account_id).await.unwrap().map(|linked| linked.login_id)
    }

    async fn answers(&self) -> i64 {
        let answers = sqlx::query_scalar("select count(*) from vault.outbox where dedup_key like 'update/%'");
        answers.fetch_one(self.chat.app.db.pool()).await.unwrap()
    }
}

async fn handle(ctx: &BotContext, taken: &Taken) {
    handler::handle(ctx, taken.update_id, &taken.kind).await.unwrap();
}

/// Handles it to its end.
async fn finish(ctx: &BotContext, taken: &Taken) {
    handle(ctx, taken).await;
    ctx.inbox.done(taken.update_id).await.unwrap();
}

/// 1. A takes `/cancel` up, and freezes.  2. B handles it.  3. Ilya begins anew.  4. A wakes up.
#[tokio::test]
async fn a_late_cancel_ends_no_login_that_began_after_it() {
    let world = World::silent(|_| {}).await;
    world.invite(Tier::Premium, CODE, 5).await;
    let (a, b) = (world.ctx(), world.ctx());
    finish(&b, &world.ilya_writes(1, &format!("/login {CODE}")).await).await;
    let cancel = world.ilya_writes(2, "/cancel").await;
    finish(&b, &cancel).await;
    finish(&b, &world.ilya_writes(3, &format!("/login {CODE}")).await).await;

    handle(&a, &cancel).await;

    let status = async |update_id| {
        let login_id = world.login_of_update(update_id).await;
        world.chat.app.store.load_login(&login_id).await.unwrap().status()
    };
    assert_eq!(status(1).await, Some(LoginStatus::Cancelled));
    assert_eq!(status(3).await, Some(LoginStatus::Waiting));
    assert_eq!(world.answers().await, 0, "that a login has ended is told as for every other end");
}

/// 1. An operator hands the session over: the event is there, the mark is not yet.  2. Ilya logs out.
#[tokio::test]
async fn a_session_on_its_way_to_another_service_is_not_said_to_be_logged_out() {
    let world = World::silent(|_| {}).await;
    let ctx = world.ctx();
    finish(&ctx, &world.ilya_writes(1, "/help").await).await;
    let account = world.account(ILYA).await;
    let login_id = world.links(account).await;
    let order = AccountCommand::ExportSession { login_id: login_id.clone(), at: world.hand.now() };
    world.chat.app.store.account(account, order, Context::tool("cli")).await.unwrap();

    finish(&ctx, &world.ilya_writes(2, "/logout").await).await;

    assert_eq!(world.linked(account).await, Some(login_id));
    assert!(world.events("LoggedOut").await.is_empty());
    let texts = "select body ->> 'text' from vault.outbox where dedup_key like 'update/2%'";
    let answer: String = sqlx::query_scalar(texts).fetch_one(world.chat.app.db.pool()).await.unwrap();
    assert!(answer.starts_with("ℹ️ Ваша сессия передана"), "{answer}");
}

/// 1. A takes `/logout` up, and freezes.  2. B handles it.  3. Ilya logs in anew.  4. A wakes up.
#[tokio::test]
async fn a_late_logout_ends_no_session_that_was_linked_after_it() {
    let world = World::silent(|_| {}).await;
    let (a, b) = (world.ctx(), world.ctx());
    finish(&b, &world.ilya_writes(1, "/help").await).await;
    let account = world.account(ILYA).await;
    world.links(account).await;
    let logout = world.ilya_writes(2, "/logout").await;
    finish(&b, &logout).await;
    assert_eq!(world.linked(account).await, None);
    let answers = world.answers().await;
    let second = world.links(account).await;

    handle(&a, &logout).await;

    assert_eq!(world.linked(account).await, Some(second));
    assert_eq!(world.events("LoggedOut").await.len(), 1);
    assert_eq!(world.answers().await, answers);
}

/// 1. A takes `/cancel` up, and freezes.  2. B handles it, and nothing is live any more.  3. A wakes up.
#[tokio::test]
async fn a_late_cancel_does_not_say_that_there_was_nothing_to_cancel() {
    let world = World::silent(|_| {}).await;
    world.invite(Tier::Premium, CODE, 1).await;
    let (a, b) = (world.ctx(), world.ctx());
    finish(&b, &world.ilya_writes(1, &format!("/login {CODE}")).await).await;
    let cancel = world.ilya_writes(2, "/cancel").await;
    finish(&b, &cancel).await;

    handle(&a, &cancel).await;

    assert_eq!(world.answers().await, 0);
}

/// 1. A ends the login for `/cancel`, and dies.  2. Ilya begins it anew in the page.  3. B handles the update once more.
#[tokio::test]
async fn a_cancel_that_is_handled_again_does_not_end_the_next_attempt() {
    let world = World::silent(|_| {}).await;
    world.invite(Tier::Premium, CODE, 1).await;
    let (a, b) = (world.ctx(), world.ctx());
    finish(&a, &world.ilya_writes(1, &format!("/login {CODE}")).await).await;
    let cancel = world.ilya_writes(2, "/cancel").await;
    handle(&a, &cancel).await;
    let login_id = world.login_of_update(1).await;
    let (account_id, at) = (world.account(ILYA).await, world.hand.now());
    let again = LoginCommand::Start { account_id, invite: None, attempt: 2, at };
    world.chat.app.store.login(&login_id, again, Context::by(account_id)).await.unwrap();

    finish(&b, &cancel).await;

    let login = world.chat.app.store.load_login(&login_id).await.unwrap();
    assert_eq!((login.attempt(), login.status()), (2, Some(LoginStatus::Waiting)));
    assert_eq!(world.answers().await, 0);
}

/// 1. A logs Ilya out, and dies.  2. A login of theirs that waited links another session.  3. B handles the update once more.
#[tokio::test]
async fn a_logout_that_is_handled_again_does_not_end_the_next_session() {
    let world = World::silent(|_| {}).await;
    let (a, b) = (world.ctx(), world.ctx());
    finish(&a, &world.ilya_writes(1, "/help").await).await;
    let account = world.account(ILYA).await;
    world.links(account).await;
    let logout = world.ilya_writes(2, "/logout").await;
    handle(&a, &logout).await;
    assert_eq!(world.linked(account).await, None);
    let second = world.links(account).await;

    finish(&b, &logout).await;

    assert_eq!(world.linked(account).await, Some(second));
    assert_eq!(world.events("LoggedOut").await.len(), 1);
}

/// 1. A worker has linked Ilya's next session, and not yet said that it is theirs.  2. Ilya logs out.  3. The worker goes on.
#[tokio::test]
async fn a_logout_ends_no_session_whose_login_goes_on() {
    let world = World::silent(|_| {}).await;
    let a = world.ctx();
    finish(&a, &world.ilya_writes(1, "/help").await).await;
    let account = world.account(ILYA).await;
    let first = world.links(account).await;
    let (second, fence) = world.links_unconfirmed(account).await;

    finish(&a, &world.ilya_writes(2, "/logout").await).await;
    finish(&a, &world.ilya_writes(3, "/logout").await).await;

    let ended = world.events("LoggedOut").await;
    assert_eq!(ended.len(), 1, "the second time there was none");
    assert_eq!(ended[0].payload["LoggedOut"]["login_id"], first.as_str());
    world.chat.app.vault.retire_replaced(&fence, account).await.unwrap();
    assert_eq!(world.linked(account).await, Some(second));
}
