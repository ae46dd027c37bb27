//! The one-phone way (core.telegram.org/api/auth): a person with one phone cannot scan its own screen, so a login code may be
//! asked for in the page, and given back there.
//!
//! 1. send a code to the number, at the data centre of its account, once: a person who gets two does not know which counts
//! 2. record `CodeSent`; from here on no QR code is shown, but one that was shown still counts, unless the number's data
//!    centre is another one
//! 3. wait for the code and hand it on, once; a code may be asked for again meanwhile
//!
//! What Telegram does not take is recorded as `CodeRejected` with the reason, and the login goes on where it was: at its QR
//! code, or at the code before. Number, code and the code's hash stay in memory. A worker that takes the login over after a crash
//! shows a QR code again, and says that the login code is of no use any more.

use domain::LoginCommand;
use domain::login::{CodeVia, FailReason, Method, Refusal};
use grammers_client::tl::enums::auth::{LoginToken, SentCode as Sent, SentCodeType};
use grammers_client::tl::{functions, types};
use jiff::{SignedDuration, Timestamp};
use vault::UserInput;
use zeroize::Zeroizing;

use super::attempt::Attempt;
use super::connection::{Answer, CallError, SETTLING_PAUSE, TelegramUpdate};
use super::step::{Back, SentCode, Step, Wakeup};
use super::stop::Stop;
use super::telegram_client::later;

/// A new QR code takes the message away that a number was refused. The person has so long to read it.
const READING_TIME: SignedDuration = SignedDuration::from_secs(3);

impl Attempt {
    /// Steps 1 and 2.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn send_code(&mut self, phone: Zeroizing<String>, back: Back) -> Result<Step, Stop> {
        let home = self.telegram.home();
        let error = match self.ask_for_code(&phone, &back).await? {
            Ok(Sent::Code(sent)) if may_be_typed(&sent.r#type) => return self.code_sent(phone, sent).await,
            Ok(Sent::Success(success)) => {
                self.method = Method::Code;
                return self.authorized(success.authorization).await;
            }
            // Or Telegram wants to be paid for it.
            Ok(Sent::Code(_) | Sent::PaymentRequired(_)) => None,
            Err(error) if is_about_us(&error) => return Err(self.refused(&error)),
            Err(error) => Some(error),
        };
        if let Some(CallError::FloodWait(pause)) = error {
            self.record.codes_flooded(later(self.record.now(), pause)).await?;
        }
        let reason = error.as_ref().map_or(Refusal::NoCode, refusal);
        let is_disconnected = matches!(error, Some(CallError::Unreachable(_)));
        if matches!(reason, Refusal::NumberInvalid | Refusal::NoCode) {
            self.record.code_not_sent().await?;
        }
        let read_until = self.record.now() + READING_TIME;
        self.reject_code(reason).await?;
        if let Some(CallError::KeyLost(_)) = error {
            return Ok(Step::NewKey);
        }
        Ok(match back {
            Back::Code(sent) => Step::Code(sent),
            // The QR code on the screen is of the data centre before, or its scan could not be reported.
            Back::Qr(_) if self.telegram.home() != home || is_disconnected => {
                Step::Wait { until: read_until }
            }
            Back::Qr(until) => Step::Wait { until: until.max(read_until) },
        })
    }

    /// Step 1. Where the same number asks again, Telegram sends the code in the next way that it has. Else it begins anew.
    async fn ask_for_code(&mut self, phone: &str, back: &Back) -> Result<Answer<Sent>, Stop> {
        if let Back::Code(before) = back
            && before.has_other_way
            && before.phone.as_str() == phone
        {
            let request = functions::auth::ResendCode {
                phone_number: phone.to_owned(),
                phone_code_hash: before.hash.to_string(),
                reason: None,
            };
            match self.telegram.call_once(self.telegram.home(), &request).await {
                // Not in that way after all.
                Err(CallError::Refused { .. }) => {}
                answer => return Ok(answer),
            }
        }
        let request = self.telegram.app().send_code(phone);
        let mut answer = self.telegram.call_once(self.telegram.home(), &request).await;
        if let Err(CallError::Elsewhere(dc_id)) = answer {
            self.make_key(dc_id).await?;
            self.telegram.move_to(dc_id).await;
            answer = self.telegram.call_once(dc_id, &request).await;
        }
        if answer == Err(CallError::Restart) {
            answer = self.telegram.call_once(self.telegram.home(), &request).await;
        }
        Ok(answer)
    }

    /// Step 2. The QR code is taken away before the event, so that a reader of the event finds none.
    async fn code_sent(
        &mut self,
        phone: Zeroizing<String>,
        sent: types::auth::SentCode,
    ) -> Result<Step, Stop> {
        self.record.drop_token().await?;
        let (via, length) = via(&sent.r#type);
        let (attempt, at) = (self.record.attempt(), self.record.now());
        self.record.execute(LoginCommand::RecordCode { attempt, via, length, at }).await?;
        self.record.code_went_out().await?;
        tracing::info!("QR login waiting for a login code instead");
        Ok(Step::Code(Box::new(SentCode {
            phone,
            hash: Zeroizing::new(sent.phone_code_hash),
            by_email: via == CodeVia::Email,
            has_other_way: sent.next_type.is_some(),
        })))
    }

    /// Step 3.
    ///
    /// # Errors
    /// [`Stop`].
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
                Wakeup::Telegram(update) => {
                    if update == TelegramUpdate::Closed {
                        // A server that hangs up on everybody at once is not asked at once.
                        tokio::time::sleep(SETTLING_PAUSE).await;
                    }
                    match self.ask_for_token().await? {
                        // No account has accepted a token after all. A new one would end the wait for the code.
                        Ok(LoginToken::Token(_)) => {}
                        answer => return self.follow(answer).await,
                    }
                }
                Wakeup::Input(UserInput::Password(_)) | Wakeup::Timeout => {}
            }
        }
    }

    /// Hands a code on. None: Telegram did not take it.
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
        let error = match self.telegram.call_once(self.telegram.home(), &request).await {
            Ok(authorization) => return self.authorized(authorization).await.map(Some),
            Err(CallError::PasswordNeeded) => return Ok(Some(Step::Password)),
            Err(CallError::Refused { name, .. }) if name == "PHONE_NUMBER_UNOCCUPIED" => {
                return Err(Stop::Fail(FailReason::NotRegistered));
            }
            Err(error) => error,
        };
        if let CallError::Unreachable(_) = error {
            self.wait_out(&error).await?;
            // Finds out whether Telegram took it.
            match self.probe().await? {
                Step::Export => {}
                step => return Ok(Some(step)),
            }
        }
        self.method = Method::Qr;
        self.reject_code(refusal(&error)).await?;
        match error {
            CallError::KeyLost(_) => return Ok(Some(Step::NewKey)),
            // The person is told first: the pause may be long.
            CallError::FloodWait(_) => self.wait_out(&error).await?,
            _ => {}
        }
        Ok(None)
    }

    /// Records why a number or a code was not taken.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn reject_code(&self, reason: Refusal) -> Result<(), Stop> {
        let (attempt, at) = (self.record.attempt(), self.record.now());
        self.record.execute(LoginCommand::RejectCode { attempt, reason, at }).await?;
        tracing::info!(?reason, "QR login's number or code was not taken");
        Ok(())
    }
}

/// Whether Telegram refuses our application, whatever the number.
fn is_about_us(error: &CallError) -> bool {
    matches!(error, CallError::Refused { name, .. } if name.starts_with("API_ID"))
}

/// What the person is told.
fn refusal(error: &CallError) -> Refusal {
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

/// Whether the code is digits. The page takes no word or phrase, and cannot set up an address for codes.
fn may_be_typed(kind: &SentCodeType) -> bool {
    use SentCodeType::{SetUpEmailRequired, SmsPhrase, SmsWord};
    !matches!(kind, SetUpEmailRequired(_) | SmsPhrase(_) | SmsWord(_))
}

/// How Telegram delivers the code, and how many digits it has.
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
