//! Limits on tries, counted in the database: they survive restarts and hold for several processes together. A person is
//! stored as a keyed HMAC.
//!
//! A phone number is counted as an HMAC under the master key, and forgotten after a minute or two.
//!
//! A breaker keeps us from asking Telegram for codes while it tells everybody to wait:
//!
//! ```text
//!   closed ── three people were told to wait within ten minutes ──▶ open ── a minute ──▶ half-open
//!     ▲                                                              ▲                     │ one code a minute is tried
//!     │                                                              └── told to wait ─────┤
//!     └────────────── a code was sent, or ten minutes without a word from Telegram ────────┘
//! ```
//! A person who was told to wait waits for as long as Telegram said, and cannot open the breaker again meanwhile.

use std::time::Duration;

use domain::{AccountId, LoginId};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use crate::derived_keys::DerivedKeys;
use eventlog::database::{Connection, Database, DatabaseError};

/// At most `tries` in any `window`.
#[derive(Clone, Copy, Debug)]
struct Limit {
    kind: &'static str,
    tries: i32,
    window: Duration,
}

const ADMIN_SESSION: Limit = Limit { kind: "admin/session", tries: 10, window: Duration::from_mins(10) };
const LOGIN: Limit = Limit { kind: "login", tries: 10, window: Duration::from_mins(10) };
const CODES_A_LOGIN: Limit = Limit { kind: "code/login", tries: 2, window: Duration::from_hours(1) };
const CODES_A_PERSON: Limit = Limit { kind: "code/person", tries: 5, window: Duration::from_hours(24) };
const CODES_A_NUMBER: Limit = Limit { kind: "code/number", tries: 1, window: Duration::from_mins(1) };
/// The kind of row that says until when one person has to wait for the next code, because Telegram said so.
const FLOOD: &str = "code/flood";
/// Who was told to wait, for as long as that counts for the breaker.
const FLOOD_FOR_ALL: &str = "code/flood-for-all";
/// Where this many people were told to wait, the breaker is open.
const FLOODED_PEOPLE: i64 = 3;
/// How long the word of Telegram to one person counts for the breaker, at most.
const FLOOD_COUNTS: SignedDuration = SignedDuration::from_mins(10);
/// The kind of row that says when the next code may be tried while the breaker is open.
const PROBE: &str = "code/probe";
/// Between two codes that are tried while the breaker is open.
const PROBE_EVERY: SignedDuration = SignedDuration::from_mins(1);
const PASSWORDS_A_LOGIN: Limit = Limit { kind: "password/login", tries: 5, window: Duration::from_mins(5) };
const PASSWORDS_A_PERSON: Limit =
    Limit { kind: "password/person", tries: 10, window: Duration::from_hours(1) };

/// How often people may try to log in.
#[derive(Clone, Debug)]
pub struct LoginLimits {
    db: Database,
}

/// Why a try is refused.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// Too many tries.
    #[error("too many tries; the next one is at {0}")]
    RetryAt(Timestamp),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl LoginLimits {
    /// The limits kept in this database.
    pub fn new(db: &Database) -> Self {
        Self { db: db.clone() }
    }

    /// Counts one attempt of a login, and returns how many are left: 10 in 10 minutes a person. `person` is
    /// [`DerivedKeys::person_hmac`].
    /// A refused try does not count, and the same attempt counts once, however often it is tried: an update is handled
    /// again where the database failed in between.
    ///
    /// # Errors
    /// [`LimitError::RetryAt`] that moment.
    pub async fn try_login(
        &self,
        person: &[u8; 32],
        login: &LoginId,
        attempt: u32,
        now: Timestamp,
    ) -> Result<u32, LimitError> {
        let mut connection = self.db.pool().acquire().await.map_err(DatabaseError::from)?;
        count(&mut connection, LOGIN, person, Some(&format!("{login}/{attempt}")), now).await?;
        let window = SignedDuration::try_from(LOGIN.window).expect("a window is a day at most");
        let counted = sqlx::query_scalar!(
            r#"select count(*) as "count!" from vault.tries t, unnest(t.at) a
                where t.kind = $1 and t.who = $2 and a > $3"#,
            LOGIN.kind,
            &person[..],
            (now - window).to_sqlx() as _,
        );
        let counted = counted.fetch_one(&mut connection).await.map_err(DatabaseError::from)?;
        Ok(u32::try_from(i64::from(LOGIN.tries) - counted).unwrap_or_default())
    }

    /// Counts one login code: 2 a login, 5 a person and day, 1 a number and minute; and while the breaker is open, 1 a minute for
    /// all. The number is stored as a keyed HMAC. A refused try counts nowhere: neither this person nor the owner of the number
    /// loses anything by it.
    ///
    /// # Errors
    /// [`LimitError::RetryAt`] that moment; for a login that has had its codes, that is after its end.
    pub async fn try_code(
        &self,
        keys: &DerivedKeys,
        login: &LoginId,
        telegram_id: i64,
        phone: &str,
        now: Timestamp,
    ) -> Result<(), LimitError> {
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        let counted = [
            (CODES_A_NUMBER, keys.phone_number_hmac(&digits)),
            (CODES_A_LOGIN, keys.login_hmac(login)),
            (CODES_A_PERSON, keys.person_hmac(telegram_id)),
        ];
        self.count_all(&counted, true, now).await
    }

    /// Counts one try of a 2-step password: 5 a login in five minutes, 10 a person in an hour. A refused try does not count.
    ///
    /// # Errors
    /// [`LimitError::RetryAt`] that moment.
    pub async fn try_password(
        &self,
        keys: &DerivedKeys,
        login: &LoginId,
        telegram_id: i64,
        now: Timestamp,
    ) -> Result<(), LimitError> {
        let counted = [
            (PASSWORDS_A_LOGIN, keys.login_hmac(login)),
            (PASSWORDS_A_PERSON, keys.person_hmac(telegram_id)),
        ];
        self.count_all(&counted, false, now).await
    }

    /// Counts one try to open the admins' app: 10 in 10 minutes a person, also of a person who may not. `person` is
    /// [`DerivedKeys::person_hmac`]. A refused try does not count.
    ///
    /// # Errors
    /// [`LimitError::RetryAt`] that moment.
    pub async fn try_admin_session(&self, person: &[u8; 32], now: Timestamp) -> Result<(), LimitError> {
        self.count_all(&[(ADMIN_SESSION, *person)], false, now).await
    }

    /// Telegram did not send the code: the login may ask for another one. The code stays counted for the person's day.
    ///
    /// # Errors
    /// The database failed.
    pub async fn code_not_sent(&self, keys: &DerivedKeys, login: &LoginId) -> Result<(), DatabaseError> {
        self.take_back(CODES_A_LOGIN, &keys.login_hmac(login)).await
    }

    /// Whether Telegram may be asked to send this person a code: not while they have to wait, nor while the breaker is open and
    /// no code may be tried. The next [`Self::try_code`] has the last word.
    ///
    /// # Errors
    /// [`LimitError::RetryAt`] that moment.
    pub async fn codes_flow(&self, account: AccountId, now: Timestamp) -> Result<(), LimitError> {
        let until = sqlx::query_scalar!(
            r#"select max(until) as "until: jiff_sqlx::Timestamp" from (
               select max(a) as until from vault.tries t, unnest(t.at) a
                where t.kind = $1 and t.who = $2 and a > $3
               union all
               select max(a) from vault.tries t, unnest(t.at) a
                where t.kind = $4 and a > $3
                  and (select count(*) from vault.tries f where f.kind = $5 and f.at[1] > $3) >= $6) waits"#,
            FLOOD,
            &account.0.as_bytes()[..],
            now.to_sqlx() as _,
            PROBE,
            FLOOD_FOR_ALL,
            FLOODED_PEOPLE
        )
        .fetch_one(self.db.pool())
        .await
        .map_err(DatabaseError::from)?;
        until.map_or(Ok(()), |until| Err(LimitError::RetryAt(until.to_jiff())))
    }

    /// Telegram demands that this person waits with the next code.
    ///
    /// # Errors
    /// The database failed.
    pub async fn codes_flooded(
        &self,
        account: AccountId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        let person = &account.0.as_bytes()[..];
        for (kind, who, at) in [
            (FLOOD, person, until),
            (FLOOD_FOR_ALL, person, until.min(now + FLOOD_COUNTS)),
            (PROBE, &[][..], now + PROBE_EVERY),
        ] {
            sqlx::query!(
                "insert into vault.tries (kind, who, at) values ($1, $2, array[$3::timestamptz])
                 on conflict (kind, who) do update set at = excluded.at",
                kind,
                who,
                at.to_sqlx() as _
            )
            .execute(self.db.pool())
            .await?;
        }
        Ok(())
    }

    /// Telegram has sent a code to somebody: the breaker is closed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn code_went_out(&self) -> Result<(), DatabaseError> {
        let deleted =
            sqlx::query!("delete from vault.tries where kind = any($1)", &[FLOOD_FOR_ALL, PROBE] as _);
        deleted.execute(self.db.pool()).await?;
        Ok(())
    }

    /// Deletes the tries that do not count any more.
    ///
    /// # Errors
    /// The database failed.
    pub async fn prune(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let limits = [
            ADMIN_SESSION,
            LOGIN,
            CODES_A_LOGIN,
            CODES_A_PERSON,
            CODES_A_NUMBER,
            PASSWORDS_A_LOGIN,
            PASSWORDS_A_PERSON,
        ];
        let windows = limits.map(|limit| (limit.kind, limit.window.as_secs_f64())).into_iter().chain([
            (FLOOD, 0.0),
            (FLOOD_FOR_ALL, 0.0),
            (PROBE, 0.0),
        ]);
        for (kind, window_seconds) in windows {
            sqlx::query!(
                "delete from vault.tries t
                  where kind = $1
                    and not exists (select from unnest(t.at) a
                                     where a > $2::timestamptz - make_interval(secs => $3))",
                kind,
                now.to_sqlx() as _,
                window_seconds
            )
            .execute(self.db.pool())
            .await?;
        }
        Ok(())
    }

    /// Takes the last try of a 2-step password back: Telegram did not look at it, so it was no guess.
    ///
    /// # Errors
    /// The database failed: the try counts.
    pub async fn forgive_password(
        &self,
        keys: &DerivedKeys,
        login: &LoginId,
        telegram_id: i64,
    ) -> Result<(), DatabaseError> {
        self.take_back(PASSWORDS_A_LOGIN, &keys.login_hmac(login)).await?;
        self.take_back(PASSWORDS_A_PERSON, &keys.person_hmac(telegram_id)).await
    }

    /// Forgets the last try.
    async fn take_back(&self, limit: Limit, who: &[u8; 32]) -> Result<(), DatabaseError> {
        sqlx::query!(
            "update vault.tries
                set at = at[:cardinality(at) - 1], causes = causes[:cardinality(at) - 1]
              where kind = $1 and who = $2 and cardinality(at) > 0",
            limit.kind,
            &who[..]
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    async fn count_all(
        &self,
        limits: &[(Limit, [u8; 32])],
        is_code: bool,
        now: Timestamp,
    ) -> Result<(), LimitError> {
        let mut transaction = self.db.begin("begin").await.map_err(DatabaseError::from)?;
        let counted = async {
            for (limit, who) in limits {
                count(&mut transaction, *limit, who, None, now).await?;
            }
            match is_code {
                true => probe(&mut transaction, now).await,
                false => Ok(()),
            }
        };
        let counted = counted.await;
        let ended = match &counted {
            Ok(()) => transaction.commit().await,
            Err(_) => transaction.rollback().await,
        };
        counted?;
        Ok(ended.map_err(DatabaseError::from)?)
    }
}

/// Counts a try. Tries with the same `cause` count once; without a cause each one counts.
async fn count(
    connection: &mut Connection,
    limit: Limit,
    who: &[u8],
    cause: Option<&str>,
    now: Timestamp,
) -> Result<(), LimitError> {
    let window = SignedDuration::try_from(limit.window).expect("a window is a day at most");
    // One statement: the row's lock lets one of several tries at the same time go first.
    let counted = sqlx::query!(
        "insert into vault.tries as t (kind, who, at, causes)
         values ($1, $2, array[$3::timestamptz], array[$6::text])
         on conflict (kind, who) do update
            set (at, causes) = (select array_agg(a order by a), array_agg(cause order by a)
                                  from (select a, cause from unnest(t.at, t.causes) as kept (a, cause)
                                         where a > $4
                                        union all select $3, $6) as tries (a, cause))
          where (select count(*) from unnest(t.at) a where a > $4) < $5::int
            and ($6 = any (t.causes)) is not true",
        limit.kind,
        who,
        now.to_sqlx() as _,
        (now - window).to_sqlx() as _,
        limit.tries,
        cause
    )
    .execute(&mut *connection)
    .await
    .map_err(DatabaseError::from)?;
    if counted.rows_affected() == 1 {
        return Ok(());
    }
    let before = sqlx::query!(
        r#"select coalesce(bool_or($4 = any (t.causes)), false) as "is_counted!",
                  min(a) filter (where a > $3) as "oldest: jiff_sqlx::Timestamp"
           from vault.tries t, unnest(t.at) a where t.kind = $1 and t.who = $2"#,
        limit.kind,
        who,
        (now - window).to_sqlx() as _,
        cause
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(DatabaseError::from)?;
    if before.is_counted {
        return Ok(());
    }
    Err(LimitError::RetryAt(before.oldest.map_or(now, |oldest| oldest.to_jiff()) + window))
}

/// While the breaker is open: takes the one code that may be tried now.
async fn probe(connection: &mut Connection, now: Timestamp) -> Result<(), LimitError> {
    let row = sqlx::query!(
        r#"with open as (
           select count(*) >= $4 as is_open from vault.tries where kind = $3 and at[1] > $2),
         taken as (
           update vault.tries set at = array[$5::timestamptz]
            where kind = $1 and at[1] <= $2 and (select is_open from open)
           returning 1)
         select (select is_open from open) as "is_open!", exists (select from taken) as "is_taken!",
                (select max(at[1]) from vault.tries where kind = $1) as "next_at: jiff_sqlx::Timestamp""#,
        PROBE,
        now.to_sqlx() as _,
        FLOOD_FOR_ALL,
        FLOODED_PEOPLE,
        (now + PROBE_EVERY).to_sqlx() as _,
    )
    .fetch_one(connection)
    .await
    .map_err(DatabaseError::from)?;
    if !row.is_open || row.is_taken {
        return Ok(());
    }
    Err(LimitError::RetryAt(row.next_at.map_or(now + PROBE_EVERY, |at| at.to_jiff()).max(now)))
}

#[cfg(test)]
mod tests;
