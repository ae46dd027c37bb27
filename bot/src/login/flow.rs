//! The login at Telegram, from the key to the account that confirmed (core.telegram.org/api/qr-login):
//!
//! 1. restore the session of an attempt that somebody else began, or make a key; a key is sealed in the vault before it
//!    is used, so that a crash loses none
//! 2. a restored key is probed first: it may be logged in already
//! 3. export a login token
//! 4. put it where the page finds it, then record `QrIssued`
//! 5. wait until the token is accepted, or it is time for the next one
//! 6. where the account lives in another data centre, import the token there
//! 7. where the account has a 2-step password, say so and wait for the proof ([`password`](super::password))
//!
//! While step 5 waits, the person may ask for a login code instead ([`code`](super::code)).
//!
//! What follows from the answer is [`finish`](super::finish). Whoever runs this drops it when the login ends in the log,
//! which may be in the middle of any step.

use std::sync::Arc;

use domain::LoginCommand;
use domain::login::{FailReason, Method, Refusal};
use grammers_client::tl::{self, enums::auth::LoginToken, functions};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use vault::{RetireReason, UserInput};

use super::attempt::Attempt;
use super::connection::{CallError, SETTLING_PAUSE, SETTLING_TRIES, TelegramUpdate};
use super::renewal::{NOMINAL_LIFETIME, next_export_at};
use super::seal;
use super::session::LoginSession;
use super::step::{Accepted, Back, Step, Wakeup};
use super::stop::Stop;

/// Telegram has forgotten this many keys of one attempt: it is not going to keep the next.
const MOST_KEYS: u32 = 3;

impl Attempt {
    /// Steps 1 to 7; `resumed`, where [`Attempt::restore`] has found a key.
    ///
    /// # Errors
    /// [`Stop`]: nobody was let in, or nobody knows.
    pub async fn log_in(&mut self, resumed: bool) -> Result<Accepted, Stop> {
        let mut keys_made = 0;
        let mut step = if resumed {
            tracing::info!("QR login resumed with its key");
            self.probe().await?
        } else {
            Step::NewKey
        };
        loop {
            step = match step {
                Step::NewKey if keys_made == MOST_KEYS => return Err(Stop::Fail(FailReason::SessionLost)),
                Step::NewKey => {
                    keys_made += 1;
                    self.make_home_key().await?;
                    Step::Export
                }
                Step::Export => self.export().await?,
                Step::Show { token, expires_at } => self.show(&token, expires_at).await?,
                Step::Wait { until } => self.wait(until).await?,
                Step::Import { dc_id, token } => self.import(dc_id, token).await?,
                Step::WhoAmI => self.who_am_i().await?,
                Step::Password => self.password().await?,
                Step::SendCode { phone, back } => self.send_code(phone, back).await?,
                Step::Code(sent) => self.code(sent).await?,
                Step::Done(accepted) => return Ok(accepted),
            }
        }
    }

    /// Step 1: the session that was saved, if it may be used; whether it has a key. Not to be dropped half-way.
    ///
    /// # Errors
    /// [`Stop::Fenced`]; the database failed.
    pub async fn restore(&mut self) -> Result<bool, Stop> {
        let network = self.workers.telegram.network.clone();
        if self.claimed.holder_frozen {
            // Its worker may wake up and use the key: two at once would make Telegram kill it.
            tracing::warn!("QR login goes on with a new key, since its worker does not answer");
            self.workers.vault.retire(self.fence(), RetireReason::HolderFrozen).await?;
            self.claimed.sealed_session = None;
        }
        let restored = self.claimed.sealed_session.take().map(|sealed| {
            seal::open(&self.workers.master, self.claimed.account_id, self.login_id(), &network, &sealed)
        });
        let session = match restored {
            Some(Ok(session)) => session,
            Some(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "QR login cannot be resumed");
                // It may open again with the master key that sealed it, and can be logged out then.
                self.workers.vault.retire(self.fence(), RetireReason::LoginEnded).await?;
                LoginSession::new(&network)
            }
            None => LoginSession::new(&network),
        };
        let has_key = session.has_key(session.home());
        // Whoever had the key before has shown its codes.
        self.showed_token |= has_key;
        self.session = Some(Arc::new(session));
        Ok(has_key)
    }

    /// Step 1: a key for the home data centre, in place of any that there was.
    async fn make_home_key(&mut self) -> Result<(), Stop> {
        self.hang_up().await;
        if self.session().has_key(self.session().home()) {
            self.session().forget_keys();
        }
        self.make_key(self.session().home()).await
    }

    /// Step 2: whichever key is logged in decides; a crash right after an import leaves that to be found out.
    pub async fn probe(&mut self) -> Result<Step, Stop> {
        let home = self.session().home();
        for dc_id in self.session().keyed_dcs() {
            let found = match self.ask(dc_id, &functions::updates::GetState {}).await? {
                Ok(_) => Step::WhoAmI,
                Err(CallError::PasswordNeeded) => Step::Password,
                Err(CallError::KeyLost(_)) if dc_id == home => return Ok(Step::NewKey),
                Err(_) => continue,
            };
            self.move_to(dc_id).await;
            return Ok(found);
        }
        // A worker may have died between logging a stranger out and saying so.
        match self.session().user_id() {
            Some(user_id) if user_id != self.admit().await? => {
                Ok(Step::Done(Accepted { user_id, method: self.method }))
            }
            _ => Ok(Step::Export),
        }
    }

    /// Step 3. Once a token was accepted, the same call logs the key in.
    async fn export(&mut self) -> Result<Step, Stop> {
        let answer = self.ask_for_token().await?;
        self.follow(answer).await
    }

    /// One export, whatever it brings.
    pub async fn ask_for_token(&mut self) -> Result<Result<LoginToken, CallError>, Stop> {
        let app = &self.workers.telegram;
        let request = functions::auth::ExportLoginToken {
            api_id: app.api_id,
            api_hash: app.api_hash.expose_secret().to_owned(),
            except_ids: Vec::new(),
        };
        self.ask(self.session().home(), &request).await
    }

    /// What an answer to an export or import leads to.
    pub async fn follow(&mut self, answer: Result<LoginToken, CallError>) -> Result<Step, Stop> {
        match answer {
            Ok(LoginToken::Token(token)) => {
                let expires_at = self.expiry(i64::from(token.expires)).await?;
                Ok(Step::Show { expires_at, token: token.token })
            }
            Ok(LoginToken::MigrateTo(there)) => Ok(Step::Import { dc_id: there.dc_id, token: there.token }),
            Ok(LoginToken::Success(success)) => self.let_in(success.authorization).await,
            Err(CallError::PasswordNeeded) => Ok(Step::Password),
            Err(CallError::KeyLost(reason)) => {
                tracing::warn!(reason, "Telegram has forgotten the QR login's key");
                Ok(Step::NewKey)
            }
            Err(CallError::TokenExpired) => Ok(Step::Export),
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// When a token dies, by our clock. Telegram says it by its own; a lifetime that is not the usual one may be a
    /// difference between the two, and Telegram's clock is asked for, once.
    async fn expiry(&mut self, server_seconds: i64) -> Result<Timestamp, Stop> {
        let Ok(told) = Timestamp::from_second(server_seconds) else {
            return Ok(self.now() + NOMINAL_LIFETIME);
        };
        let lifetime = |at: Timestamp, now: Timestamp| at.duration_since(now);
        let is_usual = (lifetime(told, self.now()) - NOMINAL_LIFETIME).abs() <= SignedDuration::from_secs(2);
        if !is_usual && self.ahead.is_none() {
            let answer = self.ask(self.session().home(), &functions::help::GetConfig {}).await?;
            let theirs = answer.ok().and_then(|tl::enums::Config::Config(config)| {
                Timestamp::from_second(i64::from(config.date)).ok()
            });
            self.ahead =
                Some(theirs.map_or(SignedDuration::ZERO, |theirs| self.now().duration_since(theirs)));
        }
        let (at, now) = (told + self.ahead.unwrap_or_default(), self.now());
        let is_sane = at > now && lifetime(at, now) <= NOMINAL_LIFETIME * 4;
        Ok(if is_sane { at } else { now + NOMINAL_LIFETIME })
    }

    /// Step 4: the token first, so that whoever sees the event finds it; and before the token, where it is accepted: a
    /// number may have led to another data centre.
    async fn show(&mut self, token: &[u8], expires_at: Timestamp) -> Result<Step, Stop> {
        let is_first = !self.showed_token;
        self.showed_token = true;
        self.method = Method::Qr;
        self.session().settle();
        self.save().await?;
        self.workers.vault.put_token(self.fence(), token, expires_at).await?;
        let at = self.now();
        let token_sha256: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
        let attempt = self.number();
        self.record(LoginCommand::IssueQr { attempt, token_sha256, expires_at, at }).await?;
        if std::mem::take(&mut self.lost_code) {
            self.reject_code(Refusal::Stale).await?;
        }
        if is_first {
            tracing::info!("QR issued (expires {expires_at:.0})");
            tracing::info!("QR login waiting for the scan");
        } else {
            tracing::debug!("QR issued (expires {expires_at:.0})");
        }
        Ok(Step::Wait { until: next_export_at(at, expires_at) })
    }

    /// Step 5. The update may get lost: the next export, when the token is about to die, finds out as well.
    async fn wait(&mut self, until: Timestamp) -> Result<Step, Stop> {
        match self.wait_for_input_or_telegram(until).await? {
            Wakeup::Telegram(TelegramUpdate::LoginToken) | Wakeup::Timeout => Ok(Step::Export),
            Wakeup::Telegram(TelegramUpdate::Closed) => {
                // A server that hangs up on everybody at once is not asked at once.
                tokio::time::sleep(SETTLING_PAUSE).await;
                Ok(Step::Export)
            }
            Wakeup::Input(UserInput::Phone(phone)) => Ok(Step::SendCode { phone, back: Back::Qr(until) }),
            // Too late, or too early: nothing waits for it.
            Wakeup::Input(UserInput::Code(_) | UserInput::Password(_)) => Ok(Step::Wait { until }),
        }
    }

    /// Waits for whatever comes first; past the deadline, ends the login.
    pub async fn wait_for_input_or_telegram(&mut self, until: Timestamp) -> Result<Wakeup, Stop> {
        let clock = self.workers.clock.clone();
        loop {
            if let Some(input) = self.next_input().await? {
                return Ok(Wakeup::Input(input));
            }
            let due = until.min(self.deadline_at());
            let (connection, input_signal) = self.connection_and_signal();
            let heard = tokio::select! {
                heard = connection.hear() => Some(heard),
                () = clock.sleep_until(due) => None,
                () = input_signal.raised() => continue,
            };
            if let Some(heard) = heard {
                if heard == TelegramUpdate::Closed {
                    self.hang_up().await;
                }
                return Ok(Wakeup::Telegram(heard));
            }
            self.in_time().await?;
            if self.now() >= until {
                return Ok(Wakeup::Timeout);
            }
        }
    }

    /// Step 6. The vault goes on naming the data centre that sent us here until the new one has let the key in: after a
    /// crash in between, the old one sends us here again.
    async fn import(&mut self, dc_id: i32, token: Vec<u8>) -> Result<Step, Stop> {
        tracing::info!(dc_id, "QR login moves to the account's data centre");
        self.make_key(dc_id).await?;
        self.move_to(dc_id).await;
        let request = functions::auth::ImportLoginToken { token };
        let mut answer = self.ask(dc_id, &request).await?;
        for _ in 0..SETTLING_TRIES {
            if answer != Err(CallError::Unregistered) {
                break;
            }
            tokio::time::sleep(SETTLING_PAUSE).await;
            answer = self.ask(dc_id, &request).await?;
        }
        self.follow(answer).await
    }

    /// Makes another data centre the one that is asked; its connection has to be the only one, and a new one, so that
    /// grammers tells when it closes.
    pub async fn move_to(&mut self, dc_id: i32) {
        if self.session().home() != dc_id {
            self.hang_up().await;
            self.session().move_to(dc_id);
        }
    }

    /// Telegram let the key in, as whom it says.
    pub async fn let_in(&mut self, authorization: tl::enums::auth::Authorization) -> Result<Step, Stop> {
        let tl::enums::auth::Authorization::Authorization(authorization) = authorization else {
            return Err(Stop::Fail(FailReason::NotRegistered));
        };
        self.is_user(authorization.user.id()).await
    }

    /// The session is somebody's: keep that, and where it lives.
    async fn is_user(&mut self, user_id: i64) -> Result<Step, Stop> {
        self.session().settle();
        self.session().set_user_id(user_id);
        self.save().await?;
        Ok(Step::Done(Accepted { user_id, method: self.method }))
    }

    /// Step 2, of a key that is logged in already.
    async fn who_am_i(&mut self) -> Result<Step, Stop> {
        let request = functions::users::GetUsers { id: vec![tl::enums::InputUser::UserSelf] };
        match self.ask(self.session().home(), &request).await? {
            Ok(users) => match users.first() {
                Some(user) => self.is_user(user.id()).await,
                None => Err(Stop::Fail(FailReason::Internal)),
            },
            Err(CallError::KeyLost(_)) => Ok(Step::NewKey),
            Err(CallError::Unregistered) => Ok(Step::Export),
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// Ends the login for what Telegram says to it.
    pub fn refused(&self, error: &CallError) -> Stop {
        tracing::error!(error = error as &dyn std::error::Error, "Telegram refuses the QR login");
        Stop::Fail(FailReason::Internal)
    }
}
