//! What happened over time: hours of the view `hourly_counts`; days of `daily_counts`, and weeks as their sums. All of it is in UTC.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Unit, ZonedRound};

use crate::views::daily_counts;
use crate::views::hourly_counts::{self, Counts, beginning_of};
use eventlog::database::{Database, DatabaseError};

/// More are refused.
pub const MOST_BUCKETS: usize = 1000;

/// What is added up together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bucket {
    /// An hour.
    Hour,
    /// A day of UTC.
    #[default]
    Day,
    /// From Monday to Sunday.
    Week,
}

/// A stretch of time, in whole buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The beginning of the first bucket.
    pub from: Timestamp,
    /// The end of the last bucket.
    pub to: Timestamp,
    /// What is added up together.
    pub bucket: Bucket,
}

/// Why a stretch of time is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    /// It ends before it begins.
    #[error("it ends before it begins")]
    Backwards,
    /// It has too many buckets.
    #[error("it has more than {MOST_BUCKETS} buckets")]
    TooLong,
}

impl Bucket {
    /// The beginning of the bucket that an instant is in.
    pub fn beginning(self, at: Timestamp) -> Timestamp {
        let at = at.to_zoned(TimeZone::UTC);
        let unit = if self == Self::Hour { Unit::Hour } else { Unit::Day };
        let floor = ZonedRound::new().smallest(unit).mode(jiff::RoundMode::Floor);
        let day = at.round(floor).unwrap_or(at);
        match self {
            Self::Hour | Self::Day => day.timestamp(),
            Self::Week => {
                let monday = day.checked_sub(i64::from(day.weekday().to_monday_zero_offset()).days());
                monday.unwrap_or(day).timestamp()
            }
        }
    }

    const fn length(self) -> SignedDuration {
        SignedDuration::from_hours(match self {
            Self::Hour => 1,
            Self::Day => 24,
            Self::Week => 7 * 24,
        })
    }
}

impl Range {
    /// From the bucket that holds one instant to the bucket that holds what is just before the other.
    ///
    /// # Errors
    /// [`BadRange`].
    pub fn new(from: Timestamp, to: Timestamp, bucket: Bucket) -> Result<Self, BadRange> {
        if to <= from {
            return Err(BadRange::Backwards);
        }
        let from = bucket.beginning(from);
        let last = bucket.beginning(to.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(to));
        let to = last.checked_add(bucket.length()).map_err(|_| BadRange::TooLong)?;
        let range = Self { from, to, bucket };
        if range.number() > MOST_BUCKETS as i64 { Err(BadRange::TooLong) } else { Ok(range) }
    }

    /// A day of UTC has 24 hours.
    fn number(self) -> i64 {
        let hours = |duration: SignedDuration| duration.as_hours();
        hours(self.to.duration_since(self.from)) / hours(self.bucket.length())
    }
}

/// What happened in each bucket, also in those in which nothing did, each with its beginning.
///
/// # Errors
/// The database's.
pub async fn buckets(db: &Database, range: Range) -> Result<Vec<(Timestamp, Counts)>, DatabaseError> {
    let Range { from, bucket, .. } = range;
    let beginnings = (0..range.number()).map(|number| from + bucket.length() * number as i32);
    let mut buckets: Vec<_> = beginnings.map(|beginning| (beginning, Counts::default())).collect();
    for (at, row) in rows(db, range).await? {
        let number = at.duration_since(from).as_hours() / bucket.length().as_hours();
        if let Some((_, counts)) = usize::try_from(number).ok().and_then(|number| buckets.get_mut(number)) {
            counts.add(&row);
        }
    }
    Ok(buckets)
}

/// The rows that a stretch of time is added up from, each with its beginning.
async fn rows(db: &Database, range: Range) -> Result<Vec<(Timestamp, Counts)>, DatabaseError> {
    let Range { from, to, bucket } = range;
    let (rows, rest) = match bucket {
        Bucket::Hour => (hourly_counts::between(db, from, to).await?, ""),
        Bucket::Day | Bucket::Week => {
            let days = daily_counts::between(db, from, to).await?;
            (days.into_iter().map(|day| day.0).collect(), "T00")
        }
    };
    let with_beginning =
        |row: Counts| beginning_of(&format!("{}{rest}", row.hour)).map(|beginning| (beginning, row));
    Ok(rows.into_iter().filter_map(with_beginning).collect())
}

/// What happened from the hour of one instant on, until now.
///
/// # Errors
/// The database's.
pub async fn since(db: &Database, from: Timestamp) -> Result<Counts, DatabaseError> {
    let mut sum = Counts::default();
    for hour in hourly_counts::between(db, from, Timestamp::MAX).await? {
        sum.add(&hour);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_is_whole_buckets() {
        let (from, to) = (at("2026-11-25T10:30:00Z"), at("2026-11-29T00:00:00Z"));
        let range = |bucket| Range::new(from, to, bucket).map(|it| (it.from, it.to));
        assert_eq!(range(Bucket::Hour), Ok((at("2026-11-25T10:00:00Z"), to)));
        assert_eq!(range(Bucket::Day), Ok((at("2026-11-25T00:00:00Z"), to)));
        assert_eq!(range(Bucket::Week), Ok((at("2026-11-23T00:00:00Z"), at("2026-11-30T00:00:00Z"))));
    }

    #[test]
    fn a_range_that_is_too_long_or_backwards_is_none() {
        let from = at("2026-01-01T00:00:00Z");
        assert_eq!(Range::new(from, from, Bucket::Day), Err(BadRange::Backwards));
        let to = from + SignedDuration::from_hours(MOST_BUCKETS as i64);
        assert!(Range::new(from, to, Bucket::Hour).is_ok());
        assert_eq!(Range::new(from, to + SignedDuration::from_secs(1), Bucket::Hour), Err(BadRange::TooLong));
        assert_eq!(Range::new(from, Timestamp::MAX, Bucket::Week), Err(BadRange::TooLong));
    }
}
