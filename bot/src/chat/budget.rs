//! How many updates are answered: of one person, and of all strangers together. So neither one person nor thousands fill the
//! outbox, or delay the answers to others.
//!
//! - A person who writes too much is told so once, and answered again when there is room.
//! - A stranger has no account, or never had a subscription. What all strangers send beyond their budget is dropped without a
//!   word: to tell each of them would be as much work as to answer.
//!
//! The counts are in memory. One process speaks with the Bot API at a time; the next one begins with whole budgets.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// So many at once, and one more in every period.
#[derive(Clone, Copy, Debug)]
struct Budget {
    burst: i32,
    period: SignedDuration,
}

const PERSON: Budget = Budget { burst: 60, period: SignedDuration::from_secs(1) };
const PERSON_UNKNOWN: Budget = Budget { burst: 10, period: SignedDuration::from_secs(6) };
const STRANGERS: Budget = Budget { burst: 1000, period: SignedDuration::from_millis(50) };
const STRANGERS_UNKNOWN: Budget = Budget { burst: 100, period: SignedDuration::from_millis(500) };
/// People with counts in memory, before those are dropped that have their whole budget again.
const MOST_PEOPLE: usize = 10_000;

/// Whether an update is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Answer,
    /// The person is told to try again then.
    TellToWait(Timestamp),
    Drop,
}

/// What an update asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A command that the bot knows, or a button.
    Known,
    /// Anything else.
    Unknown,
}

/// The budgets of everybody.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    people: HashMap<i64, Person>,
    strangers: Count,
    strangers_unknown: Count,
}

#[derive(Debug, Default)]
struct Person {
    all: Count,
    unknown: Count,
    /// They were told to wait, and have not been answered since.
    is_told: bool,
    /// The update that was counted last. It may be handled again, and is counted once.
    last: Option<(i64, Verdict)>,
}

/// When a budget is whole again, if nothing else is counted.
#[derive(Clone, Copy, Debug, Default)]
struct Count(Option<Timestamp>);

impl Budgets {
    /// Counts an update of this person.
    pub fn count(
        &self,
        person: i64,
        update_id: i64,
        is_stranger: bool,
        kind: Kind,
        now: Timestamp,
    ) -> Verdict {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = &mut *counts;
        if let Some((last, verdict)) = counts.people.get(&person).and_then(|it| it.last)
            && last == update_id
        {
            return verdict;
        }
        if is_stranger {
            let among_all = match kind {
                Kind::Known => counts.strangers.take(STRANGERS, now),
                Kind::Unknown => counts.strangers_unknown.take(STRANGERS_UNKNOWN, now),
            };
            if among_all.is_err() {
                return Verdict::Drop;
            }
        }
        if counts.people.len() >= MOST_PEOPLE {
            counts.people.retain(|_, person| !(person.all.is_whole(now) && person.unknown.is_whole(now)));
        }
        let person = counts.people.entry(person).or_default();
        let taken = match kind {
            Kind::Known => person.all.take(PERSON, now),
            Kind::Unknown => {
                person.unknown.take(PERSON_UNKNOWN, now).and_then(|()| person.all.take(PERSON, now))
            }
        };
        let verdict = match taken {
            Ok(()) => {
                person.is_told = false;
                Verdict::Answer
            }
            Err(retry_at) if !std::mem::replace(&mut person.is_told, true) => Verdict::TellToWait(retry_at),
            Err(_) => Verdict::Drop,
        };
        person.last = Some((update_id, verdict));
        verdict
    }
}

impl Count {
    /// Takes one, or says when there is one again.
    fn take(&mut self, budget: Budget, now: Timestamp) -> Result<(), Timestamp> {
        let whole_at = self.0.map_or(now, |at| at.max(now)) + budget.period;
        let latest = now + budget.period * budget.burst;
        if whole_at > latest {
            return Err(now + whole_at.duration_since(latest));
        }
        self.0 = Some(whole_at);
        Ok(())
    }

    fn is_whole(self, now: Timestamp) -> bool {
        self.0.is_none_or(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// The verdicts on so many updates in a row.
    fn verdicts(budgets: &Budgets, person: i64, kind: Kind, updates: std::ops::Range<i64>) -> Vec<Verdict> {
        updates.map(|update_id| budgets.count(person, update_id, false, kind, NOW)).collect()
    }

    #[test]
    fn a_person_who_writes_too_much_is_told_once_and_then_dropped() {
        let budgets = Budgets::default();
        let said = verdicts(&budgets, 1, Kind::Known, 0..100);
        assert!(said[..60].iter().all(|it| *it == Verdict::Answer));
        assert_eq!(said[60], Verdict::TellToWait(NOW + SignedDuration::from_secs(1)));
        assert!(said[61..].iter().all(|it| *it == Verdict::Drop));
        assert_eq!(budgets.count(2, 1000, false, Kind::Known, NOW), Verdict::Answer, "others are answered");
        let later = NOW + SignedDuration::from_secs(1);
        assert_eq!(budgets.count(1, 1001, false, Kind::Known, later), Verdict::Answer);
        assert!(matches!(budgets.count(1, 1002, false, Kind::Known, later), Verdict::TellToWait(_)));
    }

    #[test]
    fn what_is_no_command_has_a_smaller_budget_and_leaves_room_for_commands() {
        let budgets = Budgets::default();
        let said = verdicts(&budgets, 1, Kind::Unknown, 0..20);
        assert_eq!(said.iter().filter(|it| **it == Verdict::Answer).count(), 10);
        assert_eq!(budgets.count(1, 1000, false, Kind::Known, NOW), Verdict::Answer);
    }

    #[test]
    fn an_update_that_is_handled_again_is_counted_once() {
        let budgets = Budgets::default();
        for _ in 0..100 {
            assert_eq!(budgets.count(1, 7, true, Kind::Unknown, NOW), Verdict::Answer);
        }
        let said = verdicts(&budgets, 1, Kind::Unknown, 8..17);
        assert!(said.iter().all(|it| *it == Verdict::Answer), "{said:?}");
    }

    #[test]
    fn thousands_of_strangers_share_one_budget_and_leave_the_others_theirs() {
        let budgets = Budgets::default();
        let of_strangers = |kind, first: i64| {
            (first..first + 3000)
                .filter(|id| budgets.count(*id, *id, true, kind, NOW) == Verdict::Answer)
                .count()
        };
        assert_eq!(of_strangers(Kind::Unknown, 10_000), 100);
        assert_eq!(of_strangers(Kind::Known, 20_000), 1000);
        assert_eq!(budgets.count(1, 1, false, Kind::Unknown, NOW), Verdict::Answer);
    }

    #[test]
    fn people_who_have_their_whole_budget_again_are_forgotten() {
        let budgets = Budgets::default();
        for person in 0..MOST_PEOPLE {
            let person = i64::try_from(person).unwrap();
            budgets.count(person, person, false, Kind::Known, NOW);
        }
        let later = NOW + SignedDuration::from_secs(60);
        budgets.count(-1, -1, false, Kind::Known, later);
        assert_eq!(budgets.counts.lock().unwrap().people.len(), 1);
    }
}
