//! The 2-step password. It never comes here: the page computes a proof from it (core.telegram.org/api/srp).
//!
//! 1. ask Telegram for a challenge; it serves one try, so a new one is asked for before each
//! 2. put it where the page finds it, sealed, since the hint is personal
//! 3. record `PasswordRequested`, or after a try `PasswordRejected` with the reason
//! 4. wait for the proof and hand it on, once: a proof whose answer got lost may have been taken
//!
//! A proof for another challenge than the last is refused without asking Telegram, which would not take it. Such a proof comes
//! from a page that was open before a crash, or of a button that was pressed twice.
//!
//! The worker hands the proof to `auth.checkPassword` once. So the password is in no memory, log, database or backup of
//! ours. A reader of all of those cannot compute it, cannot test guesses against a proof, and cannot use a proof twice.
//! The page accepts only Telegram's published prime and numbers in range; others would reveal the password. Not
//! protected: an attacker who controls the page's code, and an attacker in Telegram's place, who can test one guess with
//! each try.

use domain::LoginCommand;
use domain::login::{FailReason, Refusal};
use grammers_client::tl::{enums, functions, types};
use jiff::Timestamp;
use vault::{PasswordChallenge, PasswordProof, UserInput};

use super::attempt::Attempt;
use super::connection::{CallError, SETTLING_PAUSE, SETTLING_TRIES};
use super::step::{Step, Wakeup};
use super::stop::Stop;

impl Attempt {
    /// Steps 1 to 4, until Telegram takes a proof.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn password(&mut self) -> Result<Step, Stop> {
        self.telegram.session().settle();
        self.save().await?;
        self.record.drop_token().await?;
        let attempt = self.record.attempt();
        let mut refused = None;
        loop {
            let challenge = match self.ask_for_challenge().await? {
                ChallengeAnswer::Challenge(challenge) => challenge,
                ChallengeAnswer::NotNeeded(step) => return Ok(step),
            };
            self.record.put_challenge(&challenge).await?;
            let at = self.record.now();
            if let Some((reason, flood)) = refused {
                if reason == Refusal::Stale {
                    self.record.forgive_password().await?;
                }
                self.record.execute(LoginCommand::RejectPassword { attempt, reason, at }).await?;
                tracing::info!("QR login's password was not taken");
                // The person is told first: the pause may be long.
                if let Some(flood) = flood {
                    self.wait_out(&flood).await?;
                }
            } else {
                self.record.execute(LoginCommand::RequestPassword { attempt, at }).await?;
                tracing::info!("QR login waiting for the 2-step password");
            }
            let proof = self.wait_for_proof(&challenge.srp_id).await?;
            match self.prove(&proof).await? {
                Proven::Step(step) => return Ok(step),
                Proven::No(reason) => refused = Some((reason, None)),
                Proven::NotYet(flood) => refused = Some((Refusal::TooMany, Some(flood))),
            }
        }
    }

    /// Step 1.
    async fn ask_for_challenge(&mut self) -> Result<ChallengeAnswer, Stop> {
        let mut tries = 0;
        let password = loop {
            match self.ask(self.telegram.home(), &functions::account::GetPassword {}).await? {
                Ok(enums::account::Password::Password(password)) => break password,
                // A data centre that has just taken the account in may not know the key for a second or two.
                Err(CallError::Unregistered) if tries < SETTLING_TRIES => tries += 1,
                Err(CallError::Unregistered) => return Ok(ChallengeAnswer::NotNeeded(Step::Export)),
                Err(CallError::KeyLost(_)) => return Ok(ChallengeAnswer::NotNeeded(Step::NewKey)),
                Err(error) => return Err(self.refused(&error)),
            }
            tokio::time::sleep(SETTLING_PAUSE).await;
        };
        let (Some(algorithm), Some(b), Some(srp_id)) =
            (password.current_algo, password.srp_b, password.srp_id)
        else {
            // The person has removed the password meanwhile.
            return Ok(ChallengeAnswer::NotNeeded(Step::Export));
        };
        let enums::PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(algorithm) = algorithm
        else {
            tracing::error!("Telegram wants a password in a way that is not known here");
            return Err(Stop::Fail(FailReason::Internal));
        };
        Ok(ChallengeAnswer::Challenge(PasswordChallenge {
            srp_id: srp_id.to_string(),
            b: hex(&b),
            p: hex(&algorithm.p),
            salt1: hex(&algorithm.salt1),
            salt2: hex(&algorithm.salt2),
            g: algorithm.g,
            hint: password.hint,
        }))
    }

    /// Step 4, the wait. Updates of Telegram change nothing meanwhile. The next call opens a dead connection anew.
    async fn wait_for_proof(&mut self, srp_id: &str) -> Result<PasswordProof, Stop> {
        loop {
            match self.wait_for_input_or_telegram(Timestamp::MAX).await? {
                Wakeup::Input(UserInput::Password(proof)) if proof.srp_id == srp_id => return Ok(proof),
                Wakeup::Input(UserInput::Password(_)) => {
                    let (attempt, at) = (self.record.attempt(), self.record.now());
                    let reason = Refusal::Stale;
                    self.record.forgive_password().await?;
                    self.record.execute(LoginCommand::RejectPassword { attempt, reason, at }).await?;
                }
                Wakeup::Input(_) | Wakeup::Telegram(_) | Wakeup::Timeout => {}
            }
        }
    }

    /// Step 4: hands the proof on.
    async fn prove(&mut self, proof: &PasswordProof) -> Result<Proven, Stop> {
        let (Ok(srp_id), Some(a), Some(m1)) = (proof.srp_id.parse(), unhex(&proof.a), unhex(&proof.m1))
        else {
            return Ok(Proven::No(Refusal::Wrong));
        };
        let password = types::InputCheckPasswordSrp { srp_id, a, m1 }.into();
        let request = functions::auth::CheckPassword { password };
        match self.telegram.call_once(self.telegram.home(), &request).await {
            Ok(authorization) => Ok(Proven::Step(self.authorized(authorization).await?)),
            Err(CallError::KeyLost(_)) => Ok(Proven::Step(Step::NewKey)),
            Err(error @ CallError::Unreachable(_)) => {
                self.wait_out(&error).await?;
                // Finds out whether Telegram took it. If not, the next round asks for another proof.
                match self.probe().await? {
                    Step::Password => Ok(Proven::No(Refusal::Unclear)),
                    step => Ok(Proven::Step(step)),
                }
            }
            Err(error @ CallError::FloodWait(_)) => Ok(Proven::NotYet(error)),
            Err(CallError::Refused { name, .. }) => Ok(Proven::No(match name.as_str() {
                "PASSWORD_HASH_INVALID" => Refusal::Wrong,
                "PHONE_PASSWORD_FLOOD" => Refusal::TooMany,
                name if name.starts_with("SRP_") => Refusal::Stale,
                _ => Refusal::Unclear,
            })),
            Err(_) => Ok(Proven::No(Refusal::Unclear)),
        }
    }
}

/// What Telegram answers to the question for a challenge.
enum ChallengeAnswer {
    Challenge(PasswordChallenge),
    /// No password is needed any more: take this step instead.
    NotNeeded(Step),
}

/// What Telegram made of a proof.
enum Proven {
    No(Refusal),
    /// Telegram asks to wait.
    NotYet(CallError),
    Step(Step),
}

/// In hex, lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_as_it_is_written() {
        assert_eq!(unhex(&hex(&[0, 15, 255])), Some(vec![0, 15, 255]));
        assert_eq!(unhex("0g"), None);
        assert_eq!(unhex("ü"), None);
    }
}
