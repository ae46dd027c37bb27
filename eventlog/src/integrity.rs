//! Whether the log is whole: each position has its event, each committed event gets a position, and no stream has a gap.
//!
//! 1. Take one snapshot, for all statements. Events that are appended meanwhile are not in it.
//! 2. Positions are dense from 1, and the next one to give follows the last one.
//! 3. Each position has its event. Each event that the sequencer has counted in has a position.
//! 4. The sequences of each stream are dense from 1, and the positions of its events are in the same order.
//!
//! Each step is one statement over the whole log, by its indexes. Whether the views agree with the log is not looked at here.

use std::fmt;

use crate::database::{Connection, Database, DatabaseError};

/// Faults of one kind that are named; the others are counted.
const NAMED: i64 = 20;

/// What is wrong with the log. Its text is one line that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFault {
    /// No row has these positions, from the first to the last.
    NoPositions(i64, i64),
    /// A position whose event is gone.
    NoEvent(i64),
    /// A committed event that has no position, and will never get one.
    NoPosition(EventName),
    /// The next position to give, and the last one that was given.
    NextPosition(i64, i64),
    /// A stream without this event, though it has later ones.
    NoSequence(EventName),
    /// An event has this position, and a later one of its stream has an earlier position.
    OutOfOrder(i64, EventName),
    /// More faults of the kind before it: how many.
    More(i64),
}

/// Which event of which stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName {
    /// `login/<id>`.
    pub stream: String,
    /// Its number in the stream.
    pub sequence: i64,
}

/// Looks for faults, in one snapshot. It blocks nobody.
///
/// # Errors
/// The database's.
pub async fn check(db: &Database) -> Result<Vec<LogFault>, DatabaseError> {
    // Step 1.
    let begin = "begin isolation level repeatable read, read only";
    let mut snapshot = db.direct().await?.begin(begin).await?;
    let mut faults = positions(&mut snapshot).await?;
    faults.extend(pairs(&mut snapshot).await?);
    faults.extend(sequences(&mut snapshot).await?);
    faults.extend(orders(&mut snapshot).await?);
    snapshot.rollback().await?;
    Ok(faults)
}

/// Step 2.
async fn positions(snapshot: &mut Connection) -> Result<Vec<LogFault>, DatabaseError> {
    let ends = sqlx::query!(
        r#"select count(*) as "count!",
                  coalesce(max(position), 0) as "last!",
                  (select next_position from sequencer) as next_position
             from log_index"#
    )
    .fetch_one(&mut *snapshot)
    .await?;
    let mut faults = Vec::new();
    if ends.count != ends.last {
        let gaps = sqlx::query!(
            r#"select before + 1 as "first!", position - 1 as "last!", count(*) over () as "all!"
                 from (select position, lag(position, 1, 0::bigint) over (order by position) as before
                         from log_index) placed
                where position <> before + 1
                order by 1
                limit $1"#,
            NAMED
        )
        .fetch_all(&mut *snapshot)
        .await?;
        let all = gaps.first().map_or(0, |gap| gap.all);
        faults.extend(named(gaps.into_iter().map(|gap| LogFault::NoPositions(gap.first, gap.last)), all));
    }
    let next = ends.next_position.unwrap_or(0);
    if next != ends.last + 1 {
        faults.push(LogFault::NextPosition(next, ends.last));
    }
    Ok(faults)
}

/// Step 3. What the sequencer has not counted in yet waits for its next pass, or for its takeover of another cluster.
async fn pairs(snapshot: &mut Connection) -> Result<Vec<LogFault>, DatabaseError> {
    let unpaired = sqlx::query!(
        r#"with unpaired as materialized (
               select i.position, e.event_no
                 from log_index i
                 full join (select event_no from events) e on e.event_no = i.event_no
                where i.position is null or e.event_no is null
           ), faults as (
               select u.position, e.aggregate_type, e.aggregate_id, e.sequence, u.event_no
                 from unpaired u
                cross join sequencer s
                 left join events e on e.event_no = u.event_no
                where u.position is not null
                   or (e.cluster_no < s.cluster_no
                       or e.cluster_no = s.cluster_no and pg_visible_in_snapshot(e.transaction_id, s.taken))
                  and (s.cluster = case when pg_is_in_recovery() then s.cluster else this_cluster() end
                       or e.event_no < (select coalesce(max(event_no), 0) from log_index))
           )
           select position as "position?",
                  coalesce(aggregate_type || '/' || aggregate_id, '') as "stream!",
                  coalesce(sequence, 0) as "sequence!",
                  all_of_kind as "all!"
             from (select *,
                          count(*) over (partition by position is null) as all_of_kind,
                          row_number() over (partition by position is null order by position, event_no) as nth
                     from faults) numbered
            where nth <= $1
            order by position, event_no"#,
        NAMED
    )
    .fetch_all(snapshot)
    .await?;
    let (no_event, no_position): (Vec<_>, Vec<_>) =
        unpaired.into_iter().partition(|row| row.position.is_some());
    let mut faults = Vec::new();
    for rows in [no_event, no_position] {
        let all = rows.first().map_or(0, |row| row.all);
        let each = rows.into_iter().map(|row| match row.position {
            Some(position) => LogFault::NoEvent(position),
            None => LogFault::NoPosition(EventName { stream: row.stream, sequence: row.sequence }),
        });
        faults.extend(named(each, all));
    }
    Ok(faults)
}

/// Step 4: numbers.
async fn sequences(snapshot: &mut Connection) -> Result<Vec<LogFault>, DatabaseError> {
    let gaps = sqlx::query!(
        r#"with gaps as materialized (
               select aggregate_type, aggregate_id, min(sequence) as first
                 from events
                group by aggregate_type, aggregate_id
               having count(*) <> max(sequence)
           )
           select g.aggregate_type || '/' || g.aggregate_id as "stream!",
                  case when g.first > 1 then 1
                       else (select min(e.sequence) + 1
                               from events e
                              where (e.aggregate_type, e.aggregate_id) = (g.aggregate_type, g.aggregate_id)
                                and not exists (select from events n
                                                 where (n.aggregate_type, n.aggregate_id, n.sequence)
                                                     = (e.aggregate_type, e.aggregate_id, e.sequence + 1)))
                  end as "missing!",
                  (select count(*) from gaps) as "all!"
             from (select * from gaps order by aggregate_type, aggregate_id limit $1) g
            order by g.aggregate_type, g.aggregate_id"#,
        NAMED
    )
    .fetch_all(snapshot)
    .await?;
    let all = gaps.first().map_or(0, |gap| gap.all);
    let each = gaps
        .into_iter()
        .map(|gap| LogFault::NoSequence(EventName { stream: gap.stream, sequence: gap.missing }));
    Ok(named(each, all))
}

/// Step 4: order. Only events that have a later position than one of a greater number are looked up.
async fn orders(snapshot: &mut Connection) -> Result<Vec<LogFault>, DatabaseError> {
    let late = sqlx::query!(
        r#"with late as materialized (
               select position, event_no
                 from (select position,
                              event_no,
                              max(event_no) over (order by position
                                                  rows between unbounded preceding and 1 preceding) as before
                         from log_index) placed
                where event_no < before
           ), faults as (
               select late.position, e.aggregate_type, e.aggregate_id, e.sequence
                 from late
                 join events e on e.event_no = late.event_no
                where exists (select from events n
                                join log_index i on i.event_no = n.event_no
                               where (n.aggregate_type, n.aggregate_id) = (e.aggregate_type, e.aggregate_id)
                                 and n.sequence > e.sequence
                                 and i.position < late.position)
           )
           select position as "position!",
                  aggregate_type || '/' || aggregate_id as "stream!",
                  sequence as "sequence!",
                  count(*) over () as "all!"
             from faults
            order by position
            limit $1"#,
        NAMED
    )
    .fetch_all(snapshot)
    .await?;
    let all = late.first().map_or(0, |row| row.all);
    let each = late.into_iter().map(|row| {
        LogFault::OutOfOrder(row.position, EventName { stream: row.stream, sequence: row.sequence })
    });
    Ok(named(each, all))
}

/// These faults, and how many more there are of all.
fn named(faults: impl Iterator<Item = LogFault>, all: i64) -> Vec<LogFault> {
    let mut faults: Vec<_> = faults.collect();
    let more = all - faults.len() as i64;
    if more > 0 {
        faults.push(LogFault::More(more));
    }
    faults
}

impl fmt::Display for LogFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const RESTORE: &str =
            "the log was changed or damaged; restore the database from a backup that has it";
        match self {
            Self::NoPositions(first, last) if first == last => {
                write!(f, "position {first}: no event has it: {RESTORE}")
            }
            Self::NoPositions(first, last) => {
                write!(f, "positions {first} to {last}: no event has them: {RESTORE}")
            }
            Self::NoEvent(position) => write!(f, "position {position}: its event is gone: {RESTORE}"),
            Self::NoPosition(event) => {
                write!(f, "{event}: it has lost its position, and no view shows it: {RESTORE}")
            }
            Self::NextPosition(next, last) => write!(
                f,
                "position {last} is the last one, and {next} would be the next: the last events are gone, or \
                 sequencer.next_position was changed; restore the database from a backup that has them"
            ),
            Self::NoSequence(event) => {
                write!(f, "{event}: the event is gone, and the stream has later ones: {RESTORE}")
            }
            Self::OutOfOrder(position, event) => write!(
                f,
                "position {position}: {event} comes after a later event of its stream: positions were changed; \
                 restore the database from a backup"
            ),
            Self::More(count) => write!(f, "and {count} more like it"),
        }
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {}, event {}", self.stream, self.sequence)
    }
}
