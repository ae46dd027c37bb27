//! People by what they are and by what they are called, in an order, page by page.
//!
//! 1. **Slot**: in one snapshot, the live slot of `users`; only the slot has the text to search in.
//! 2. **Parts**: an order is one walk along an index. Ends of subscriptions are two: people with an end, then people without.
//! 3. **Walk** (some people in that order, and more where it is promising): a name that many have fills the page here.
//! 4. **Find**: a name that few have is found by its trigrams, and put in order. The planner knows nothing about names (they have no
//!    statistics), so each of the two is written so that it can be carried out in one way alone.
//! 5. **Rows**: the page, as the public view shows it.
//!
//! Filters have indexes of their own; which is used, PostgreSQL decides by how frequent the values are.

use domain::{AccountId, Role, Tier};
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as Stored, ToSqlx};
use sqlx::{Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::query::Query;
use super::{SubscriptionStatus, User, among};
use eventlog::database::{Connection, Database, DatabaseError};

/// How many people are looked at in their order before a name is looked for by its trigrams: at first, and where so many of those
/// have the name that more will fill the page.
const WALKED: (i64, i64) = (500, 10_000);
const PROMISING: usize = 3;

/// Which people, in which order; what is None filters nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Parts of names, `@username` from its beginning, a Telegram id or an account id.
    pub query: Option<String>,
    /// With this tier.
    pub tier: Option<Tier>,
    /// Whose subscription stands so.
    pub status: Option<SubscriptionStatus>,
    /// With this role.
    pub role: Option<Role>,
    /// Blocked, or not.
    pub blocked: Option<bool>,
    /// In which order. None: the latest to register first; but people who are looked for by `@username` come in the order of usernames,
    /// so that the one of exactly this name is the first.
    pub sort: Option<UserSort>,
}

/// In which order people are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserSort {
    /// The latest to register first.
    Newest,
    /// The first to register first.
    Oldest,
    /// The subscription that ends last first; people whose subscription has no end after all others.
    EndsLast,
    /// The subscription that ends first first; people whose subscription has no end after all others.
    EndsFirst,
    /// By first name, last name and username.
    Name,
}

impl UserSort {
    /// As the API spells them.
    pub const ALL: [(&'static str, Self); 5] = [
        ("-created_at", Self::Newest),
        ("created_at", Self::Oldest),
        ("-expires_at", Self::EndsLast),
        ("expires_at", Self::EndsFirst),
        ("name", Self::Name),
    ];

    /// The spelling of the API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, sort)| *sort == self).map_or("", |(name, _)| name)
    }

    /// The order of this spelling.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, sort)| *sort)
    }

    fn parts(self) -> &'static [Part] {
        const EMPTY: Part = Part { column: "subscription_expires_at", descending: false, is_null: true };
        match self {
            Self::Newest => &[Part { column: "created_at", descending: true, is_null: false }],
            Self::Oldest => &[Part { column: "created_at", descending: false, is_null: false }],
            Self::EndsLast => {
                &[Part { column: "subscription_expires_at", descending: true, is_null: false }, EMPTY]
            }
            Self::EndsFirst => {
                &[Part { column: "subscription_expires_at", descending: false, is_null: false }, EMPTY]
            }
            Self::Name => &[Part { column: "search", descending: false, is_null: false }],
        }
    }
}

/// A part of an order: a walk along one index.
#[derive(Clone, Copy, Debug)]
struct Part {
    column: &'static str,
    descending: bool,
    /// Only rows without a value in the column, or only rows with one.
    is_null: bool,
}

/// As the index of usernames has it.
const USERNAME: &str = "lower(username) collate \"C\"";

/// The person after whom a page begins, by each order.
struct Cursor {
    account_id: Uuid,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    search: String,
    username: String,
}

/// Up to `limit` people; those after this person in the order, where one is named. Nobody where that person was erased.
///
/// # Errors
/// The database's.
pub async fn filtered(
    db: &Database,
    filter: &UserFilter,
    after: Option<AccountId>,
    limit: i64,
) -> Result<Vec<User>, DatabaseError> {
    let mut snapshot = db.begin("begin isolation level repeatable read, read only").await?;
    let (slot, has_trigrams) = slot(&mut snapshot).await?;
    let query = filter.query.as_deref().and_then(|text| Query::read(text, has_trigrams));
    let cursor = match after {
        None => None,
        Some(account) => match find_cursor(&mut snapshot, &slot, account).await? {
            Some(cursor) => Some(cursor),
            None => return Ok(Vec::new()),
        },
    };
    let page = Page { slot: &slot, filter, query: query.as_ref(), cursor: cursor.as_ref() };
    let mut ids: Vec<Uuid> = Vec::new();
    for part in page.parts() {
        let left = limit - ids.len() as i64;
        if left > 0 && page.reaches(*part) {
            ids.extend(page.ids(&mut snapshot, *part, left).await?);
        }
    }
    let accounts: Vec<AccountId> = ids.iter().copied().map(AccountId).collect();
    // In the same snapshot, so nobody of the page is missing.
    let mut people = among(&mut *snapshot, &ids).await?;
    snapshot.rollback().await?;
    Ok(accounts.iter().filter_map(|account| people.remove(account)).collect())
}

/// Whether parts of names are found; else their beginnings alone. Where `pg_trgm` was installed later, a rebuild makes its index.
///
/// # Errors
/// The database's.
pub async fn finds_parts_of_names(db: &Database) -> Result<bool, DatabaseError> {
    let (_, has_trigrams) = slot(&mut db.pool().acquire().await?).await?;
    // Or a rebuild is due that makes the index.
    Ok(has_trigrams
        || sqlx::query_scalar!(
            r#"select version <> $1 and exists (select from pg_extension where extname = 'pg_trgm') as "is_due!"
                 from checkpoints where consumer = 'users'"#,
            super::VERSION,
        )
        .fetch_one(db.pool())
        .await?)
}

/// The live slot, and whether it has trigrams.
async fn slot(connection: &mut Connection) -> Result<(String, bool), sqlx::Error> {
    sqlx::query_as(
        "select slot, to_regclass(format('slots.users_%s_trigrams', slot)) is not null \
           from checkpoints where consumer = 'users'",
    )
    .fetch_one(connection)
    .await
}

async fn find_cursor(
    connection: &mut Connection,
    slot: &str,
    account: AccountId,
) -> Result<Option<Cursor>, sqlx::Error> {
    let select = format!(
        "select created_at, subscription_expires_at, coalesce(search, ''), coalesce({USERNAME}, '') \
           from slots.users_{slot} where account_id = $1"
    );
    let row: Option<(Stored, Option<Stored>, String, String)> =
        sqlx::query_as(&select).bind(account.0).fetch_optional(connection).await?;
    Ok(row.map(|(created_at, expires_at, search, username)| Cursor {
        account_id: account.0,
        created_at: created_at.to_jiff(),
        expires_at: expires_at.map(Stored::to_jiff),
        search,
        username,
    }))
}

/// What a walk found.
struct Walked {
    found: Vec<Uuid>,
    /// The page is full, or everybody was looked at.
    is_enough: bool,
}

/// A page of a list.
struct Page<'a> {
    slot: &'a str,
    filter: &'a UserFilter,
    query: Option<&'a Query>,
    cursor: Option<&'a Cursor>,
}

impl Page<'_> {
    /// The order, in walks.
    fn parts(&self) -> &'static [Part] {
        match self.filter.sort {
            Some(sort) => sort.parts(),
            None if self.query.is_some_and(Query::is_username) => {
                &[Part { column: USERNAME, descending: false, is_null: false }]
            }
            None => UserSort::Newest.parts(),
        }
    }

    /// Whether anybody of this part is after the cursor.
    fn reaches(&self, part: Part) -> bool {
        let past = |cursor: &Cursor| {
            part.column == "subscription_expires_at" && !part.is_null && cursor.expires_at.is_none()
        };
        !self.cursor.is_some_and(past)
    }

    async fn ids(
        &self,
        connection: &mut Connection,
        part: Part,
        limit: i64,
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        // By username, the index that finds people has them in their order.
        let Some(query) = self.query.filter(|_| part.column != USERNAME) else {
            let mut select = QueryBuilder::new("");
            self.push_select(&mut select, part);
            if let Some(query) = self.query {
                select.push(" and ");
                query.push_condition(&mut select);
            }
            self.push_order(&mut select, part);
            select.push(" limit ").push_bind(limit);
            return ids(connection, select).await;
        };
        if !query.is_unique() {
            let (first, then) = query.walks(WALKED);
            let walked = self.walk(connection, part, query, limit, first).await?;
            if walked.is_enough {
                return Ok(walked.found);
            }
            if walked.found.len() >= PROMISING {
                let walked = self.walk(connection, part, query, limit, then).await?;
                if walked.is_enough {
                    return Ok(walked.found);
                }
            }
        }
        // "offset 0" keeps the planner from a walk in that order.
        let mut select = QueryBuilder::new("select account_id from (");
        self.push_select(&mut select, part);
        select.push(" and ");
        query.push_condition(&mut select);
        select.push(" offset 0) found");
        self.push_order(&mut select, part);
        select.push(" limit ").push_bind(limit);
        ids(connection, select).await
    }

    /// Step 3: looks at so many people in their order.
    async fn walk(
        &self,
        connection: &mut Connection,
        part: Part,
        query: &Query,
        limit: i64,
        people: i64,
    ) -> Result<Walked, sqlx::Error> {
        let mut select = QueryBuilder::new("with walked as materialized (");
        self.push_select(&mut select, part);
        self.push_order(&mut select, part);
        select.push(" limit ").push_bind(people).push("), found as (select * from walked where ");
        query.push_condition(&mut select);
        self.push_order(&mut select, part);
        select.push(" limit ").push_bind(limit);
        select.push(") select (select count(*) from walked), array(select account_id from found");
        self.push_order(&mut select, part);
        select.push(")");
        let row = select.build().persistent(false).fetch_one(connection).await?;
        let (seen, found): (i64, Vec<Uuid>) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Walked { is_enough: seen < people || found.len() as i64 == limit, found })
    }

    /// The people of a part who are after the cursor and pass the filters; not yet in order.
    fn push_select(&self, select: &mut QueryBuilder<'_, Postgres>, part: Part) {
        select.push(format!(
            "select account_id, telegram_id, username, search, created_at, subscription_expires_at from slots.users_{} where ",
            self.slot
        ));
        select.push(format!("{} is {}null", part.column, if part.is_null { "" } else { "not " }));
        let UserFilter { tier, status, role, blocked, .. } = self.filter;
        if let Some(tier) = tier {
            select.push(" and subscription_type = ").push_bind(tier.name());
        }
        // Nobody else has a tier that is not free; there is an index for it.
        let implied = tier.filter(|tier| *tier != Tier::Free).map(|_| SubscriptionStatus::Active);
        for status in status.iter().chain(&implied.filter(|_| status.is_none())) {
            select.push(" and subscription_status = ").push_bind(status.name());
        }
        if let Some(role) = role {
            select.push(" and role = ").push_bind(role.name());
            if *role != Role::User {
                select.push(" and role <> 'user'");
            }
        }
        match blocked {
            Some(true) => drop(select.push(" and is_blocked")),
            Some(false) => drop(select.push(" and not is_blocked")),
            None => {}
        }
        let Some(cursor) = self.cursor else { return };
        let beyond = if part.descending { "<" } else { ">" };
        if part.is_null {
            if cursor.expires_at.is_none() {
                select.push(" and account_id > ").push_bind(cursor.account_id);
            }
            return;
        }
        select.push(format!(" and ({}, account_id) {beyond} (", part.column));
        match part.column {
            "created_at" => drop(select.push_bind(cursor.created_at.to_sqlx())),
            "search" => drop(select.push_bind(cursor.search.clone())),
            USERNAME => drop(select.push_bind(cursor.username.clone())),
            _ => drop(select.push_bind(cursor.expires_at.map(ToSqlx::to_sqlx))),
        }
        select.push(", ").push_bind(cursor.account_id).push(")");
    }

    fn push_order(&self, select: &mut QueryBuilder<'_, Postgres>, part: Part) {
        let direction = if part.descending { " desc" } else { "" };
        select.push(format!(" order by {}{direction}, account_id{direction}", part.column));
    }
}

async fn ids(
    connection: &mut Connection,
    mut select: QueryBuilder<'_, Postgres>,
) -> Result<Vec<Uuid>, sqlx::Error> {
    // Planned for its values: a plan for all values would not know how frequent they are.
    let rows = select.build().persistent(false).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get("account_id")).collect()
}
