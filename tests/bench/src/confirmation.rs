//! From a phone's confirmation to the answer of the long poll that waits for it, with 1, 100 and 1,000 live logins in one
//! process: the real service, its PostgreSQL with fsync on, and a stand-in Telegram over real sockets. Each login was begun with
//! `/login CODE` in the chat, has a worker with its own key and connection, and a page that polls it.
//!
//! The clock runs from before the phone sends `auth.acceptLoginToken` until the poll's answer says `authorized`; beside it,
//! the phone's own request. Phones confirm one after the other. Those logins are added to the number of live ones.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use app::invites::{Invites, Order};
use domain::Tier;
use eventlog::{Clock, Context};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use stand_in::Telegram;
use stand_in::accounts::Account;
use stand_in::mini_app::MiniApp;
use stand_in::phone::Phone;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::environment::Environment;
use crate::figure::{Figure, Report};
use crate::page;
use crate::process::{cpu_seconds, family_cpu_seconds, raise_open_files, resident_bytes};

const LIVE: [usize; 3] = [1, 100, 1_000];
/// How many people confirm.
pub const CONFIRMED: usize = 100;
/// People who send `/login` at the same time.
const AT_ONCE: usize = 64;
/// The first of the people.
const PEOPLE: i64 = 600_000_000;
/// Longer than any step takes without a fault.
const PATIENCE: Duration = Duration::from_secs(60);
/// For how long the cost of waiting is measured: at least two new QR codes for each login. Memory is measured at its end: the
/// service has given back what beginning a login took (`src/memory.rs`, once a minute).
const WATCHED: Duration = Duration::from_secs(65);
const KIB: f64 = 1024.0;

/// A login, its page and its phone.
pub struct Waiting {
    session_id: String,
    phone: Arc<Phone>,
    /// The link that the page shows.
    link: watch::Receiver<Option<String>>,
    /// When the page's poll said `authorized`.
    authorized: oneshot::Receiver<Instant>,
    page: JoinHandle<Result<()>>,
}

/// How long it took, in milliseconds.
#[derive(Default)]
pub struct Taken {
    pub whole: Vec<f64>,
    phone: Vec<f64>,
}

/// The three crowds, one after the other.
pub async fn measure(report: &mut Report) -> Result<()> {
    raise_open_files()?;
    let mut alone = None;
    for live in LIVE {
        let environment = Environment::set_up("api,bot,projector").await?;
        let invites = invites(&environment);
        let pid = environment.pid()?;
        let idle_bytes = resident_bytes(pid)?;
        let mut taken = Taken::default();
        if live == 1 {
            for number in 0..CONFIRMED {
                begin(&environment, &invites, number).await?.confirm(&mut taken).await?;
            }
        } else {
            let began = Instant::now();
            let mut everybody = crowd(&environment, &invites, live + CONFIRMED).await?;
            let begun = began.elapsed();
            let postmaster = environment.postmaster().await?;
            let before = (cpu_seconds(pid)?, family_cpu_seconds(postmaster)?);
            tokio::time::sleep(WATCHED).await;
            let (ours, theirs) = (cpu_seconds(pid)? - before.0, family_cpu_seconds(postmaster)? - before.1);
            let held = (resident_bytes(pid)? - idle_bytes) / everybody.len() as f64 / KIB;
            for one in everybody.split_off(live) {
                one.confirm(&mut taken).await?;
            }
            everybody.iter().for_each(Waiting::leave);
            report.add(Figure::new(
                format!("memory of a live login, {live} of them"),
                held,
                "KiB",
                "a mebibyte",
                1024.0,
            ));
            for (who, seconds) in [("the service", ours), ("PostgreSQL", theirs)] {
                let name = format!("{live} live logins, processor used by {who} while they wait");
                report.add(Figure::new(name, seconds / WATCHED.as_secs_f64(), "cores", "one core", 1.0));
            }
            let rate = (live + CONFIRMED) as f64 / begun.as_secs_f64();
            report.add(Figure::new(
                format!("{live} logins begun in the chat"),
                rate,
                "logins/s",
                "what Telegram lets a bot send",
                30.0,
            ));
        }
        environment.clear().await;
        let (p50, p99) = (quantile(&mut taken.whole, 0.5), quantile(&mut taken.whole, 0.99));
        let phone = quantile(&mut taken.phone, 0.5);
        let name = |which: &str| {
            format!("from the phone's confirmation to the long poll's answer, {live} live logins, {which}")
        };
        report.add(Figure::new(name("p50"), p50, "ms", "the phone's own request, p50", phone));
        match alone {
            None => alone = Some((p50, p99)),
            Some((p50_alone, p99_alone)) => {
                report.add(Figure::new(name("p50"), p50, "ms", "1 live login, p50", p50_alone));
                report.add(Figure::new(name("p99"), p99, "ms", "1 live login, p99", p99_alone));
            }
        }
        if live == 1 {
            report.add(Figure::new(name("p99"), p99, "ms", "1 live login, p50", p50));
        }
    }
    Ok(())
}

pub fn invites(environment: &Environment) -> Invites {
    Invites::new(&environment.db, Clock::system(), Arc::default())
}

/// So many people whose pages show a QR code.
pub async fn crowd(environment: &Environment, invites: &Invites, number: usize) -> Result<Vec<Waiting>> {
    let everybody = stream::iter(0..number).map(|number| begin(environment, invites, number));
    everybody.buffer_unordered(AT_ONCE).try_collect().await
}

/// `/login CODE`, the page opened, and the QR code on it.
pub async fn begin(environment: &Environment, invites: &Invites, number: usize) -> Result<Waiting> {
    let telegram: &Telegram = &environment.telegram;
    let id = PEOPLE + i64::try_from(number)?;
    telegram.accounts.insert(Account {
        language_code: Some("ru".into()),
        ..Account::new(id, "Person", &format!("+7{id}"), 2)
    });
    let phone = telegram.phone(id);
    phone.log_in().await?;
    let invite =
        invites.create(Order::new(Tier::Premium), Context::tool("bench")).await.context("no invite")?;
    let chat = telegram.person(id);
    let asked = chat.send(&format!("/login {}", invite.code));
    let is_card =
        |message: &stand_in::bot_api::Message| message.message_id > asked && message.web_app_url().is_some();
    let card = loop {
        // A long wait: the bot may send thirty messages a second, and many people ask at once.
        match timeout(PATIENCE, chat.wait_for_message(is_card)).await {
            Ok(Ok(card)) => break card,
            Ok(Err(_)) => {}
            Err(_) => bail!("no answer to /login"),
        }
    };
    let opened = MiniApp::open(card.web_app_url().context("a card has a button")?, None)?;
    let (shown, mut link) = watch::channel(None);
    let (said, authorized) = oneshot::channel();
    let listen = environment.service.settings().listen;
    let session_id = opened.session_id().to_owned();
    let page = tokio::spawn(follow(listen, session_id.clone(), chat.init_data(None), shown, said));
    timeout(PATIENCE, link.wait_for(Option::is_some)).await.context("no QR code")??;
    Ok(Waiting { session_id, phone, link, authorized, page })
}

/// Polls like the page: one poll after the other, each answered when the status changes.
async fn follow(
    listen: SocketAddr,
    session_id: String,
    init_data: String,
    shown: watch::Sender<Option<String>>,
    said: oneshot::Sender<Instant>,
) -> Result<()> {
    let mut version = 0;
    loop {
        let status: Value = page::ask(listen, &session_id, &init_data, Some(version)).await?.answer().await?;
        let now = Instant::now();
        match status["status"].as_str() {
            Some("waiting") => {}
            Some("authorized") => {
                // The receiver may be gone.
                let _ = said.send(now);
                return Ok(());
            }
            // The service may not have followed the log so far yet.
            Some("not_found") => continue,
            other => bail!("the login is {other:?}"),
        }
        version = status["version"].as_i64().context("no version")?;
        if let Some(link) = status["deep_link"].as_str() {
            shown.send_replace(Some(link.to_owned()));
        }
    }
}

impl Waiting {
    /// Whose login it is.
    pub fn person(&self) -> i64 {
        self.phone.account()
    }

    /// The login's id.
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// The page is closed.
    pub fn leave(&self) {
        self.page.abort();
    }

    /// The phone scans, and the page says so.
    pub async fn confirm(self, taken: &mut Taken) -> Result<()> {
        let link = self.link.borrow().clone().context("no QR code")?;
        let began = Instant::now();
        self.phone.scan(&link).await?;
        let phone = began.elapsed();
        let authorized = timeout(PATIENCE, self.authorized).await.context("the page never heard of it")?;
        match authorized {
            Ok(at) => taken.whole.push(at.duration_since(began).as_secs_f64() * 1e3),
            Err(_) => return self.page.await?.and_then(|()| bail!("the page ended")),
        }
        taken.phone.push(phone.as_secs_f64() * 1e3);
        Ok(())
    }
}

/// The value below which so many are.
pub fn quantile(values: &mut [f64], which: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * which).ceil() as usize;
    values.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!((quantile(&mut values, 0.5), quantile(&mut values, 0.99)), (50.0, 99.0));
        assert_eq!(quantile(&mut [7.0], 0.99), 7.0);
    }
}
