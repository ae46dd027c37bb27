//! What a person gives in the page, for the worker of their login, and the password challenge that the worker gives the page.
//! Both are sealed, because phone numbers, codes and hints are private: input for workers alone, challenges for all who have the
//! derived keys.

use domain::LoginId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::derived_keys::DerivedKeys;
use crate::master::MasterKey;
use crate::pending_input::{InputKind, PendingInput};
use crate::vault::{Vault, VaultError, fenced_unless};
use eventlog::database::DatabaseError;
use eventlog::store::Fence;

/// What a person gives in the page.
#[derive(Clone, PartialEq, Eq)]
pub enum UserInput {
    /// Send a login code to this number.
    Phone(Zeroizing<String>),
    /// Log in with this code.
    Code(Zeroizing<String>),
    /// Log in with this proof of the 2-step password.
    Password(PasswordProof),
}

/// The SRP proof, as the page sends it: `{"srp_id": "…", "A": "…", "M1": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordProof {
    /// Which challenge it answers; decimal.
    pub srp_id: String,
    /// 256 bytes in hex.
    #[serde(rename = "A")]
    pub a: String,
    /// 32 bytes in hex.
    #[serde(rename = "M1")]
    pub m1: String,
}

/// What the page needs to make the proof, as it gets it (core.telegram.org/api/srp). It serves one try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordChallenge {
    /// Decimal: no number that JavaScript could round.
    pub srp_id: String,
    /// Hex.
    #[serde(rename = "B")]
    pub b: String,
    /// Hex.
    pub p: String,
    /// Hex.
    pub salt1: String,
    /// Hex.
    pub salt2: String,
    /// The generator.
    pub g: i32,
    /// The person's own hint for the password.
    pub hint: Option<String>,
}

impl UserInput {
    const fn kind(&self) -> InputKind {
        match self {
            Self::Phone(_) => InputKind::Phone,
            Self::Code(_) => InputKind::Code,
            Self::Password(_) => InputKind::Password,
        }
    }

    /// As the login's worker alone can open it.
    pub(crate) fn sealed_for(&self, keys: &DerivedKeys, login: &LoginId) -> Vec<u8> {
        keys.seal_input(&input_bound_to(login, self.kind()), &self.plain())
    }

    fn plain(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Phone(text) | Self::Code(text) => text.as_bytes().to_vec(),
            Self::Password(proof) => serde_json::to_vec(proof).expect("three strings"),
        })
    }
}

impl PendingInput {
    /// Opens it; None where it was not sealed for this login.
    pub fn open(&self, master: &MasterKey, login: &LoginId) -> Option<UserInput> {
        let plain = master.open_input(&input_bound_to(login, self.kind), &self.body)?;
        let text = || std::str::from_utf8(&plain).ok().map(|text| Zeroizing::new(text.to_owned()));
        match self.kind {
            InputKind::Phone => text().map(UserInput::Phone),
            InputKind::Code => text().map(UserInput::Code),
            InputKind::Password => serde_json::from_slice(&plain).ok().map(UserInput::Password),
        }
    }
}

impl Vault {
    /// Gives an input to the worker of the attempt. False: the attempt is over, or not open yet.
    ///
    /// # Errors
    /// The database failed.
    pub async fn give_input(
        &self,
        keys: &DerivedKeys,
        login: &LoginId,
        attempt: u32,
        input: &UserInput,
    ) -> Result<bool, DatabaseError> {
        self.store_input(login, attempt, input.kind(), &input.sealed_for(keys, login)).await
    }

    /// Stores the challenge that the next proof has to answer.
    ///
    /// # Errors
    /// [`VaultError::Fenced`]; the database failed.
    pub async fn put_challenge(
        &self,
        keys: &DerivedKeys,
        fence: &Fence,
        challenge: &PasswordChallenge,
    ) -> Result<(), VaultError> {
        let plain = Zeroizing::new(serde_json::to_vec(challenge).expect("strings and a number"));
        let done = sqlx::query!(
            "insert into vault.challenges (login_id, attempt, body)
             select login_id, attempt, $4 from vault.attempts
              where login_id = $1 and attempt = $2 and epoch = $3 for share
             on conflict (login_id, attempt) do update set body = excluded.body",
            fence.login_id.as_str(),
            i64::from(fence.attempt),
            fence.epoch,
            keys.seal_challenge(&challenge_bound_to(&fence.login_id), &plain)
        )
        .execute(self.db.pool())
        .await?;
        fenced_unless(done.rows_affected())
    }

    /// The challenge for the page; None where no password is asked for.
    ///
    /// # Errors
    /// The database failed.
    pub async fn challenge(
        &self,
        keys: &DerivedKeys,
        login: &LoginId,
        attempt: u32,
    ) -> Result<Option<PasswordChallenge>, DatabaseError> {
        let body = sqlx::query_scalar!(
            "select body from vault.challenges where login_id = $1 and attempt = $2",
            login.as_str(),
            i64::from(attempt)
        )
        .fetch_optional(self.db.pool())
        .await?;
        let plain = body.and_then(|body| keys.open_challenge(&challenge_bound_to(login), &body));
        Ok(plain.and_then(|plain| serde_json::from_slice(&plain).ok()))
    }
}

fn input_bound_to(login: &LoginId, kind: InputKind) -> Vec<u8> {
    format!("qr-login/wish/1\n{login}\n{}", kind.name()).into_bytes()
}

fn challenge_bound_to(login: &LoginId) -> Vec<u8> {
    format!("qr-login/challenge/1\n{login}").into_bytes()
}
