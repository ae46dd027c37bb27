//! A person who is erased: what was not delivered about them is forgotten. Only `user.erased` is still told, by the account id.

use domain::AccountId;
use eventlog::database::{Database, DatabaseError, Transaction};

use crate::lanes::{self, Lanes};

/// Forgets what was not delivered about a person. To be called before their key is deleted; repeating it changes nothing.
///
/// # Errors
/// The database failed.
pub async fn drop_undelivered(db: &Database, account: AccountId) -> Result<u64, DatabaseError> {
    let mut transaction = lanes::begin(db).await?;
    let dropped = drop_in(&mut transaction, account).await?;
    transaction.commit().await?;
    Ok(dropped)
}

/// The same, in a transaction about lanes.
pub(crate) async fn drop_in(transaction: &mut Transaction, account: AccountId) -> Result<u64, sqlx::Error> {
    let dropped = sqlx::query!(
        "delete from vault.webhook_deliveries
          where account_id = $1 and state <> 'delivered' and type <> 'user.erased'
         returning webhook_id, lane",
        account.0,
    )
    .fetch_all(&mut **transaction)
    .await?;
    let lanes: Lanes = dropped.iter().map(|row| (row.webhook_id, row.lane)).collect();
    lanes.restore(transaction).await?;
    Ok(dropped.len() as u64)
}
