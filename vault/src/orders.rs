//! What people order in the chat, or the admins' app: a login, or an invite. An order may come twice, and both times mean the same: the random
//! bytes that its id is made from are drawn once, and kept until the order is old or the person is erased. An id says nothing
//! of the person, not even to somebody who holds the log and the master key.

use std::fmt;
use std::time::Duration;

use eventlog::database::DatabaseError;

use crate::crypto::random;
use crate::derived_keys::OrderSeed;
use crate::vault::Vault;

/// What an order came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An update of the bot, by its number.
    Update(i64),
    /// A button under a message of this id. The text names the choice, where a message offers several.
    Button(i32, String),
    /// A request with this key, which the admins' app made up; and which of the things that it orders.
    Request(String, u32),
}

/// The stored form.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Update(number) => write!(f, "update/{number}"),
            Self::Button(message, choice) => write!(f, "button/{message}/{choice}"),
            Self::Request(key, number) => write!(f, "request/{key}/{number}"),
        }
    }
}

impl Vault {
    /// The random bytes of this order: drawn when it comes first, and the same ever after.
    ///
    /// # Errors
    /// The database failed.
    pub async fn order(&self, chat: i64, origin: &Origin) -> Result<OrderSeed, DatabaseError> {
        let drawn: OrderSeed = random();
        let kept = sqlx::query_scalar!(
            "insert into vault.orders (chat, origin, random) values ($1, $2, $3)
             on conflict (chat, origin) do update set chat = excluded.chat
             returning random",
            chat,
            origin.to_string(),
            &drawn[..],
        )
        .fetch_one(self.db.pool())
        .await?;
        kept.try_into().map_err(|_| sqlx::Error::Decode("an order does not have 18 bytes".into()).into())
    }

    /// Deletes orders that are too old to come again.
    ///
    /// # Errors
    /// The database failed.
    pub async fn prune_orders(&self, older_than: Duration) -> Result<u64, DatabaseError> {
        let dropped = sqlx::query!(
            "delete from vault.orders where created_at < clock_timestamp() - make_interval(secs => $1)",
            older_than.as_secs_f64(),
        )
        .execute(self.db.pool())
        .await?;
        Ok(dropped.rows_affected())
    }
}
