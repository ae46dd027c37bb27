//! Invite codes and notes. The stream of an invite has a random id; the code that redeems it is stored only here.

use std::collections::HashMap;

use domain::{ApiKeyId, InviteId};
use uuid::Uuid;

use crate::crypto::random;
use crate::vault::Vault;
use eventlog::database::DatabaseError;

const LENGTH: usize = 12;
/// A–Z and 0–9 without the look-alikes 0, O, 1 and I: 32 characters, so that a random byte chooses without bias.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Hyphen-minus, hyphen, non-breaking hyphen, figure dash, en dash, em dash, minus: what keyboards make of a hyphen.
const HYPHENS: [char; 7] = ['-', '\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}'];

/// What the vault keeps of an invite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCode {
    /// What people type.
    pub code: String,
    /// For who made it.
    pub note: Option<String>,
    /// The API key that made it; None: an admin or the terminal did.
    pub made_by_key: Option<ApiKeyId>,
}

/// Why a code could not be added.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// Another invite has this code.
    #[error("the invite code is taken")]
    CodeTaken,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// A new code: 60 random bits in 12 characters, none of which looks like another.
pub fn random_code() -> String {
    random::<LENGTH>().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).iter().collect()
}

/// The code as it is stored, in upper case; None for a text that is not 12 of A–Z and 0–9. People write it in groups, so spaces
/// and hyphens of any kind do not count.
pub fn normalise_code(text: &str) -> Option<String> {
    let written = text.chars().filter(|c| !(c.is_whitespace() || HYPHENS.contains(c)));
    // One more than a code has tells a longer text from it.
    let code: String = written.take(LENGTH + 1).collect();
    (code.len() == LENGTH && code.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .then(|| code.to_ascii_uppercase())
}

impl Vault {
    /// Stores the code and note of an invite. Storing the same code for the same invite again is no error.
    ///
    /// # Errors
    /// [`CodeError::CodeTaken`]: another invite has this code.
    pub async fn add_code(
        &self,
        invite: InviteId,
        code: &str,
        note: Option<&str>,
        made_by_key: Option<&ApiKeyId>,
    ) -> Result<(), CodeError> {
        let is_kept = sqlx::query_scalar!(
            r#"with added as (
               insert into vault.invite_codes (invite_id, code, note, made_by_key)
               values ($1, $2, $3, $4) on conflict do nothing returning 1)
             select exists (select from added)
                 or exists (select from vault.invite_codes where invite_id = $1 and code = $2) as "is_kept!""#,
            invite.0,
            code,
            note,
            made_by_key.map(ApiKeyId::as_str)
        )
        .fetch_one(self.db.pool())
        .await
        .map_err(DatabaseError::from)?;
        if is_kept { Ok(()) } else { Err(CodeError::CodeTaken) }
    }

    /// The invite with this code, which is normalised first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn invite_of(&self, code: &str) -> Result<Option<InviteId>, DatabaseError> {
        let Some(code) = normalise_code(code) else { return Ok(None) };
        let id = sqlx::query_scalar!("select invite_id from vault.invite_codes where code = $1", code)
            .fetch_optional(self.db.pool())
            .await?;
        Ok(id.map(InviteId))
    }

    /// An invite's code and note.
    ///
    /// # Errors
    /// The database failed.
    pub async fn code_of(&self, invite: InviteId) -> Result<Option<(String, Option<String>)>, DatabaseError> {
        let row = sqlx::query!("select code, note from vault.invite_codes where invite_id = $1", invite.0)
            .fetch_optional(self.db.pool())
            .await?;
        Ok(row.map(|row| (row.code, row.note)))
    }

    /// What is kept of these invites.
    ///
    /// # Errors
    /// The database failed.
    pub async fn codes_of(&self, invites: &[InviteId]) -> Result<HashMap<InviteId, KeptCode>, DatabaseError> {
        let ids: Vec<Uuid> = invites.iter().map(|invite| invite.0).collect();
        let rows = sqlx::query!(
            "select invite_id, code, note, made_by_key from vault.invite_codes where invite_id = any($1)",
            &ids
        )
        .fetch_all(self.db.pool())
        .await?;
        let kept = rows.into_iter().map(|row| {
            let made_by_key = row.made_by_key.and_then(|key_id| key_id.parse().ok());
            (InviteId(row.invite_id), KeptCode { code: row.code, note: row.note, made_by_key })
        });
        Ok(kept.collect())
    }

    /// The owner of the codes, where the role of this connection is somebody else: None where it may do what the owner may.
    ///
    /// # Errors
    /// The database failed.
    pub async fn other_owner_of_codes(&self) -> Result<Option<String>, DatabaseError> {
        Ok(sqlx::query_scalar!(
            r#"select pg_get_userbyid(relowner)::text as "owner!"
                 from pg_class
                where oid = 'vault.invite_codes'::regclass and not pg_has_role(current_user, relowner, 'usage')"#
        )
        .fetch_optional(self.db.pool())
        .await?)
    }
}
