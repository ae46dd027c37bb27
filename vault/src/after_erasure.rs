//! What is kept of an erased person: a block, and which invites they have used. The person is stored as a keyed HMAC of the
//! Telegram id ([`DerivedKeys::person_hmac`](super::DerivedKeys::person_hmac)).

use domain::InviteId;
use uuid::Uuid;

use crate::vault::Vault;
use eventlog::database::DatabaseError;

/// What is kept of a person who was erased. It is empty for everybody else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptAfterErasure {
    /// They were blocked, and their new account, if there is one, is not blocked yet.
    pub blocked: bool,
    /// Invites that they have used.
    pub used_invites: Vec<InviteId>,
}

impl Vault {
    /// Keeps this of a person, beside what is kept already. Repeating it changes nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remember(&self, person: &[u8; 32], what: &KeptAfterErasure) -> Result<(), DatabaseError> {
        let invites: Vec<Uuid> = what.used_invites.iter().map(|invite| invite.0).collect();
        sqlx::query!(
            "insert into vault.remembered as r (who, blocked, used_invites)
             select $1, $2, $3::uuid[] where $2 or cardinality($3) > 0
             on conflict (who) do update
                set blocked = r.blocked or excluded.blocked,
                    used_invites = array(select unnest(r.used_invites)
                                          union select unnest(excluded.used_invites) order by 1)",
            &person[..],
            what.blocked,
            &invites
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// What is kept of this person.
    ///
    /// # Errors
    /// The database failed.
    pub async fn kept_after_erasure(&self, person: &[u8; 32]) -> Result<KeptAfterErasure, DatabaseError> {
        let row =
            sqlx::query!("select blocked, used_invites from vault.remembered where who = $1", &person[..])
                .fetch_optional(self.db.pool())
                .await?;
        let Some(row) = row else { return Ok(KeptAfterErasure::default()) };
        let used_invites = row.used_invites.into_iter().map(InviteId).collect();
        Ok(KeptAfterErasure { blocked: row.blocked, used_invites })
    }

    /// The person came back, and their new account is blocked. From here on the block is kept in that account only.
    ///
    /// # Errors
    /// The database failed.
    pub async fn block_was_carried_over(&self, person: &[u8; 32]) -> Result<(), DatabaseError> {
        sqlx::query!("update vault.remembered set blocked = false where who = $1", &person[..])
            .execute(self.db.pool())
            .await?;
        Ok(())
    }
}
