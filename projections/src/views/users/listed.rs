//! People as other services read them: with the position that a row is as of, and page by page in the order in which they registered.
//!
//! A page looks at a limited number of people. Where few of them have changed since a moment, it has few people or none, and a
//! cursor all the same. There is no index by the last change: each change of a row would have to write to it.

use domain::{AccountId, Tier};
use eventlog::database::{Database, DatabaseError};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::types::Json;
use sqlx::{Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::{SubscriptionStatus, User, among};

/// How many people one page looks at.
const LOOKED_AT: usize = 10_000;

/// A person, and the position that this is as of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsOf<T> {
    /// What the view shows.
    pub found: T,
    /// Every event up to it is in.
    pub position: i64,
}

/// Which people; what is None filters nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listing {
    /// With this tier.
    pub tier: Option<Tier>,
    /// Whose subscription stands so.
    pub status: Option<SubscriptionStatus>,
    /// Who have changed after this moment.
    pub updated_after: Option<Timestamp>,
    /// Those after this place.
    pub after: Option<Place>,
}

/// A place in the order of registration: a person's, whether they are still there or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When the person registered.
    pub created_at: Timestamp,
    /// Who it was.
    pub account_id: AccountId,
}

/// A page of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The people.
    pub users: Vec<User>,
    /// Where the next page begins; None: this was the last one.
    pub next: Option<Place>,
}

/// A person by their Telegram id.
///
/// # Errors
/// The database's.
pub async fn as_of(db: &Database, telegram_id: i64) -> Result<AsOf<Option<User>>, DatabaseError> {
    let row = sqlx::query!(
        r#"select c.position, (select to_jsonb(r) from users r where telegram_id = $1) as "user: Json<User>"
             from checkpoints c where c.consumer = 'users'"#,
        telegram_id,
    )
    .fetch_one(db.pool())
    .await?;
    Ok(AsOf { found: row.user.map(|Json(user)| user), position: row.position })
}

/// Up to `limit` people.
///
/// # Errors
/// The database's.
pub async fn page(db: &Database, listing: Listing, limit: usize) -> Result<AsOf<Page>, DatabaseError> {
    let looked_at = if listing.updated_after.is_some() { LOOKED_AT.max(limit) } else { limit };
    let mut snapshot = db.begin("begin isolation level repeatable read, read only").await?;
    let position = sqlx::query_scalar!("select position from checkpoints where consumer = 'users'")
        .fetch_one(&mut *snapshot)
        .await?;
    // One more says whether somebody follows.
    let rows = select(listing, looked_at + 1).build().persistent(false).fetch_all(&mut *snapshot).await?;
    let mut seen = Vec::new();
    for row in &rows {
        let (account_id, created_at): (Uuid, jiff_sqlx::Timestamp) = (row.try_get(0)?, row.try_get(1)?);
        let place = Place { created_at: created_at.to_jiff(), account_id: AccountId(account_id) };
        seen.push((place, row.try_get(2)?));
    }
    let (places, next) = fill(&seen, looked_at, limit);
    let ids: Vec<Uuid> = places.iter().map(|place| place.account_id.0).collect();
    // In the same snapshot, so nobody of the page is missing.
    let mut people = among(&mut *snapshot, &ids).await?;
    snapshot.rollback().await?;
    let users = places.iter().filter_map(|place| people.remove(&place.account_id)).collect();
    Ok(AsOf { found: Page { users, next }, position })
}

/// The people after the place in their order, and whether each is of the page.
fn select(listing: Listing, people: usize) -> QueryBuilder<'static, Postgres> {
    let mut select = QueryBuilder::new("select account_id, created_at, ");
    match listing.updated_after {
        Some(moment) => drop(select.push("updated_at > ").push_bind(moment.to_sqlx())),
        None => drop(select.push("true")),
    }
    select.push(" from users where true");
    if let Some(tier) = listing.tier {
        select.push(" and subscription_type = ").push_bind(tier.name());
    }
    if let Some(status) = listing.status {
        select.push(" and subscription_status = ").push_bind(status.name());
    }
    if let Some(Place { created_at, account_id }) = listing.after {
        select.push(" and (created_at, account_id) > (").push_bind(created_at.to_sqlx());
        select.push(", ").push_bind(account_id.0).push(")");
    }
    let limit = i64::try_from(people).unwrap_or(i64::MAX);
    select.push(" order by created_at, account_id limit ").push_bind(limit);
    select
}

/// The places of the page, and where the next one begins. `seen` has one place more than is looked at, where somebody follows.
fn fill(seen: &[(Place, bool)], looked_at: usize, limit: usize) -> (Vec<Place>, Option<Place>) {
    let mut places = Vec::new();
    for (number, (place, is_found)) in seen.iter().take(looked_at).enumerate() {
        if *is_found {
            places.push(*place);
        }
        let is_last = places.len() == limit || number + 1 == looked_at;
        if is_last {
            let next = (number + 1 < seen.len()).then_some(*place);
            return (places, next);
        }
    }
    (places, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_where_it_is_full_or_enough_was_looked_at() {
        let place = |number: u8| Place {
            created_at: Timestamp::UNIX_EPOCH,
            account_id: AccountId(Uuid::from_u128(u128::from(number))),
        };
        let page = |found: &[u8], seen: u8, looked_at, limit| {
            let seen: Vec<_> = (1..=seen).map(|number| (place(number), found.contains(&number))).collect();
            let (places, next) = fill(&seen, looked_at, limit);
            let number = |place: Place| place.account_id.0.as_u128();
            (places.into_iter().map(number).collect::<Vec<_>>(), next.map(number))
        };
        assert_eq!(page(&[], 0, 5, 2), (vec![], None));
        assert_eq!(page(&[1, 2], 2, 2, 2), (vec![1, 2], None));
        assert_eq!(page(&[1, 2, 3], 3, 2, 2), (vec![1, 2], Some(2)));
        assert_eq!(page(&[3], 6, 5, 2), (vec![3], Some(5)), "few have changed");
        assert_eq!(page(&[], 6, 5, 2), (vec![], Some(5)), "nobody has, of those who were looked at");
        assert_eq!(page(&[1, 3, 4], 6, 5, 2), (vec![1, 3], Some(3)));
        assert_eq!(page(&[1, 3], 3, 5, 2), (vec![1, 3], None));
    }
}
