//! The login at Telegram, from the key to the account that confirmed (core.telegram.org/api/qr-login):
//!
//! 1. restore the session of an attempt that another worker began ([`Attempt::restore`]), or make a key; a key is sealed in the
//!    vault before it is used, so that a crash loses none
//! 2. probe a restored key first: it may be logged in already ([`authorization`](super::authorization))
//! 3. export a login token
//! 4. put it where the page finds it, then record `QrIssued`
//! 5. wait until the token is accepted, or it is time for the next one
//! 6. where the account lives in another data centre, import the token there
//! 7. where the account has a 2-step password, say so and wait for the proof ([`password`](super::password))
//!
//! While step 5 waits, the person may ask for a login code instead ([`code`](super::code)).
//!
//! The steps after the account has confirmed are in [`finish`](super::finish). The caller drops the flow when the log says that
//! the login has ended, which may be in the middle of any step.

use app::log_targets::LOGIN_STEPS;
use domain::LoginCommand;
use domain::login::{FailReason, Method, Refusal};
use grammers_client::tl::functions;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use telemetry::traces::{InSpan as _, LoginTrace};
use vault::UserInput;

use super::attempt::Attempt;
use super::connection::{CallError, SETTLING_PAUSE, SETTLING_TRIES, TelegramUpdate};
use super::renewal::next_export_at;
use super::step::{Accepted, Back, Step, Wakeup};
use super::stop::Stop;

/// An attempt makes at most so many keys: a Telegram that has forgotten so many is not going to keep the next.
const MOST_KEYS: u32 = 3;

impl Attempt {
    /// Steps 1 to 7.
    ///
    /// # Errors
    /// [`Stop`]: no account has confirmed, or that is not known.
    pub async fn log_in(&mut self) -> Result<Accepted, Stop> {
        let mut keys_made = 0;
        let mut step = if self.telegram.has_home_key() {
            tracing::info!("QR login resumed with its key");
            self.probe().await?
        } else {
            Step::NewKey
        };
        loop {
            let span = self.trace.first();
            step = match step {
                Step::NewKey if keys_made == MOST_KEYS => return Err(Stop::Fail(FailReason::SessionLost)),
                Step::NewKey => {
                    keys_made += 1;
                    self.make_home_key().in_span(span).await?;
                    Step::Export
                }
                Step::Export => self.export().in_span(span).await?,
                Step::Show { token, expires_at } => self.show(&token, expires_at).await?,
                Step::Wait { until } => self.wait(until).await?,
                Step::Import { dc_id, token } => self.import(dc_id, token).in_span(span).await?,
                Step::WhoAmI => self.who_am_i().in_span(span).await?,
                Step::Password => self.password().in_span(span).await?,
                Step::SendCode { phone, back } => self.send_code(phone, back).await?,
                Step::Code(sent) => self.code(sent).await?,
                Step::Done(accepted) => return Ok(accepted),
            }
        }
    }

    /// Step 1: a key for the home data centre, in place of any that there was.
    async fn make_home_key(&mut self) -> Result<(), Stop> {
        self.telegram.drop_keys().await;
        self.make_key(self.telegram.home()).await
    }

    /// Step 3.
    async fn export(&mut self) -> Result<Step, Stop> {
        let answer = self.ask_for_token().await?;
        self.follow(answer).await
    }

    /// Step 4. The token comes before the event, so that a reader of the event finds the token. The data centre that accepts it
    /// comes before the token: a number may have led to another one.
    async fn show(&mut self, token: &[u8], expires_at: Timestamp) -> Result<Step, Stop> {
        let is_first = !self.showed_token;
        self.showed_token = true;
        // Where a phone had accepted the token before, nothing came of it.
        self.trace = LoginTrace::default();
        self.method = Method::Qr;
        self.telegram.session().settle();
        self.save().await?;
        self.record.put_token(token, expires_at).await?;
        let (attempt, at) = (self.record.attempt(), self.record.now());
        let token_sha256: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
        self.record.execute(LoginCommand::IssueQr { attempt, token_sha256, expires_at, at }).await?;
        if std::mem::take(&mut self.lost_code) {
            self.reject_code(Refusal::Stale).await?;
        }
        if is_first {
            tracing::info!(target: LOGIN_STEPS, "QR issued (expires {expires_at:.0})");
            tracing::info!(target: LOGIN_STEPS, "QR login waiting for the scan");
        } else {
            tracing::debug!("QR issued (expires {expires_at:.0})");
        }
        Ok(Step::Wait { until: next_export_at(at, expires_at) })
    }

    /// Step 5. The update may get lost. The next export, when the token is about to die, finds out as well.
    async fn wait(&mut self, until: Timestamp) -> Result<Step, Stop> {
        match self.wait_for_input_or_telegram(until).await? {
            Wakeup::Telegram(TelegramUpdate::LoginToken) => {
                self.begin_trace();
                Ok(Step::Export)
            }
            Wakeup::Timeout => Ok(Step::Export),
            Wakeup::Telegram(TelegramUpdate::Closed) => {
                // A server that hangs up on everybody at once is not asked at once.
                tokio::time::sleep(SETTLING_PAUSE).await;
                Ok(Step::Export)
            }
            Wakeup::Input(UserInput::Phone(phone)) => Ok(Step::SendCode { phone, back: Back::Qr(until) }),
            // Too late, or too early: no step waits for it.
            Wakeup::Input(UserInput::Code(_) | UserInput::Password(_)) => Ok(Step::Wait { until }),
        }
    }

    /// Step 6. The vault goes on naming the data centre that sent us here until the new one has logged the key in: after a
    /// crash in between, the old one sends us here again.
    async fn import(&mut self, dc_id: i32, token: Vec<u8>) -> Result<Step, Stop> {
        tracing::info!(dc_id, "QR login moves to the account's data centre");
        self.make_key(dc_id).await?;
        self.telegram.move_to(dc_id).await;
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
}
