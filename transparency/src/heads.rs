//! Where each person's events end, committed in the log: a person with their events and their head can show that none is left out.
//!
//! 1. The head of a person: for each stream in which events are about them, the last one and how many there are, in the order of the
//!    streams' names. An event is about a person where the envelope or the payload has their `account_id`, and in their own stream.
//! 2. The heads of all, in the order of account ids, are the leaves of a tree (RFC 6962). Its tiles are kept (migration 0064), and its root
//!    goes into the log: `HeadsCommitted`. The leader does that once a day while the log is signed, `qr-login log heads` at once.
//! 3. A person's proof has their head with its place in that tree, the event, and each of their events; each with the hashes up to the root
//!    of a checkpoint. docs/trust.md has its form, and `qr-verify person` checks it.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use domain::{AccountId, Event, HISTORY_STREAM, HistoryCommand, HistoryEvent, StreamKind};
use eventlog::{Clock, Context, Database, Log, Outage, Store, StoreError, StoredEvent};
use futures::TryStreamExt;
use tokio::time::sleep;
use uuid::Uuid;

use crate::base64_of;
use crate::merkle::{Hash, inclusion_ranges, leaf_hash};
use crate::note::{Checkpoint, Note};
use crate::stored::{StoredTree, TreeError};
use crate::tiles::{Edge, FullTile, TileId, WIDTH, needed, roots};

/// How often the leader looks whether a day is over.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// What stands before the account of an event, in its envelope or its payload.
const ACCOUNT_ID: &str = "\"account_id\":\"";

/// What was committed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Where the event `HeadsCommitted` is.
    pub at_position: i64,
    /// The events up to this position are counted.
    pub position: i64,
    /// How many people.
    pub accounts: u64,
}

/// Why there is no proof for a person.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// The tree or the database.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Nothing was committed, or it was not signed yet.
    #[error("no heads were committed yet: the service does it once a day, and `qr-login log heads` at once")]
    NotCommitted,
    /// The person came later.
    #[error("this person has no event up to position {0}, at which heads were committed last")]
    Unknown(i64),
}

impl From<sqlx::Error> for NoProof {
    fn from(error: sqlx::Error) -> Self {
        Self::Tree(error.into())
    }
}

/// One stream's part of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    stream: String,
    stream_id: String,
    sequence: i64,
    position: i64,
    events: i64,
}

/// Step 1: the content of the leaf of a person.
fn content(account: Uuid, parts: &[Part]) -> String {
    let mut text = format!("account {account}");
    for line in head_lines(parts) {
        let _ = write!(text, "\n{line}");
    }
    text
}

fn head_lines(parts: &[Part]) -> Vec<String> {
    let quoted = |text: &str| {
        let mut quoted = String::new();
        eventlog::log::write_json_string(&mut quoted, text);
        quoted
    };
    let named: BTreeMap<String, &Part> = parts
        .iter()
        .map(|part| (format!("{},\"stream_id\":{}", quoted(&part.stream), quoted(&part.stream_id)), part))
        .collect();
    let line = |(name, part): (&String, &&Part)| {
        let Part { sequence, position, events, .. } = part;
        format!("{{\"stream\":{name},\"version\":{sequence},\"position\":{position},\"events\":{events}}}")
    };
    named.iter().map(line).collect()
}

/// Steps 1 and 2, for the log as it is now. None: nothing has happened since the last time.
///
/// # Errors
/// [`TreeError`].
pub async fn commit(db: &Database, clock: &Clock, context: Context) -> Result<Option<Committed>, TreeError> {
    let position = Log::new(db).end().await?;
    let before = commitments(db).await?;
    if position == 0 || before.last().is_some_and(|last| last.at_position == position) {
        return Ok(None);
    }
    let mut tree = Tree::default();
    let mut connection = db.direct().await?;
    // Text is matched, no JSON is read: an event that is no valid JSON stops nobody's head.
    let mut rows = sqlx::query!(
        r#"select a.id::uuid as "account_id!",
                  e.aggregate_type as stream,
                  e.aggregate_id as stream_id,
                  max(e.sequence) as "sequence!",
                  max(i.position) as "position!",
                  count(*) as "events!"
             from log_index i
             join events e on e.event_no = i.event_no
            cross join lateral (
                  select distinct id
                    from (values (substring(e.metadata::text from '"account_id":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')),
                                 (substring(e.payload::text from '"account_id":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')),
                                 (case when e.aggregate_type = 'account' then e.aggregate_id end)) named (id)
                   where id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') a
            where i.position <= $1
            group by 1, 2, 3
            order by 1"#,
        position
    )
    .fetch(&mut connection);
    let mut person: Option<(Uuid, Vec<Part>)> = None;
    while let Some(row) = rows.try_next().await? {
        if person.as_ref().is_none_or(|(account, _)| *account != row.account_id)
            && let Some((account, parts)) = person.replace((row.account_id, Vec::new()))
        {
            tree.push(account, &parts);
        }
        let (stream, stream_id) = (row.stream, row.stream_id);
        let part =
            Part { stream, stream_id, sequence: row.sequence, position: row.position, events: row.events };
        if let Some((_, parts)) = &mut person {
            parts.push(part);
        }
    }
    drop(rows);
    if let Some((account, parts)) = person {
        tree.push(account, &parts);
    }
    connection.close().await;
    tree.store(db, position).await?;
    let (accounts, root) = (tree.edge.size(), base64_of(&tree.edge.root()));
    let command = HistoryCommand::CommitHeads { position, accounts, root, at: clock.now() };
    Store::new(db).history(command, context).await.map_err(|error| match error {
        StoreError::Database(error) => TreeError::from(error),
        StoreError::Refused(never) => match never {},
        StoreError::Fenced => TreeError::from(sqlx::Error::WorkerCrashed),
    })?;
    // A proof needs one that is signed: the newest of these stays, until what was committed here is signed as well.
    let signed_size = sqlx::query_scalar!(r#"select coalesce(signed_size, 0) as "size!" from log_tree"#)
        .fetch_one(db.pool())
        .await?;
    if let Some(signed) = newest(before, signed_size) {
        sqlx::query!("delete from log_heads where position < $1", signed.position).execute(db.pool()).await?;
    }
    Ok(Some(Committed { at_position: 0, position, accounts }))
}

/// The tree over heads while it is made.
#[derive(Default)]
struct Tree {
    edge: Edge,
    full: Vec<FullTile>,
    ids: Vec<Uuid>,
}

impl Tree {
    fn push(&mut self, account: Uuid, parts: &[Part]) {
        self.edge.push(leaf_hash(content(account, parts).as_bytes()), &mut self.full);
        self.ids.push(account);
    }

    async fn store(&self, db: &Database, position: i64) -> Result<(), TreeError> {
        let partial = (0..8).filter(|level| !self.edge.tile(*level).is_empty()).map(|level| FullTile {
            id: TileId { level, index: self.edge.size() >> (8 * (u32::from(level) + 1)) },
            hashes: self.edge.tile(level).concat(),
        });
        for tile in self.full.iter().cloned().chain(partial) {
            let first = (tile.id.index * WIDTH) as usize;
            let ids = self.ids.iter().skip(first).take(WIDTH as usize).filter(|_| tile.id.level == 0);
            let ids: Vec<u8> = ids.flat_map(|id| *id.as_bytes()).collect();
            let first_id = self.ids.get(first).filter(|_| tile.id.level == 0);
            sqlx::query!(
                "insert into log_heads (position, level, index, hashes, first_id, ids) values ($1, $2, $3, $4, $5, nullif($6, ''::bytea)) \
                     on conflict (position, level, index) do update \
                    set hashes = excluded.hashes, first_id = excluded.first_id, ids = excluded.ids",
                position,
                i16::from(tile.id.level),
                tile.id.index.cast_signed(),
                tile.hashes,
                first_id.copied(),
                ids
            )
            .execute(db.pool())
            .await?;
        }
        Ok(())
    }
}

/// All that was committed, in order.
async fn commitments(db: &Database) -> Result<Vec<Committed>, TreeError> {
    let events =
        Log::new(db).of_streams(StreamKind::History, &[HISTORY_STREAM.to_owned()], "HeadsCommitted").await?;
    let committed = events.iter().filter_map(|event| match &event.event {
        Ok(Event::History(HistoryEvent::HeadsCommitted { position, accounts, .. })) => {
            Some(Committed { at_position: event.position, position: *position, accounts: *accounts })
        }
        _ => None,
    });
    Ok(committed.collect())
}

/// The newest one that is in the log of this size.
fn newest(commitments: Vec<Committed>, size: i64) -> Option<Committed> {
    commitments.into_iter().rev().find(|committed| committed.at_position <= size)
}

/// Commits once a day, for as long as it is polled: a day after the first event, and then after each commitment.
pub async fn commit_daily(db: Database, clock: Clock) -> Infallible {
    let mut outage = Outage::new(
        "the heads of people cannot be committed for now; it is tried again every ten minutes",
        "the heads of people can be committed again",
    );
    loop {
        match commit_if_due(&db, &clock).await {
            Ok(()) => outage.over(),
            Err(error) => outage.failed(&error),
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Where nothing is signed, nothing is committed either.
async fn commit_if_due(db: &Database, clock: &Clock) -> Result<(), TreeError> {
    if StoredTree::new(db).fault().await?.is_some() {
        return Ok(());
    }
    let is_due = sqlx::query_scalar!(
        r#"select coalesce((select recorded_at from events
                             where aggregate_type = 'log' and event_type = 'HeadsCommitted' order by event_no desc limit 1),
                           (select recorded_at from events order by event_no limit 1))
                  < clock_timestamp() - interval '1 day' as due"#
    )
    .fetch_one(db.pool())
    .await?;
    if is_due == Some(true) {
        commit(db, clock, Context::system()).await?;
    }
    Ok(())
}

/// Step 3: the proof file of a person, against this checkpoint.
///
/// # Errors
/// [`NoProof`].
pub async fn prove(
    db: &Database,
    account: AccountId,
    checkpoint: &Checkpoint,
    note: &Note,
) -> Result<String, NoProof> {
    let size = checkpoint.size;
    let committed = newest(commitments(db).await?, size.cast_signed()).ok_or(NoProof::NotCommitted)?;
    let (index, hashes) = place(db, &committed, account).await?;
    let events = events_of(db, account, size.cast_signed()).await?;
    let counted = events.iter().filter(|event| event.position <= committed.position);
    let mut file =
        format!("qr-login/person-proof@v1\naccount {account}\nheads {index} {}\n", committed.accounts);
    push_hashes(&mut file, &hashes);
    for line in head_lines(&parts_of(counted)) {
        let _ = writeln!(file, "head {line}");
    }
    let mut proven = Log::new(db).stored(committed.at_position - 1, 1).await.map_err(TreeError::from)?;
    proven.extend(events);
    let indexes: Vec<u64> = proven.iter().map(|event| event.position.unsigned_abs() - 1).collect();
    let proofs = StoredTree::new(db).inclusions(&indexes, size).await?;
    for (event, hashes) in proven.iter().zip(&proofs) {
        let _ = writeln!(file, "event {}", event.line());
        push_hashes(&mut file, hashes);
    }
    let _ = write!(file, "\n{note}");
    Ok(file)
}

fn push_hashes(file: &mut String, hashes: &[Hash]) {
    for hash in hashes {
        let _ = writeln!(file, "hash {}", base64_of(hash));
    }
}

/// The place of a person among the heads, and the hashes up to their root.
async fn place(
    db: &Database,
    committed: &Committed,
    account: AccountId,
) -> Result<(u64, Vec<Hash>), NoProof> {
    let row = sqlx::query!(
        r#"select index, ids as "ids!" from log_heads
            where position = $1 and level = 0 and first_id <= $2 order by first_id desc limit 1"#,
        committed.position,
        account.0
    )
    .fetch_optional(db.pool())
    .await?;
    let unknown = || NoProof::Unknown(committed.position);
    let row = row.ok_or_else(unknown)?;
    let (ids, _) = row.ids.as_chunks::<16>();
    let within = ids.iter().position(|id| id == account.0.as_bytes()).ok_or_else(unknown)?;
    let index = row.index.unsigned_abs() * WIDTH + within as u64;
    let ranges = inclusion_ranges(index, committed.accounts);
    let mut tiles = HashMap::new();
    for id in needed(&ranges) {
        let hashes = sqlx::query_scalar!(
            "select hashes from log_heads where position = $1 and level = $2 and index = $3",
            committed.position,
            i16::from(id.level),
            id.index.cast_signed()
        )
        .fetch_optional(db.pool())
        .await?;
        tiles.extend(hashes.map(|hashes| (id, hashes)));
    }
    let hashes = roots(&ranges, &tiles).ok_or(NoProof::NotCommitted)?;
    Ok((index, hashes))
}

/// The events about a person up to a position, in order.
async fn events_of(db: &Database, account: AccountId, end: i64) -> Result<Vec<StoredEvent>, TreeError> {
    let id = account.to_string();
    let beside = Log::new(db).stored_beside(&id, end).await?;
    Ok(beside.into_iter().filter(|event| is_about(event, &id)).collect())
}

fn is_about(event: &StoredEvent, id: &str) -> bool {
    account_in(&event.metadata) == Some(id)
        || account_in(&event.payload) == Some(id)
        || event.stream == StreamKind::Account.name() && event.stream_id == id
}

/// The first account that the text names, as the statement of [`commit`] finds it.
fn account_in(text: &str) -> Option<&str> {
    text.match_indices(ACCOUNT_ID).find_map(|(at, _)| {
        let (id, rest) = text[at + ACCOUNT_ID.len()..].split_at_checked(36)?;
        let is_id = rest.starts_with('"') && !id.contains(|letter: char| letter.is_ascii_uppercase());
        (is_id && id.parse::<Uuid>().is_ok()).then_some(id)
    })
}

fn parts_of<'a>(events: impl Iterator<Item = &'a StoredEvent>) -> Vec<Part> {
    let mut parts: BTreeMap<(&str, &str), Part> = BTreeMap::new();
    for event in events {
        let (stream, stream_id) = (&event.stream, &event.stream_id);
        let before = parts.get(&(stream.as_str(), stream_id.as_str())).map_or(0, |part| part.events);
        let part = Part {
            stream: stream.clone(),
            stream_id: stream_id.clone(),
            sequence: event.sequence,
            position: event.position,
            events: before + 1,
        };
        parts.insert((stream, stream_id), part);
    }
    parts.into_values().collect()
}
