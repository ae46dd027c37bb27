//! Orders of other services with an `Idempotency-Key`: each is carried out once, and its first answer is given again for a day.
//!
//! 1. **Claim**: one request carries the order out; another one with the same key meanwhile is told to wait.
//! 2. **Act**: the ids of what it makes come from the order's random bytes, which stay the same.
//! 3. **Answer**: kept with the order. Where the process dies before that, the next request claims the order a minute later, acts by
//!    the same ids, which changes nothing twice, and answers.
//!
//! Times are the database's.

use std::time::Duration;

use domain::{AccountId, ApiKeyId};
use eventlog::database::DatabaseError;

use crate::crypto::random;
use crate::derived_keys::OrderSeed;
use crate::vault::Vault;

/// How long an answer is given again.
pub const KEPT_FOR: Duration = Duration::from_hours(24);
/// After so long a request that did not answer counts as dead. None lasts so long.
const CLAIMED_FOR: Duration = Duration::from_mins(1);

/// An order of a key.
#[derive(Clone, Copy, Debug)]
pub struct ApiRequest<'a> {
    /// Whose.
    pub key_id: &'a ApiKeyId,
    /// The `Idempotency-Key`.
    pub request_key: &'a str,
    /// SHA-256 of method, path and body.
    pub request_sha256: &'a [u8; 32],
}

/// What a request with an `Idempotency-Key` is.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is to be carried out, by ids that are made from these bytes.
    Mine(OrderSeed),
    /// It was carried out before.
    Answered {
        /// The HTTP status.
        status: u16,
        /// JSON.
        answer: String,
    },
    /// Another request carries it out at this moment.
    InFlight,
    /// The key belongs to another order.
    OtherOrder,
}

impl Vault {
    /// Step 1.
    ///
    /// # Errors
    /// The database failed.
    pub async fn claim_api_request(&self, request: ApiRequest<'_>) -> Result<Claim, DatabaseError> {
        let row = sqlx::query!(
            r#"insert into vault.api_requests as r
                      (key_id, request_key, request_sha256, random, claimed_at, in_flight, created_at)
               values ($1, $2, $3, $4, clock_timestamp(), true, clock_timestamp())
               on conflict (key_id, request_key) do update
                  set claimed_at = excluded.claimed_at,
                      in_flight = true,
                      request_sha256 = excluded.request_sha256,
                      random = case when r.created_at < clock_timestamp() - make_interval(secs => $5)
                                    then excluded.random else r.random end,
                      created_at = case when r.created_at < clock_timestamp() - make_interval(secs => $5)
                                        then excluded.created_at else r.created_at end,
                      account_id = null,
                      status = null,
                      answer = null
                where r.created_at < clock_timestamp() - make_interval(secs => $5)
                   or (r.request_sha256 = excluded.request_sha256
                       and r.status is null
                       and (not r.in_flight or r.claimed_at < clock_timestamp() - make_interval(secs => $6)))
               returning random"#,
            request.key_id.as_str(),
            request.request_key,
            &request.request_sha256[..],
            &random::<{ size_of::<OrderSeed>() }>()[..],
            KEPT_FOR.as_secs_f64(),
            CLAIMED_FOR.as_secs_f64(),
        )
        .fetch_optional(self.db.pool())
        .await?;
        if let Some(row) = row {
            let seed = row.random.try_into();
            return seed
                .map(Claim::Mine)
                .map_err(|_| sqlx::Error::Decode("an order does not have 18 bytes".into()).into());
        }
        let row = sqlx::query!(
            "select request_sha256, status, answer from vault.api_requests where key_id = $1 and request_key = $2",
            request.key_id.as_str(),
            request.request_key,
        )
        .fetch_optional(self.db.pool())
        .await?;
        // Without a row: it was let go of, or pruned, between the two statements. The caller comes again.
        let Some(row) = row else { return Ok(Claim::InFlight) };
        if row.request_sha256 != request.request_sha256 {
            return Ok(Claim::OtherOrder);
        }
        Ok(match (row.status.map(u16::try_from), row.answer) {
            (Some(Ok(status)), Some(answer)) => Claim::Answered { status, answer },
            _ => Claim::InFlight,
        })
    }

    /// Step 3. `about`: the person whom the answer is about. Where they are erased, it is deleted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn answer_api_request(
        &self,
        request: ApiRequest<'_>,
        status: u16,
        answer: &str,
        about: Option<AccountId>,
    ) -> Result<(), DatabaseError> {
        // The person may have been erased since: then nothing of them is kept.
        sqlx::query!(
            "update vault.api_requests set in_flight = false, status = $4, answer = $5, account_id = $6
              where key_id = $1 and request_key = $2 and request_sha256 = $3 and status is null
                and ($6::uuid is null or exists (select from vault.subjects where account_id = $6 for key share))",
            request.key_id.as_str(),
            request.request_key,
            &request.request_sha256[..],
            i16::try_from(status).unwrap_or(i16::MAX),
            answer,
            about.map(|account| account.0),
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// The order failed on our side: the next request with its key carries it out again.
    ///
    /// # Errors
    /// The database failed.
    pub async fn let_go_of_api_request(&self, request: ApiRequest<'_>) -> Result<(), DatabaseError> {
        sqlx::query!(
            "update vault.api_requests set in_flight = false
              where key_id = $1 and request_key = $2 and request_sha256 = $3 and status is null",
            request.key_id.as_str(),
            request.request_key,
            &request.request_sha256[..],
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// Deletes what is not given again.
    ///
    /// # Errors
    /// The database failed.
    pub async fn prune_api_requests(&self) -> Result<u64, DatabaseError> {
        let dropped = sqlx::query!(
            "delete from vault.api_requests where created_at < clock_timestamp() - make_interval(secs => $1)",
            KEPT_FOR.as_secs_f64(),
        )
        .execute(self.db.pool())
        .await?;
        Ok(dropped.rows_affected())
    }
}
