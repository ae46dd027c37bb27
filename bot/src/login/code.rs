//! The one-phone way (core.telegram.org/api/auth): nobody can scan the screen in their own hand, so a person may ask for a
//! login code in the page, and give it back there.
//!
//! 1. send a code to the number, at the data centre of its account, once: a person who gets two does not know which counts
//! 2. record `CodeSent`; from here on no QR code is shown, but one that was shown still counts
//! 3. wait for the code and hand it on, once
//!
//! The code's hash stays in memory: whoever takes the login up after a crash shows a QR code again.

use domain::LoginCommand;
use domain::login::{CodeVia, FailReason, Method};
use grammers_client::tl::enums::auth::{LoginToken, SentCode as Sent, SentCodeType};
use grammers_client::tl::{functions, types};
use jiff::Timestamp;
use projections::vault::Wish;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::attempt::{Attempt, Stop};
use super::connection::{CallError, Heard};
use super::flow::{News, Step};

/// A code that is on its way, or in the person's hands.
pub struct SentCode {
    phone: Zeroizing<String>,
    hash: Zeroizing<String>,
}

impl Attempt {
    /// Steps 1 and 2.
    pub async fn send_code(&mut self, phone: Zeroizing<String>) -> Result<Step, Stop> {
        let app = &self.workers.telegram;
        let request = functions::auth::SendCode {
            phone_number: phone.to_string(),
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
        match answer {
            Ok(Sent::Code(sent)) => {
                let (via, length) = via(&sent.r#type);
                let (attempt, at) = (self.number(), self.now());
                self.record(LoginCommand::RecordCode { attempt, via, length, at }).await?;
                self.workers.vault.drop_token(self.login_id()).await?;
                tracing::info!(
                    login.id = self.login_id().short(),
                    "QR login waiting for a login code instead"
                );
                let hash = Zeroizing::new(sent.phone_code_hash);
                Ok(Step::Code(Box::new(SentCode { phone, hash })))
            }
            Ok(Sent::Success(success)) => {
                self.method = Method::Code;
                self.let_in(success.authorization).await
            }
            Err(CallError::KeyLost(_)) => Ok(Step::NewKey),
            Err(error @ (CallError::FloodWait(_) | CallError::Refused { .. })) if is_about_us(&error) => {
                Err(self.refused(&error))
            }
            // A number that is wrong, banned or asked about too often; or nobody knows: the person may try again.
            Ok(_) | Err(_) => {
                let (attempt, at) = (self.number(), self.now());
                self.record(LoginCommand::RejectCode { attempt, reason: domain::login::Refusal::Wrong, at })
                    .await?;
                Ok(Step::Export)
            }
        }
    }

    /// Step 3.
    pub async fn code(&mut self, sent: Box<SentCode>) -> Result<Step, Stop> {
        loop {
            match self.news(Timestamp::MAX).await? {
                News::Wish(Wish::Code(code)) => {
                    if let Some(step) = self.sign_in(&sent, &code).await? {
                        return Ok(step);
                    }
                }
                News::Wish(Wish::Phone(phone)) => return Ok(Step::SendCode { phone }),
                News::Heard(Heard::LoginToken) => match self.ask_for_token().await? {
                    // Nobody accepted a token after all; a new one would end the wait for the code.
                    Ok(LoginToken::Token(_)) => {}
                    answer => return self.follow(answer).await,
                },
                News::Wish(Wish::Password(_)) | News::Heard(Heard::Closed) | News::Silence => {}
            }
        }
    }

    /// Hands a code on; None where it was wrong.
    async fn sign_in(&mut self, sent: &SentCode, code: &str) -> Result<Option<Step>, Stop> {
        let request = functions::auth::SignIn {
            phone_number: sent.phone.to_string(),
            phone_code_hash: sent.hash.to_string(),
            phone_code: Some(code.to_owned()),
            email_verification: None,
        };
        self.method = Method::Code;
        let step = match self.ask_once(self.session().home(), &request).await {
            Ok(authorization) => return self.let_in(authorization).await.map(Some),
            Err(CallError::PasswordNeeded) => return Ok(Some(Step::Password)),
            Err(CallError::KeyLost(_)) => Some(Step::NewKey),
            Err(CallError::Refused { name, .. }) if name == "PHONE_NUMBER_UNOCCUPIED" => {
                return Err(Stop::Fail(FailReason::NotRegistered));
            }
            Err(error @ CallError::Unreachable(_)) => {
                self.wait_out(&error).await?;
                // Looks whether it was taken.
                match self.probe().await? {
                    Step::Export => None,
                    step => return Ok(Some(step)),
                }
            }
            Err(error @ CallError::FloodWait(_)) => {
                self.wait_out(&error).await?;
                None
            }
            Err(_) => None,
        };
        self.method = Method::Qr;
        if step.is_none() {
            let (attempt, at) = (self.number(), self.now());
            self.record(LoginCommand::RejectCode { attempt, reason: domain::login::Refusal::Wrong, at })
                .await?;
            tracing::info!(login.id = self.login_id().short(), "QR login was given a wrong code");
        }
        Ok(step)
    }
}

/// Whether no number would have done better.
fn is_about_us(error: &CallError) -> bool {
    matches!(error, CallError::Refused { name, .. } if name.starts_with("API_ID"))
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
