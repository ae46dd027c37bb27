//! What a row of `invite_codes` says: what is left of an invite, and who has used it.

use super::*;
use crate::parent::USERS;
use crate::people::people;

const OPEN: &str = "3HBP4Z3ECICZ";

fn now() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

fn row(values: &[(&str, &str)]) -> TextRow {
    TextRow::of(INVITES, values)
}

/// The invites in these rows, and the report. Known are users.id 1 (Telegram 11) and 2 (Telegram 12).
fn read(rows: Vec<TextRow>) -> (Vec<Invite>, Report) {
    let known = [("1", "11"), ("2", "12")];
    let known =
        known.map(|(id, telegram_id)| TextRow::of(USERS, &[("id", id), ("telegram_id", telegram_id)]));
    let mut report = Report::new(now(), false);
    let people = people(&known, &Tiers::default(), now(), &mut report);
    let found = invites(&Content::Rows(rows), &people, &Tiers::default(), now(), &mut report);
    (found, report)
}

fn one(values: &[(&str, &str)]) -> Invite {
    let (mut found, report) = read(vec![row(&[&[("code", OPEN)][..], values].concat())]);
    assert!(report.not_taken.is_empty(), "{report}");
    found.pop().expect("an invite")
}

fn refused(values: &[(&str, &str)]) -> String {
    let (found, mut report) = read(vec![row(values)]);
    assert!(found.is_empty());
    report.not_taken.pop().expect("a reason").why
}

#[test]
fn an_open_invite_keeps_its_code_its_promise_and_what_is_left_of_its_uses() {
    let invite = one(&[
        ("max_uses", "10"),
        ("uses_count", "4"),
        ("used_by", "1"),
        ("used_at", "2026-11-01 10:00:00"),
        ("created_by", "2"),
        ("expires_at", "2026-12-31 00:00:00"),
        ("default_subscription", "premium"),
        ("default_trial_days", "14"),
    ]);
    let wanted = Invite {
        code: OPEN.to_owned(),
        tier: Tier::Premium,
        subscription_days: 14,
        max_uses: 10,
        used_before: 3,
        used_by: Some((11, "2026-11-01T10:00:00Z".parse().unwrap())),
        valid_until: "2026-12-31T00:00:00Z".parse().unwrap(),
        created_by: Some(12),
    };
    assert_eq!(invite, wanted);
}

#[test]
fn a_bare_code_is_an_invite_for_one_without_an_end() {
    let invite = one(&[]);
    assert_eq!((invite.tier, invite.max_uses, invite.used_before, invite.used_by), (Tier::Free, 1, 0, None));
    assert!(invite.valid_until > now() + VALID_FOR - SignedDuration::from_secs(1));
    assert_eq!(one(&[("default_subscription", "trial")]).subscription_days, 7, "as the tier says");
    assert_eq!(one(&[("default_trial_days", "0")]).subscription_days, 0);
}

#[test]
fn a_used_invite_is_used_whatever_its_count_says() {
    let used = |values: &[(&str, &str)]| {
        let invite = one(values);
        (invite.max_uses, invite.used_before, invite.used_by.map(|(telegram_id, _)| telegram_id))
    };
    assert_eq!(used(&[("used_by", "1")]), (1, 0, Some(11)));
    assert_eq!(used(&[("used_at", "2026-11-01 10:00:00")]), (1, 1, None));
    assert_eq!(used(&[("uses_count", "1")]), (1, 1, None));
    assert_eq!(used(&[("uses_count", "5"), ("max_uses", "3"), ("used_by", "2")]), (3, 2, Some(12)));
}

#[test]
fn a_person_is_named_by_users_id_or_by_telegram_and_nobody_is_told() {
    assert_eq!(one(&[("created_by", "12")]).created_by, Some(12));
    let (found, report) = read(vec![row(&[("code", OPEN), ("used_by", "99"), ("max_uses", "1")])]);
    assert_eq!((found[0].used_before, found[0].used_by), (1, None), "used up, by nobody who is known");
    assert_eq!(report.changed[0].why, "used_by names nobody who is known: it is left out");
}

#[test]
fn of_two_spellings_of_one_code_the_older_one_counts() {
    let (found, report) = read(vec![
        row(&[("code", OPEN), ("created_at", "2026-02-01 00:00:00"), ("max_uses", "2")]),
        row(&[("code", "3hbp4z3ecicz"), ("created_at", "2026-01-01 00:00:00"), ("max_uses", "7")]),
    ]);
    assert_eq!(found.iter().map(|invite| invite.max_uses).collect::<Vec<_>>(), [7]);
    assert_eq!(report.not_taken[0].row, OPEN);
    let why = "3hbp4z3ecicz is the same code: capitals and small letters are one here";
    assert_eq!(report.not_taken[0].why, why);
}

#[test]
fn what_is_no_invite_here_is_told_with_the_reason() {
    for (values, why) in [
        (&[("code", "SHORT")][..], "a code has 12 letters A-Z and digits here"),
        (&[("code", OPEN), ("max_uses", "0")], "max_uses is 0: nobody can use it"),
        (&[("code", OPEN), ("max_uses", "-1")], "max_uses is out of range"),
        (&[("code", OPEN), ("default_trial_days", "-1")], "default_trial_days is out of range"),
        (
            &[("code", OPEN), ("default_subscription", "gold")],
            "default_subscription is \"gold\", which is no tier here",
        ),
    ] {
        assert_eq!(refused(values), why);
    }
}

#[test]
fn a_missing_table_is_told_and_stops_nothing() {
    let mut report = Report::new(now(), false);
    let people = People::default();
    let found = invites(&Content::NoTable, &people, &Tiers::default(), now(), &mut report);
    assert!(found.is_empty());
    assert_eq!(report.not_taken[0].why, "there is no such table");
    invites(&Content::NoColumn("code"), &people, &Tiers::default(), now(), &mut report);
    assert_eq!(report.not_taken[1].why, "it has no column code");
}
