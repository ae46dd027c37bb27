//! The chat as people see it: a stand-in Bot API on a real socket, a real PostgreSQL, the real projections.

use std::time::Duration;

use app::App;
use app::leader::{self, Leader};
use domain::{
    AccountCommand, InviteCommand, InviteId, LoginCommand, LoginEvent, LoginId, LoginStatus, Tier, Tiers,
};
use eventlog::log::{Filter, Log, LogEvent};
use eventlog::{Clock, Context, ManualClock, testing};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use messages::inbox::Inbox;
use messages::outbox::Outbox;
use stand_in::accounts::{ANNA, Accounts, ILYA};
use stand_in::bot_api::{BotApi, ChatPerson, Fault, Message};
use tokio::task::JoinHandle;
use vault::limits::LoginLimits;
use vault::{MasterKey, Origin};

use super::*;
use app::invites::{Invites, Order};
use login_worker::TelegramApp;

mod admin;
mod cards;
mod checkpoints;
mod delivery;
mod flood;
mod late;
mod login;
mod parked;
mod people;
mod permissions;
mod rebuild;
mod refused;
mod reset;
mod unclear;

/// What `make run`'s sandbox gives out too.
const CODE: &str = "3HBP4Z3ECICZ";
const PAGE: &str = "https://login.example/qr-auth?session_id=";

/// A service of the chat and the projections alone, and the people who write to it.
struct World {
    accounts: Accounts,
    api: BotApi,
    chat: Chat,
    hand: ManualClock,
    tasks: Vec<JoinHandle<()>>,
}

impl World {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Chat)) -> Self {
        let world = Self::silent(change).await;
        world.speak()
    }

    /// Everything but the chat itself.
    async fn silent(change: impl FnOnce(&mut Chat)) -> Self {
        let accounts = Accounts::default();
        let api = BotApi::start(accounts.clone(), stand_in::clock::Clock::system(), None).await.unwrap();
        let db = testing::database().await.db;
        // Long ago: what the database records is later, so that no news is too old to be told.
        let (clock, hand) = Clock::manual("2024-11-22T10:00:00Z".parse().unwrap());
        let master = Arc::new(MasterKey::random());
        let mut chat = Chat {
            app: App::new(&db, master.derived().clone(), clock, Arc::new(Tiers::default())),
            master,
            token: api.token().to_owned().into(),
            token_state: BotToken::default(),
            api_url: api.url().parse().unwrap(),
            webhook: None,
            auth_base_url: "https://login.example".to_owned(),
            admins: Vec::new(),
            checkpoints: false,
            support_contact: Some("@support".to_owned()),
            display_timezone: TimeZone::get("Europe/Moscow").unwrap(),
            one_phone_login: false,
            device_name: "qr-login".to_owned(),
            telegram: TelegramApp {
                api_id: 1,
                api_hash: "0123456789abcdef".to_owned().into(),
                device_name: "qr-login".to_owned(),
                network: login_worker::Network::Telegram,
            },
        };
        change(&mut chat);
        let leader = Leader {
            db: chat.app.db.clone(),
            clock: chat.app.clock.clone(),
            tiers: chat.app.tiers.clone(),
            holder: uuid::Uuid::new_v4().to_string(),
        };
        let tasks = vec![tokio::spawn(leader::run(leader))];
        Self { accounts, api, chat, hand, tasks }
    }

    /// Starts the chat.
    fn speak(mut self) -> Self {
        self.tasks.push(tokio::spawn(run(self.chat.clone())));
        self
    }

    /// Ends the chat, as a dying process does.
    async fn hush(&mut self) {
        let chat = self.tasks.pop().unwrap();
        chat.abort();
        let _ = chat.await;
    }

    /// A process that handles updates.
    fn ctx(&self) -> BotContext {
        BotContext::open(self.chat.clone(), self.api.username().to_owned())
    }

    /// The login that Ilya orders by this update.
    async fn login_of_update(&self, update_id: i64) -> LoginId {
        let app = &self.chat.app;
        app.keys.login_id(&app.vault.order(ILYA, &Origin::Update(update_id)).await.unwrap())
    }

    /// The sender from now on, in place of the one before.
    async fn sender(&self, holder: &str) -> Sender {
        let over = "update vault.leases set expires_at = '-infinity' where name = 'poller'";
        sqlx::query(over).execute(self.chat.app.db.pool()).await.unwrap();
        let leases = Leases::new(&self.chat.app.db, holder.to_owned());
        let lease = leases.acquire(LEASE, LEASE_TTL).await.unwrap().unwrap();
        Sender::new(&self.chat.app.db, &lease)
    }

    fn ilya(&self) -> ChatPerson {
        self.api.person(ILYA)
    }

    fn anna(&self) -> ChatPerson {
        self.api.person(ANNA)
    }

    async fn account(&self, telegram_id: i64) -> domain::AccountId {
        self.chat.app.vault.subject_of(telegram_id).await.unwrap().unwrap().account_id
    }

    async fn order(&self, person: i64, command: impl FnOnce(Timestamp) -> AccountCommand) {
        let command = command(self.hand.now());
        self.chat
            .app
            .store
            .account(self.account(person).await, command, Context::tool("test"))
            .await
            .unwrap();
    }

    /// An invite of this tier, with the code.
    async fn invite(&self, tier: Tier, code: &str, max_uses: u32) -> InviteId {
        let order = Order { code: Some(code.to_owned()), max_uses, ..Order::new(tier) };
        self.invites().create(order, Context::tool("test")).await.unwrap().invite_id
    }

    fn invites(&self) -> Invites {
        self.chat.app.invites()
    }

    /// Every event so far of this name.
    async fn events(&self, name: &str) -> Vec<LogEvent> {
        let filter = Filter { name: Some(name.to_owned()), ..Filter::default() };
        testing::all_in_place(&self.chat.app.db).await;
        Log::new(&self.chat.app.db).history(&filter, 0, 1000).await.unwrap()
    }

    /// What the worker does once Telegram has confirmed.
    async fn authorize(&self, person: i64, invite: InviteId, login_id: &LoginId) {
        let (account_id, at) = (self.account(person).await, self.hand.now());
        let login_id_ = login_id.clone();
        let used = InviteCommand::Use { account_id, login_id: login_id_, attempt: 1, at };
        self.chat.app.store.invite(invite, used, Context::system()).await.unwrap();
        let confirmed = LoginCommand::Confirm { attempt: 1, method: domain::login::Method::Qr, at };
        self.chat.app.store.login(login_id, confirmed, Context::system()).await.unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The login that a card's button opens.
fn login_of(card: &Message) -> LoginId {
    card.web_app_url().unwrap().strip_prefix(PAGE).unwrap().parse().unwrap()
}

/// How many of the bot's messages in the chat begin like this.
fn count(person: &ChatPerson, beginning: &str) -> usize {
    person.from_bot().iter().filter(|message| message.text.starts_with(beginning)).count()
}
