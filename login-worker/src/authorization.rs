//! What follows from an answer of Telegram: another token, another data centre, the password, or the account that confirmed.
//! Scan, login code and password all end in [`Attempt::authorized`].

use domain::login::FailReason;
use grammers_client::tl::{self, enums::auth::LoginToken, functions};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use super::attempt::Attempt;
use super::connection::{Answer, CallError};
use super::renewal::NOMINAL_LIFETIME;
use super::step::{Accepted, Step};
use super::stop::Stop;

impl Attempt {
    /// Step 2: a key that is logged in decides. After a crash right behind an import, only Telegram knows which one is.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn probe(&mut self) -> Result<Step, Stop> {
        let home = self.telegram.home();
        for dc_id in self.telegram.session().keyed_dcs() {
            let found = match self.ask(dc_id, &functions::updates::GetState {}).await? {
                Ok(_) => Step::WhoAmI,
                Err(CallError::PasswordNeeded) => Step::Password,
                Err(CallError::KeyLost(_)) if dc_id == home => return Ok(Step::NewKey),
                Err(_) => continue,
            };
            self.telegram.move_to(dc_id).await;
            return Ok(found);
        }
        // A worker may have died after it logged a stranger out and before it recorded that.
        match self.telegram.session().user_id() {
            Some(user_id) if user_id != self.record.admit().await? => {
                Ok(Step::Done(Accepted { user_id, method: self.method }))
            }
            _ => Ok(Step::Export),
        }
    }

    /// Step 2, of a key that is logged in already: the account.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn who_am_i(&mut self) -> Result<Step, Stop> {
        let request = functions::users::GetUsers { id: vec![tl::enums::InputUser::UserSelf] };
        match self.ask(self.telegram.home(), &request).await? {
            Ok(users) => match users.first() {
                Some(user) => self.belongs_to(user.id()).await,
                None => Err(Stop::Fail(FailReason::Internal)),
            },
            Err(CallError::KeyLost(_)) => Ok(Step::NewKey),
            Err(CallError::Unregistered) => Ok(Step::Export),
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// Step 3: asks for a token once. Once a token was accepted, the same call logs the key in.
    ///
    /// # Errors
    /// As of [`Attempt::ask`].
    pub async fn ask_for_token(&mut self) -> Result<Answer<LoginToken>, Stop> {
        let app = self.telegram.app();
        let request = functions::auth::ExportLoginToken {
            api_id: app.api_id,
            api_hash: app.api_hash.expose_secret().to_owned(),
            except_ids: Vec::new(),
        };
        self.ask(self.telegram.home(), &request).await
    }

    /// The step after an answer to an export or import.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn follow(&mut self, answer: Answer<LoginToken>) -> Result<Step, Stop> {
        match answer {
            Ok(LoginToken::Token(token)) => {
                let expires_at = self.expiry(i64::from(token.expires)).await?;
                Ok(Step::Show { expires_at, token: token.token })
            }
            Ok(LoginToken::MigrateTo(there)) => Ok(Step::Import { dc_id: there.dc_id, token: there.token }),
            Ok(LoginToken::Success(success)) => self.authorized(success.authorization).await,
            Err(CallError::PasswordNeeded) => Ok(Step::Password),
            Err(CallError::KeyLost(reason)) => {
                tracing::warn!(reason, "Telegram has forgotten the QR login's key");
                Ok(Step::NewKey)
            }
            Err(CallError::TokenExpired) => Ok(Step::Export),
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// Telegram has logged the key in, and says to which account.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn authorized(&mut self, answer: tl::enums::auth::Authorization) -> Result<Step, Stop> {
        let tl::enums::auth::Authorization::Authorization(authorization) = answer else {
            return Err(Stop::Fail(FailReason::NotRegistered));
        };
        self.belongs_to(authorization.user.id()).await
    }

    /// The session belongs to an account. That, and the data centre of the account, are kept.
    async fn belongs_to(&mut self, user_id: i64) -> Result<Step, Stop> {
        self.telegram.session().settle();
        self.telegram.session().set_user_id(user_id);
        self.save().await?;
        Ok(Step::Done(Accepted { user_id, method: self.method }))
    }

    /// When a token dies, by our clock. Telegram states it by its own clock. A lifetime that is not the usual one may be a
    /// difference between the two clocks, so Telegram is asked for its time, until it has told it once.
    async fn expiry(&mut self, server_seconds: i64) -> Result<Timestamp, Stop> {
        let Ok(told) = Timestamp::from_second(server_seconds) else {
            return Ok(self.record.now() + NOMINAL_LIFETIME);
        };
        let lifetime = told.duration_since(self.record.now());
        let is_usual = (lifetime - NOMINAL_LIFETIME).abs() <= SignedDuration::from_secs(2);
        if !is_usual && self.clock_ahead.is_none() {
            let answer = self.ask(self.telegram.home(), &functions::help::GetConfig {}).await?;
            let theirs = answer.ok().and_then(|tl::enums::Config::Config(config)| {
                Timestamp::from_second(i64::from(config.date)).ok()
            });
            let Some(theirs) = theirs else { return Ok(self.record.now() + NOMINAL_LIFETIME) };
            self.clock_ahead = Some(self.record.now().duration_since(theirs));
        }
        let (at, now) = (told + self.clock_ahead.unwrap_or_default(), self.record.now());
        let is_sane = at.duration_since(now) <= NOMINAL_LIFETIME * 4;
        // One that is dead already is replaced in a second.
        Ok(if is_sane { at.max(now) } else { now + NOMINAL_LIFETIME })
    }
}
