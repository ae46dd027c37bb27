//! What a row of `subscription_history` says, and whose it is.

use jiff::Timestamp;

use super::*;
use crate::parent::USERS;
use crate::people::people;

fn now() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

fn row(values: &[(&str, &str)]) -> TextRow {
    let whole = [("user_id", "1"), ("action", "created"), ("changed_at", "2026-05-01 00:00:00")];
    let kept = whole.iter().filter(|(name, _)| values.iter().all(|(other, _)| other != name));
    TextRow::of(HISTORY, &kept.chain(values).copied().collect::<Vec<_>>())
}

fn read(rows: Vec<TextRow>) -> (People, Report) {
    let known = [("1", "11"), ("2", "12"), ("3", "11")];
    let known =
        known.map(|(id, telegram_id)| TextRow::of(USERS, &[("id", id), ("telegram_id", telegram_id)]));
    let mut report = Report::new(now(), false);
    let mut people = people(&known, &domain::Tiers::default(), now(), &mut report);
    report.not_taken.clear();
    give_to(&mut people, &Content::Rows(rows), &mut report);
    (people, report)
}

#[test]
fn each_step_goes_to_its_person_the_oldest_first() {
    let (people, report) = read(vec![
        row(&[("action", "Renewed"), ("changed_at", "2026-06-01 00:00:00"), ("new_type", "premium")]),
        row(&[("new_type", "basic"), ("changed_by", "12"), ("notes", "a friend")]),
        row(&[("user_id", "3"), ("action", "expired"), ("changed_at", "2026-07-01 00:00:00")]),
    ]);
    assert!(report.not_taken.is_empty() && report.changed.is_empty(), "{report}");
    let history = &people.people[0].history;
    let kinds: Vec<_> = history.iter().map(|past| past.change).collect();
    assert_eq!(kinds, [PastChangeKind::Created, PastChangeKind::Renewed, PastChangeKind::Expired]);
    assert_eq!((history[0].to_tier, history[0].changed_by), (Some(Tier::Basic), Some(12)));
    assert_eq!(history[0].notes.as_deref(), Some("a friend"));
    assert!(people.people[1].history.is_empty());
}

#[test]
fn a_step_that_cannot_be_told_is_named_with_the_reason() {
    let refused = |values: &[(&str, &str)]| {
        let (_, report) = read(vec![row(values)]);
        assert_eq!(report.not_taken.len(), 1);
        report.not_taken[0].why.clone()
    };
    assert_eq!(refused(&[("user_id", "99")]), "no row of users has this user_id");
    assert_eq!(refused(&[("action", "gifted")]), "action is \"gifted\", which is unknown");
    assert_eq!(refused(&[("new_type", "gold")]), "new_type is \"gold\", which is no tier here");
    assert_eq!(refused(&[("changed_at", "")]), "changed_at is empty");
}

#[test]
fn a_row_that_is_there_twice_is_taken_once_and_told() {
    let (people, report) = read(vec![row(&[]), row(&[])]);
    assert_eq!(people.people[0].history.len(), 1);
    assert_eq!(report.not_taken[0].why, "another row says the same, and was taken");
    assert_eq!(report.not_taken[0].row, "user_id 1, created, 2026-05-01 00:00:00");
}

#[test]
fn who_is_unknown_is_left_out_and_told() {
    let (people, report) = read(vec![row(&[("changed_by", "system")])]);
    assert_eq!(people.people[0].history[0].changed_by, None);
    assert_eq!(report.changed[0].why, "changed_by names nobody who is known: it is left out");
}
