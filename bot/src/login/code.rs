//! The one-phone way (core.telegram.org/api/auth): nobody can scan the screen in their own hand, so a person may ask for a
//! login code in the page, and give it back there.
//!
//! 1. send a code to the number, at the data centre of its account, once: a person who gets two does not know which counts
//! 2. record `CodeSent`; from here on no QR code is shown, but one that was shown still counts, unless the number's data
//!    centre is another one
//! 3. wait for the code and hand it on, once; a code may be asked for again meanwhile
//!
//! What Telegram does not take is recorded as `CodeRejected` with the reason, and the login stands where it stood: at its
//! QR code, or at the code before. Number, code and the code's hash stay in memory: whoever takes the login up after a
//! crash shows a QR code again, and says that the login code is of no use any more.

use domain::LoginCommand;
use domain::login::{CodeVia, FailReason, Method, Refusal};
use grammers_client::tl::enums::auth::{LoginToken, SentCode as Sent, SentCodeType};
use grammers_client::tl::{functions, types};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use vault::UserInput;
use vault::limits::LoginLimits;
use zeroize::Zeroizing;

use super::attempt::{Attempt, later};
use super::connection::{CallError, SETTLING_PAUSE, TelegramUpdate};
use super::step::{Back, SentCode, Step, Wakeup};
use super::stop::Stop;

/// A new QR code takes the words away in which a number was refused; it leaves them standing for as long as this.
const READING_TIME: SignedDuration = SignedDuration::from_secs(3);

impl Attempt {
    /// Steps 1 and 2.
    pub async fn send_code(&mut self, phone: Zeroizing<String>, back: Back) -> Result<Step, Stop> {
        let home = self.session().home();
        let error = match self.ask_for_code(&phone, &back).await? {
            Ok(Sent::Code(sent)) if may_be_typed(&sent.r#type) => return self.code_sent(phone, sent).await,
            Ok(Sent::Success(success)) => {
                self.method = Method::Code;
                return self.let_in(success.authorization).await;
            }
            // Or Telegram wants to be paid for it.
            Ok(Sent::Code(_) | Sent::PaymentRequired(_)) => None,
            Err(error) if is_about_us(&error) => return Err(self.refused(&error)),
            Err(error) => Some(error),
        };
        if let Some(CallError::FloodWait(pause)) = error {
            let until = later(self.now(), pause);
            LoginLimits::new(&self.workers.db).codes_flooded(self.claimed.account_id, until).await?;
        }
        let reason = error.as_ref().map_or(Refusal::NoCode, why);
        let is_deaf = matches!(error, Some(CallError::Unreachable(_)));
        if matches!(reason, Refusal::NumberInvalid | Refusal::NoCode) {
            let workers = &self.workers;
            LoginLimits::new(&workers.db).code_not_sent(&workers.master, self.login_id()).await?;
        }
        let read = self.now() + READING_TIME;
        self.reject_code(reason).await?;
        if let Some(CallError::KeyLost(_)) = error {
            return Ok(Step::NewKey);
        }
        Ok(match back {
            Back::Code(sent) => Step::Code(sent),
            // The QR code on the screen is of the data centre before, or nobody hears of its scan.
            Back::Qr(_) if self.session().home() != home || is_deaf => Step::Wait { until: read },
            Back::Qr(until) => Step::Wait { until: until.max(read) },
        })
    }

    /// Step 1: on the way that Telegram offers next, where the same number asks again; else afresh.
    async fn ask_for_code(&mut self, phone: &str, back: &Back) -> Result<Result<Sent, CallError>, Stop> {
        if let Back::Code(before) = back
            && before.has_other_way
            && before.phone.as_str() == phone
        {
            let request = functions::auth::ResendCode {
                phone_number: phone.to_owned(),
                phone_code_hash: before.hash.to_string(),
                reason: None,
            };
            match self.ask_once(self.session().home(), &request).await {
                // Not on that way after all.
                Err(CallError::Refused { .. }) => {}
                answer => return Ok(answer),
            }
        }
        let app = &self.workers.telegram;
        let request = functions::auth::SendCode {
            phone_number: phone.to_owned(),
            api_id: app.api_id,
            api_hash: app.api_hash.expose_secret().to_owned(),
            settings: types::CodeSettings {
                allow_flashcall: false,
                current_number: false,
                allow_app_hash: false,
                allow_missed_call: false,
                allow_firebase: false,
                unknown_number: false,
                logout_tokens: None,
                token: None,
                app_sandbox: None,
            }
            .into(),
        };
        let mut answer = self.ask_once(self.session().home(), &request).await;
        if let Err(CallError::Elsewhere(dc_id)) = answer {
            self.make_key(dc_id).await?;
            self.move_to(dc_id).await;
            answer = self.ask_once(dc_id, &request).await;
        }
        if answer == Err(CallError::Restart) {
            answer = self.ask_once(self.session().home(), &request).await;
        }
        Ok(answer)
    }

    /// Step 2. The QR code goes first: whoever sees the event sees none.
    async fn code_sent(
        &mut self,
        phone: Zeroizing<String>,
        sent: types::auth::SentCode,
    ) -> Result<Step, Stop> {
        self.workers.vault.drop_token(self.fence()).await?;
        let (via, length) = via(&sent.r#type);
        let (attempt, at) = (self.number(), self.now());
        self.record(LoginCommand::RecordCode { attempt, via, length, at }).await?;
        LoginLimits::new(&self.workers.db).code_went_out().await?;
        tracing::info!("QR login waiting for a login code instead");
        Ok(Step::Code(Box::new(SentCode {
            phone,
            hash: Zeroizing::new(sent.phone_code_hash),
            by_email: via == CodeVia::Email,
            has_other_way: sent.next_type.is_some(),
        })))
    }

    /// Step 3.
    pub async fn code(&mut self, sent: Box<SentCode>) -> Result<Step, Stop> {
        loop {
            match self.wait_for_input_or_telegram(Timestamp::MAX).await? {
                Wakeup::Input(UserInput::Code(code)) => {
                    if let Some(step) = self.sign_in(&sent, &code).await? {
                        return Ok(step);
                    }
                }
                Wakeup::Input(UserInput::Phone(phone)) => {
                    return Ok(Step::SendCode { phone, back: Back::Code(sent) });
                }
                Wakeup::Telegram(heard) => {
                    if heard == TelegramUpdate::Closed {
                        // A server that hangs up on everybody at once is not asked at once.
                        tokio::time::sleep(SETTLING_PAUSE).await;
                    }
                    match self.ask_for_token().await? {
                        // Nobody accepted a token after all; a new one would end the wait for the code.
                        Ok(LoginToken::Token(_)) => {}
                        answer => return self.follow(answer).await,
                    }
                }
                Wakeup::Input(UserInput::Password(_)) | Wakeup::Timeout => {}
            }
        }
    }

    /// Hands a code on; None where it was not taken.
    async fn sign_in(&mut self, sent: &SentCode, code: &str) -> Result<Option<Step>, Stop> {
        let code = code.to_owned();
        let (phone_code, email_verification) = if sent.by_email {
            (None, Some(types::EmailVerificationCode { code }.into()))
        } else {
            (Some(code), None)
        };
        let request = functions::auth::SignIn {
            phone_number: sent.phone.to_string(),
            phone_code_hash: sent.hash.to_string(),
            phone_code,
            email_verification,
        };
        self.method = Method::Code;
        let error = match self.ask_once(self.session().home(), &request).await {
            Ok(authorization) => return self.let_in(authorization).await.map(Some),
            Err(CallError::PasswordNeeded) => return Ok(Some(Step::Password)),
            Err(CallError::Refused { name, .. }) if name == "PHONE_NUMBER_UNOCCUPIED" => {
                return Err(Stop::Fail(FailReason::NotRegistered));
            }
            Err(error) => error,
        };
        if let CallError::Unreachable(_) = error {
            self.wait_out(&error).await?;
            // Looks whether it was taken.
            match self.probe().await? {
                Step::Export => {}
                step => return Ok(Some(step)),
            }
        }
        self.method = Method::Qr;
        self.reject_code(why(&error)).await?;
        match error {
            CallError::KeyLost(_) => return Ok(Some(Step::NewKey)),
            // The person is told first: the pause may be long.
            CallError::FloodWait(_) => self.wait_out(&error).await?,
            _ => {}
        }
        Ok(None)
    }

    /// Says why a number or a code leads nowhere.
    pub async fn reject_code(&self, reason: Refusal) -> Result<(), Stop> {
        let (attempt, at) = (self.number(), self.now());
        self.record(LoginCommand::RejectCode { attempt, reason, at }).await?;
        tracing::info!(?reason, "QR login's number or code was not taken");
        Ok(())
    }
}

/// Whether no number would have done better.
fn is_about_us(error: &CallError) -> bool {
    matches!(error, CallError::Refused { name, .. } if name.starts_with("API_ID"))
}

/// What to tell the person.
fn why(error: &CallError) -> Refusal {
    match error {
        CallError::FloodWait(_) => Refusal::TooMany,
        CallError::Refused { name, .. } => match name.as_str() {
            "PHONE_CODE_INVALID" | "PHONE_CODE_EMPTY" | "CODE_INVALID" => Refusal::Wrong,
            "PHONE_CODE_EXPIRED" | "EMAIL_VERIFY_EXPIRED" => Refusal::Stale,
            "PHONE_NUMBER_INVALID" => Refusal::NumberInvalid,
            "PHONE_NUMBER_BANNED" => Refusal::NumberBanned,
            "PHONE_NUMBER_FLOOD" | "PHONE_PASSWORD_FLOOD" => Refusal::TooMany,
            _ => Refusal::Unclear,
        },
        _ => Refusal::Unclear,
    }
}

/// Whether digits come of it: a word or a phrase does not fit the page, and an address for codes is set up elsewhere.
fn may_be_typed(kind: &SentCodeType) -> bool {
    use SentCodeType::{SetUpEmailRequired, SmsPhrase, SmsWord};
    !matches!(kind, SetUpEmailRequired(_) | SmsPhrase(_) | SmsWord(_))
}

/// How Telegram delivers it, and of how many digits it is.
fn via(kind: &SentCodeType) -> (CodeVia, Option<u32>) {
    let (via, length) = match kind {
        SentCodeType::App(app) => (CodeVia::App, Some(app.length)),
        SentCodeType::Sms(sms) => (CodeVia::Sms, Some(sms.length)),
        SentCodeType::Call(call) => (CodeVia::Call, Some(call.length)),
        SentCodeType::FlashCall(_) => (CodeVia::FlashCall, None),
        SentCodeType::MissedCall(call) => (CodeVia::MissedCall, Some(call.length)),
        SentCodeType::EmailCode(email) => (CodeVia::Email, Some(email.length)),
        SentCodeType::FragmentSms(fragment) => (CodeVia::Fragment, Some(fragment.length)),
        _ => (CodeVia::Other, None),
    };
    (via, length.and_then(|length| u32::try_from(length).ok()))
}
