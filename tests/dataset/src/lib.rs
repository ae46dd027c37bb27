//! A log as the product writes it, of any size: people with their own keys in the vault, sealed names, logins that overlap in
//! time, positions that follow the commits and not the insertions. Loaded by COPY: 1,000,000 events in well under a minute.
//!
//! Ten logins make fifty events: four are confirmed, by two invites for two people each; two expire, four are cancelled.
//! Every login is another person's. Nothing is drawn by chance: the same size is always the same log.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use anyhow::Result;
use domain::{AccountId, StreamKind};
use eventlog::Database;
use jiff::{SignedDuration, Timestamp};
use sqlx::PgPool;
use vault::Subject;
use vault::Vault;

mod copy;
mod login;

use copy::CopyIn;
pub use login::BEGINNING_MS;
use login::{Login, Step};

/// What was loaded.
#[derive(Clone, Copy, Debug)]
pub struct Dataset {
    /// Logins, and people.
    pub logins: u64,
    /// Events, all with a position.
    pub events: u64,
    /// Invites.
    pub invites: u64,
    /// People with a subscription.
    pub subscriptions: u64,
}

/// People whose keys are made and read back at once.
const PEOPLE: usize = 20_000;
/// A login begins so long after the one before.
const APART_MS: i64 = 10;
/// How long before now the month begins, and how long before now it ends: its last login is over by then.
const MONTH_MS: i64 = 30 * 24 * 3600 * 1000;
const OVER_MS: i64 = 10 * 60 * 1000;

impl Dataset {
    /// Fills the log and the vault of a migrated database in which nothing has happened yet; the views stay empty.
    ///
    /// # Errors
    /// The database's.
    pub async fn load(db: &Database, logins: u32) -> Result<Self> {
        Self::load_later(db, logins, SignedDuration::ZERO).await
    }

    /// The same, begun so much later: subscriptions of old logins end as soon as somebody leads.
    ///
    /// # Errors
    /// The database's.
    pub async fn load_later(db: &Database, logins: u32, later: SignedDuration) -> Result<Self> {
        Self::fill(db, whole(logins), i64::try_from(later.as_millis())?, APART_MS).await
    }

    /// The same, spread over the month before `now`, and everything that follows from it has happened: nobody is told of it.
    ///
    /// # Errors
    /// The database's.
    pub async fn load_month(db: &Database, people: u32, now: Timestamp) -> Result<Self> {
        let logins = whole(people);
        let later_ms = now.as_millisecond() - OVER_MS - MONTH_MS - BEGINNING_MS;
        let dataset = Self::fill(db, logins, later_ms, MONTH_MS / i64::try_from(logins)?).await?;
        sqlx::query("update checkpoints set position = $1 where consumer = 'reactor'")
            .bind(i64::try_from(dataset.events)?)
            .execute(&db.pool().without_deadlines())
            .await?;
        Ok(dataset)
    }

    async fn fill(db: &Database, logins: u64, later_ms: i64, apart_ms: i64) -> Result<Self> {
        let pool = &db.pool().without_deadlines();
        let indexes = Indexes::take_down(pool).await?;
        let events = write(db, logins, later_ms, apart_ms).await?;
        indexes.put_up(pool).await?;
        settle(pool, events).await?;
        Ok(Self { logins, events, invites: logins / 5, subscriptions: logins / 5 * 2 })
    }
}

/// Ten logins are one round.
fn whole(logins: u32) -> u64 {
    u64::from(logins.next_multiple_of(10))
}

/// Everything in the order of insertion, and positions in the order of commits; how many events that are.
async fn write(db: &Database, logins: u64, later_ms: i64, apart_ms: i64) -> Result<u64> {
    let mut log = Log {
        events: CopyIn::begin(
            &db.pool().without_deadlines(),
            "events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, event_no, \
             recorded_at)",
        )
        .await?,
        index: CopyIn::begin(&db.pool().without_deadlines(), "log_index (position, event_no)").await?,
        uncommitted: BinaryHeap::new(),
        written: 0,
        placed: 0,
    };
    // By time, login and turn.
    let mut ahead: BTreeMap<(i64, u64, usize), Step> = BTreeMap::new();
    let mut people = Vec::new().into_iter();
    for number in 0..logins {
        if people.len() == 0 {
            let more = PEOPLE.min(usize::try_from(logins - number)?);
            people = subjects(db, number, more).await?.into_iter();
        }
        let Some(subject) = people.next() else { break };
        let begins = later_ms + i64::try_from(number)? * apart_ms;
        while let Some(next) = ahead.first_entry()
            && next.key().0 < begins
        {
            let ((at, ..), step) = next.remove_entry();
            log.insert(at, &step).await?;
        }
        for (turn, (after, step)) in Login::new(number, subject, begins).steps().into_iter().enumerate() {
            ahead.insert((begins + after, number, turn), step);
        }
    }
    for ((at, ..), step) in ahead {
        log.insert(at, &step).await?;
    }
    log.end().await
}

/// A key of their own for these people, and what opens and seals with it, in their order.
async fn subjects(db: &Database, from: u64, people: usize) -> Result<Vec<Subject>> {
    let numbers = from..from + people as u64;
    let accounts: Vec<AccountId> = numbers.clone().map(login::account).collect();
    let mut copy =
        CopyIn::begin(&db.pool().without_deadlines(), "vault.subjects (account_id, telegram_id, person_key)")
            .await?;
    for (account, number) in accounts.iter().zip(numbers) {
        copy.row(3);
        copy.uuid(account.0).bigint(login::telegram_id(number)).bytes(&login::person_key(number));
        copy.flush_if_full().await?;
    }
    copy.end().await?;
    let mut known = Vault::new(db).subjects(&accounts).await?;
    Ok(accounts.iter().filter_map(|account| known.remove(account)).collect())
}

/// The log as it is written: events are inserted in one order and committed in another.
struct Log {
    events: CopyIn,
    index: CopyIn,
    /// Inserted, and seen by the sequencer from then on.
    uncommitted: BinaryHeap<Reverse<(i64, i64)>>,
    written: i64,
    placed: i64,
}

impl Log {
    async fn insert(&mut self, at: i64, step: &Step) -> Result<()> {
        self.written += 1;
        let row = self.events.row(9);
        row.text(step.stream.name()).text(&step.stream_id).bigint(step.sequence).text(step.name).text("1");
        row.text(&step.payload).text(&step.metadata).bigint(self.written).timestamp(recorded(at)?);
        self.events.flush_if_full().await?;
        // Most commits take no time worth telling, one in sixty waits for the disk. Two people who share an invite come sooner after each
        // other than that, and the events of one stream are committed in their order.
        let waits = self.written.unsigned_abs().is_multiple_of(61) && step.stream != StreamKind::Invite;
        let takes = if waits { 25 } else { 0 };
        self.uncommitted.push(Reverse((at + takes, self.written)));
        self.place(at).await
    }

    /// Positions for what is committed by then.
    async fn place(&mut self, now: i64) -> Result<()> {
        while let Some(Reverse((at, _))) = self.uncommitted.peek()
            && *at <= now
            && let Some(Reverse((_, event_no))) = self.uncommitted.pop()
        {
            self.placed += 1;
            self.index.row(2).bigint(self.placed).bigint(event_no);
            self.index.flush_if_full().await?;
        }
        Ok(())
    }

    async fn end(mut self) -> Result<u64> {
        self.place(i64::MAX).await?;
        self.events.end().await?;
        self.index.end().await?;
        Ok(u64::try_from(self.placed)?)
    }
}

fn recorded(at: i64) -> Result<Timestamp> {
    Ok(Timestamp::from_millisecond(BEGINNING_MS + at)?)
}

/// What a mass of rows is slow to go through, taken down and put up again as it was.
struct Indexes {
    put_up: Vec<String>,
}

impl Indexes {
    async fn take_down(pool: &PgPool) -> Result<Self> {
        let constraints: Vec<(String, String)> = sqlx::query_as(
            "select format('alter table %s drop constraint %I', conrelid::regclass, conname), \
                    format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) \
               from pg_constraint \
              where conrelid in ('events'::regclass, 'log_index'::regclass) and contype in ('p', 'u')",
        )
        .fetch_all(pool)
        .await?;
        let indexes: Vec<(String, String)> = sqlx::query_as(
            "select format('drop index %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid) \
               from pg_index i \
              where i.indrelid = 'events'::regclass \
                and not exists (select from pg_constraint c where c.conindid = i.indexrelid)",
        )
        .fetch_all(pool)
        .await?;
        // Events of workers name a lease, of which nothing is here.
        let fence = "alter table events %s trigger events_fence";
        let fence = (fence.replace("%s", "disable"), fence.replace("%s", "enable"));
        let all: Vec<(String, String)> = constraints.into_iter().chain(indexes).chain([fence]).collect();
        for (down, _) in &all {
            sqlx::query(down).execute(pool).await?;
        }
        Ok(Self { put_up: all.into_iter().map(|(_, up)| up).collect() })
    }

    async fn put_up(self, pool: &PgPool) -> Result<()> {
        let mut connection = pool.acquire().await?;
        sqlx::query("set maintenance_work_mem = '512MB'").execute(&mut *connection).await?;
        for up in self.put_up {
            sqlx::query(&up).execute(&mut *connection).await?;
        }
        sqlx::query("reset maintenance_work_mem").execute(&mut *connection).await?;
        Ok(())
    }
}

/// The sequencer goes on after the last position, and the tables are as autovacuum leaves them.
async fn settle(pool: &PgPool, events: u64) -> Result<()> {
    let last = i64::try_from(events)?;
    sqlx::query("select setval(pg_get_serial_sequence('events', 'event_no'), $1)")
        .bind(last)
        .execute(pool)
        .await?;
    sqlx::query("update sequencer set next_position = $1, taken = pg_current_snapshot()")
        .bind(last + 1)
        .execute(pool)
        .await?;
    for step in [
        "vacuum (analyze) events",
        "vacuum (analyze) log_index",
        "vacuum (analyze) vault.subjects",
        "checkpoint",
    ] {
        sqlx::query(step).execute(pool).await?;
    }
    Ok(())
}
