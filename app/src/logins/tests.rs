//! Orders to begin a login and to try it again, given once and twice.

use std::sync::Arc;

use domain::login::CancelReason;
use domain::{AccountCommand, AccountId, InviteError, InviteId, LoginCommand, LoginId, LoginStatus, Tier};
use eventlog::Context;
use vault::{DerivedKeys, random_login_id};

use super::begin::{self, Begun, Consent, LoginOrder};
use super::retry::{self, Retried, RetryOrder};
use crate::app::App;
use crate::testing::Story;

const CODE: &str = "3HBP4Z3ECICZ";
const ILYA: i64 = 139_883_458;
const ANNA: i64 = 271_828_182;

struct World {
    story: Story,
    app: App,
}

impl World {
    async fn begin() -> Self {
        let story = Story::begin().await;
        let keys = Arc::new(DerivedKeys::random());
        let app = App::new(&story.db, keys, story.clock.clone(), story.tiers.clone());
        Self { story, app }
    }

    /// A premium invite with the code.
    async fn invite(&self, max_uses: u32) -> InviteId {
        let invite = self.story.invite(max_uses, None).await;
        self.app.vault.add_code(invite, CODE, None, None).await.unwrap();
        invite
    }

    async fn login(&self, telegram_id: i64, login_id: &LoginId, consent: Consent) -> Begun {
        let account_id = self.app.vault.subject_of(telegram_id).await.unwrap().unwrap().account_id;
        let account = self.app.store.load_account(account_id).await.unwrap();
        let order = LoginOrder { login_id, account_id, telegram_id, account: &account, update_id: 17 };
        begin::by_code(&self.app, order, CODE, consent).await.unwrap()
    }

    async fn retry(&self, account_id: AccountId, login_id: &LoginId, invite_id: Option<InviteId>) -> Retried {
        let order = RetryOrder { login_id, account_id, telegram_id: Some(ILYA), invite_id };
        retry::retry(&self.app, order).await.unwrap()
    }

    async fn cancel(&self, account: AccountId, login_id: &LoginId) {
        let at = self.story.clock.now();
        let cancel = LoginCommand::Cancel { attempt: 1, reason: CancelReason::Person, at };
        self.story.login(login_id, account, cancel).await;
        self.story.settle().await;
    }

    async fn uses(&self, invite: InviteId) -> usize {
        self.app.store.load_invite(invite).await.unwrap().uses()
    }
}

fn live(begun: &Begun) -> bool {
    matches!(begun, Begun::Live(Some(grant)) if grant.tier == Tier::Premium)
}

#[tokio::test]
async fn an_order_that_is_given_twice_begins_one_login_and_reserves_one_use() {
    let world = World::begin().await;
    let invite = world.invite(2).await;
    world.story.person(ILYA, "{}").await;
    let login_id = random_login_id();
    for _ in 0..2 {
        assert!(live(&world.login(ILYA, &login_id, Consent::Unasked).await));
    }
    assert_eq!(world.uses(invite).await, 1);
    let login = world.app.store.load_login(&login_id).await.unwrap();
    assert_eq!((login.status(), login.attempt()), (Some(LoginStatus::Waiting), 1));
}

#[tokio::test]
async fn an_order_whose_login_has_ended_meanwhile_begins_none() {
    let world = World::begin().await;
    let invite = world.invite(1).await;
    let ilya = world.story.person(ILYA, "{}").await;
    let login_id = random_login_id();
    assert!(live(&world.login(ILYA, &login_id, Consent::Unasked).await));
    world.cancel(ilya, &login_id).await;
    assert_eq!(world.login(ILYA, &login_id, Consent::Unasked).await, Begun::Ended);
    assert_eq!(world.uses(invite).await, 0);
}

/// 1. Ilya and Anna read the same code, of which one use is left.
/// 2. Both give their order at the same time.
/// 3. One of them has the use; the other is told that it is used up.
#[tokio::test]
async fn of_two_people_who_want_the_last_use_one_is_refused() {
    let world = World::begin().await;
    let invite = world.invite(1).await; // 1
    for person in [ILYA, ANNA] {
        world.story.person(person, "{}").await;
    }
    let (his, hers) = (random_login_id(), random_login_id());
    let (his, hers) =
        tokio::join!(world.login(ILYA, &his, Consent::Unasked), world.login(ANNA, &hers, Consent::Unasked)); // 2
    let refused = [&his, &hers].map(|it| *it == Begun::InviteRefused(InviteError::UsedUp));
    assert_eq!(refused.iter().filter(|it| **it).count(), 1, "{his:?} {hers:?}"); // 3
    assert_eq!([&his, &hers].iter().filter(|it| live(it)).count(), 1);
    assert_eq!(world.uses(invite).await, 1);
}

#[tokio::test]
async fn a_subscription_of_another_tier_is_replaced_only_with_consent() {
    let world = World::begin().await;
    let invite = world.invite(1).await;
    let ilya = world.story.person(ILYA, "{}").await;
    let at = world.story.clock.now();
    let (tier, limits) = (Tier::Basic, world.app.tiers.limits(Tier::Basic));
    let grant = AccountCommand::ChangeSubscription { tier, days: 30, limits, change_id: None, at };
    world.app.store.account(ilya, grant, Context::tool("test")).await.unwrap();
    let login_id = random_login_id();
    let asked = world.login(ILYA, &login_id, Consent::Unasked).await;
    assert!(matches!(
        asked,
        Begun::WouldReplace { running, tier: Tier::Premium } if running.tier == Tier::Basic
    ));
    assert_eq!(world.uses(invite).await, 0);
    assert!(live(&world.login(ILYA, &login_id, Consent::Given).await));
    assert_eq!(world.uses(invite).await, 1);
}

#[tokio::test]
async fn a_retry_reserves_the_invite_anew_and_repeated_it_changes_nothing() {
    let world = World::begin().await;
    let invite = world.invite(1).await;
    let ilya = world.story.person(ILYA, "{}").await;
    let login_id = random_login_id();
    assert!(live(&world.login(ILYA, &login_id, Consent::Unasked).await));
    assert_eq!(world.retry(ilya, &login_id, Some(invite)).await, Retried::Live { attempt: 1 });
    world.cancel(ilya, &login_id).await;
    for _ in 0..2 {
        assert_eq!(world.retry(ilya, &login_id, Some(invite)).await, Retried::Live { attempt: 2 });
    }
    assert_eq!(world.uses(invite).await, 1);
}

#[tokio::test]
async fn a_retry_of_a_blocked_person_or_with_a_lost_invite_starts_nothing() {
    let world = World::begin().await;
    let invite = world.invite(1).await;
    let ilya = world.story.person(ILYA, "{}").await;
    world.story.person(ANNA, "{}").await;
    let login_id = random_login_id();
    assert!(live(&world.login(ILYA, &login_id, Consent::Unasked).await));
    world.cancel(ilya, &login_id).await;
    assert!(live(&world.login(ANNA, &random_login_id(), Consent::Unasked).await));
    let lost = Retried::InviteRefused(InviteError::UsedUp);
    assert_eq!(world.retry(ilya, &login_id, Some(invite)).await, lost);
    world.story.account(ilya, AccountCommand::Block { at: world.story.clock.now() }).await;
    assert_eq!(world.retry(ilya, &login_id, Some(invite)).await, Retried::Blocked);
    let login = world.app.store.load_login(&login_id).await.unwrap();
    assert_eq!((login.status(), login.attempt()), (Some(LoginStatus::Cancelled), 1));
}
