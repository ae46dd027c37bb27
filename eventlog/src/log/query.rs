//! The queries of the log, in SQL. Each filter is answered from an index, but for two. The filters `not_names` and `actor` have no
//! index: rows that pass the other filters are read and checked.
//!
//! All of them select the same columns, for one reading of rows, and some have a condition for each filter. So they are put
//! together at run time; a test prepares them in all their shapes.

use domain::{AccountId, InviteId, LoginId, StreamKind};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{Postgres, QueryBuilder};

#[cfg(test)]
mod tests;

/// Which events of the history; what is None filters nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// About this person.
    pub account: Option<AccountId>,
    /// Of this login and of what it led to.
    pub login: Option<LoginId>,
    /// Of this invite and of the logins by it.
    pub invite: Option<InviteId>,
    /// With this stored name.
    pub name: Option<String>,
    /// With none of these stored names.
    pub not_names: Vec<String>,
    /// By this actor: `system`, an account id, `tool:cli:ilya`; `tool:cli` means everybody at that tool.
    pub actor: Option<String>,
    /// Recorded at this time or later.
    pub since: Option<Timestamp>,
    /// Recorded before this time.
    pub until: Option<Timestamp>,
}

/// Events with their positions; a condition follows.
pub(super) const SELECT: &str = "
select i.position, e.recorded_at, e.aggregate_type, e.aggregate_id, e.sequence, e.event_type, e.event_version,
       e.payload, e.metadata
  from log_index i join events e on e.event_no = i.event_no
 where ";

/// Their positions alone; a condition follows.
pub(super) const SELECT_POSITIONS: &str = "
select i.position
  from log_index i join events e on e.event_no = i.event_no
 where ";

/// Event numbers, from the first up to the one before the last, that a filter's times are found between.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    pub from: Option<i64>,
    pub to: Option<i64>,
}

/// Up to `limit` events after a position, in order.
pub(super) fn next<'a>(select: &str, after: i64, limit: i64) -> QueryBuilder<'a, Postgres> {
    let mut query = QueryBuilder::new(select);
    query.push("i.position > ").push_bind(after);
    query.push(" order by i.position limit ").push_bind(limit);
    query
}

/// The event at a position.
pub(super) fn at<'a>(select: &str, position: i64) -> QueryBuilder<'a, Postgres> {
    let mut query = QueryBuilder::new(select);
    query.push("i.position = ").push_bind(position);
    query
}

/// The events at these positions, in order.
pub(super) fn at_each<'a>(select: &str, positions: &'a [i64]) -> QueryBuilder<'a, Postgres> {
    let mut query = QueryBuilder::new(select);
    query.push("i.position = any(").push_bind(positions).push(") order by i.position");
    query
}

/// The event with this number in its stream.
pub(super) fn one<'a>(
    select: &str,
    stream: &'a str,
    id: &'a str,
    sequence: i64,
) -> QueryBuilder<'a, Postgres> {
    let mut query = QueryBuilder::new(select);
    query.push("e.aggregate_type = ").push_bind(stream);
    query.push(" and e.aggregate_id = ").push_bind(id);
    query.push(" and e.sequence = ").push_bind(sequence);
    query
}

/// An event whose consequences are asked for.
#[derive(Clone, Debug)]
pub(super) struct Cause<'a> {
    /// As others name it: `stream/id/sequence`.
    pub name: String,
    pub position: i64,
    /// Whom it is about.
    pub account: Option<String>,
    /// In which login.
    pub login: Option<&'a str>,
}

/// Up to `limit` events that follow from this one, in order. Causes have no index, for which every append would
/// pay: what follows from an event is about the same person, or in the same login, and comes after it.
pub(super) fn led_to<'a>(select: &str, cause: &Cause<'a>, limit: i64) -> QueryBuilder<'a, Postgres> {
    let Cause { name, position, account, login } = cause.clone();
    let mut query = QueryBuilder::new(select);
    query.push("e.event_no = any(array(select event_no from events where metadata ->> 'account_id' = ");
    query.push_bind(account).push(" and event_no > (select event_no from log_index where position = ");
    query.push_bind(position).push(") and metadata ->> 'causation_id' = ").push_bind(name.clone());
    query.push(" union select event_no from events where metadata ->> 'correlation_id' = ").push_bind(login);
    query.push(" and event_no > (select event_no from log_index where position = ").push_bind(position);
    query.push(") and metadata ->> 'causation_id' = ").push_bind(name);
    query.push(")) order by i.position limit ").push_bind(limit);
    query
}

/// All events of one stream that have a position, in order.
pub(super) fn stream(kind: StreamKind, id: &str) -> QueryBuilder<'_, Postgres> {
    let mut query = QueryBuilder::new(SELECT);
    query.push("e.aggregate_type = ").push_bind(kind.name());
    query.push(" and e.aggregate_id = ").push_bind(id).push(" order by e.sequence");
    query
}

/// The events with this stored name of several streams of a kind, in order.
pub(super) fn of_streams<'a>(
    kind: StreamKind,
    ids: &'a [String],
    name: &'a str,
) -> QueryBuilder<'a, Postgres> {
    let mut query = QueryBuilder::new(SELECT);
    query.push("e.aggregate_type = ").push_bind(kind.name());
    query.push(" and e.aggregate_id = any(").push_bind(ids);
    query.push(") and e.event_type = ").push_bind(name).push(" order by i.position");
    query
}

/// The events with these stored names, up to a position, that say of themselves that they happened in an hour
/// (`2026-11-29T09`) or on a day (`2026-11-29`). It reads every event of these names.
pub(super) fn in_time<'a>(names: &'a [&'a str], time: &'a str, end: i64) -> QueryBuilder<'a, Postgres> {
    let mut query = QueryBuilder::new(SELECT);
    query.push("i.position <= ").push_bind(end);
    query.push(" and e.event_type = any(").push_bind(names);
    query.push(") and starts_with(e.payload #>> array[e.event_type, 'at'], ").push_bind(time);
    query.push(") order by i.position");
    query
}

/// Up to `limit` events after a position that pass the filter, in order.
pub(super) fn history<'a>(
    select: &str,
    filter: &'a Filter,
    window: Window,
    after: i64,
    limit: i64,
) -> QueryBuilder<'a, Postgres> {
    let mut query = passing(select, filter, window, after);
    query.push(" order by i.position limit ").push_bind(limit);
    query
}

/// The last `limit` events before a position that pass the filter, the latest first.
pub(super) fn last<'a>(
    select: &str,
    filter: &'a Filter,
    window: Window,
    before: i64,
    limit: i64,
) -> QueryBuilder<'a, Postgres> {
    let mut query = passing(select, filter, window, 0);
    query.push(" and i.position < ").push_bind(before);
    query.push(" order by i.position desc limit ").push_bind(limit);
    query
}

/// The position of the event that is the `number`th from the end, of those that pass the filter.
pub(super) fn nth_last<'a>(filter: &'a Filter, window: Window, number: i64) -> QueryBuilder<'a, Postgres> {
    let mut query = passing(SELECT_POSITIONS, filter, window, 0);
    query.push(" order by i.position desc offset ").push_bind(number - 1).push(" limit 1");
    query
}

/// The events up to a position that may be about one row of a view. Their numbers first, as an array: the planner takes
/// them for few, which they are.
pub(super) fn about<'a>(select: &str, id: &'a str, end: i64) -> QueryBuilder<'a, Postgres> {
    let mut query = QueryBuilder::new(select);
    query.push("i.position <= ").push_bind(end);
    query.push(" and e.event_no = any(array(select event_no from events where aggregate_id = ").push_bind(id);
    query.push(" and aggregate_type = any(").push_bind(StreamKind::ALL.map(StreamKind::name).to_vec());
    query.push(") union ").push(OF_STREAMS_ABOUT).push_bind(id).push(OF_STREAMS_ABOUT_END);
    query.push(")) order by i.position");
    query
}

/// How many events [`about`] looks at, counted up to `most`. An event may be counted twice.
pub(super) fn count_about(id: &str, most: i64) -> QueryBuilder<'_, Postgres> {
    let mut query =
        QueryBuilder::new("select count(*) from (select event_no from events where aggregate_id = ");
    query
        .push_bind(id)
        .push(" and aggregate_type = any(")
        .push_bind(StreamKind::ALL.map(StreamKind::name).to_vec());
    query.push(") union all ").push(OF_STREAMS_ABOUT).push_bind(id).push(OF_STREAMS_ABOUT_END);
    query.push(" limit ").push_bind(most).push(") as counted");
    query
}

/// The events up to a position of all streams in which something is about an account, and of its own, in order.
pub(super) fn beside<'a>(select: &str, account: &'a str, end: i64) -> QueryBuilder<'a, Postgres> {
    let mut query = QueryBuilder::new(select);
    query.push(
        "e.event_no = any(array(select s.event_no from (select aggregate_type, aggregate_id from events",
    );
    query.push(" where metadata ->> 'account_id' = ").push_bind(account);
    query.push(" union select 'account', ").push_bind(account);
    query.push(
        ") a join events s on s.aggregate_type = a.aggregate_type and s.aggregate_id = a.aggregate_id))",
    );
    query.push(" and i.position <= ").push_bind(end).push(" order by i.position");
    query
}

/// The numbers of the events of all streams in which something is about an account; its id follows, and the end.
const OF_STREAMS_ABOUT: &str = "
    select s.event_no
      from (select distinct aggregate_type, aggregate_id
              from events
             where aggregate_type <> 'invite'
               and metadata ->> 'account_id' = ";
const OF_STREAMS_ABOUT_END: &str = ") a
      join events s on s.aggregate_type = a.aggregate_type and s.aggregate_id = a.aggregate_id";

/// Selects the events after a position that pass a filter, in no order yet.
fn passing<'a>(select: &str, filter: &'a Filter, window: Window, after: i64) -> QueryBuilder<'a, Postgres> {
    let mut query = QueryBuilder::new(select);
    query.push("i.position > ").push_bind(after);
    if let Some(account) = filter.account {
        query.push(" and e.metadata ->> 'account_id' = ").push_bind(account.to_string());
    }
    if let Some(login) = &filter.login {
        query.push(" and e.metadata ->> 'correlation_id' = ").push_bind(login.as_str());
    }
    if let Some(invite) = filter.invite {
        let invite = invite.to_string();
        query.push(
            " and e.event_no in (
                select event_no from events where aggregate_type = 'invite' and aggregate_id = ",
        );
        query.push_bind(invite.clone()).push(
            " union
                select l.event_no
                  from events r join events l on l.metadata ->> 'correlation_id' = r.metadata ->> 'correlation_id'
                 where r.aggregate_type = 'invite' and r.event_type = 'InviteRedeemed' and r.aggregate_id = ",
        );
        query.push_bind(invite).push(")");
    }
    if let Some(name) = &filter.name {
        query.push(" and e.event_type = ").push_bind(name);
    }
    if !filter.not_names.is_empty() {
        query.push(" and e.event_type <> all(").push_bind(&filter.not_names).push(")");
    }
    if let Some(actor) = &filter.actor {
        query.push(" and (e.metadata ->> 'actor' = ").push_bind(actor);
        query.push(" or starts_with(e.metadata ->> 'actor', ").push_bind(format!("{actor}:")).push("))");
    }
    // Of both tables, so that neither is read beyond it.
    if let Some(from) = window.from {
        query.push(" and e.event_no >= ").push_bind(from).push(" and i.event_no >= ").push_bind(from);
    }
    if let Some(to) = window.to {
        query.push(" and e.event_no < ").push_bind(to).push(" and i.event_no < ").push_bind(to);
    }
    if let Some(since) = filter.since {
        query.push(" and e.recorded_at >= ").push_bind(since.to_sqlx());
    }
    if let Some(until) = filter.until {
        query.push(" and e.recorded_at < ").push_bind(until.to_sqlx());
    }
    query
}
