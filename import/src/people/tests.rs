//! What a row of `users` says, and what is said of one that is out of order.

use super::*;

fn now() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

fn row(values: &[(&str, &str)]) -> TextRow {
    TextRow::of(USERS, values)
}

/// The people in these rows, and the report.
fn read(rows: &[TextRow]) -> (Vec<Person>, Report) {
    let mut report = Report::new(now(), false);
    let found = people(rows, &Tiers::default(), now(), &mut report);
    (found.people, report)
}

/// The only person in this row, and what is said of it.
fn one(values: &[(&str, &str)]) -> (Person, Vec<String>) {
    let ids = [("id", "7"), ("telegram_id", "139883458")];
    let (mut people, report) = read(&[row(&[&ids[..], values].concat())]);
    let said = report.changed.iter().chain(&report.not_taken).map(|entry| entry.why.clone());
    (people.pop().expect("a person"), said.collect())
}

fn not_taken(rows: &[TextRow]) -> Vec<(String, String)> {
    read(rows).1.not_taken.into_iter().map(|entry| (entry.row, entry.why)).collect()
}

#[test]
fn a_person_comes_with_what_their_row_says() {
    let (person, said) = one(&[
        ("first_name", "Ilya"),
        ("username", "@ilya"),
        ("created_at", "2026-01-02 03:04:05"),
        ("role", "ADMIN"),
        ("is_authenticated", "true"),
        ("subscription_type", "PREMIUM"),
        ("subscription_started_at", "2026-11-01 00:00:00"),
        ("subscription_expires", "2026-12-01 00:00:00"),
        ("max_channels", "77"),
    ]);
    assert_eq!(said, Vec::<String>::new());
    assert_eq!(person.profile.first_name.as_deref(), Some("Ilya"));
    assert_eq!((person.profile.username.as_deref(), person.profile.last_name), (Some("ilya"), None));
    assert_eq!(person.since, Some("2026-01-02T03:04:05Z".parse().unwrap()));
    assert_eq!((person.role, person.session), (Role::Admin, SessionWanted::Yes));
    let ImportedSubscription { subscription, is_over } = person.subscription.unwrap();
    assert_eq!((subscription.tier, is_over), (Tier::Premium, false));
    assert_eq!(subscription.started_at, "2026-11-01T00:00:00Z".parse().unwrap());
    assert_eq!(subscription.expires_at, Some("2026-12-01T00:00:00Z".parse().unwrap()));
    let of_the_tier = Tiers::default().limits(Tier::Premium);
    assert_eq!(subscription.limits, domain::Limits { max_channels: 77, ..of_the_tier });
}

#[test]
fn a_person_of_whom_nothing_else_is_known_comes_all_the_same() {
    let (person, said) = one(&[]);
    assert_eq!(said, Vec::<String>::new());
    assert_eq!((person.profile, person.since, person.role), (Profile::default(), None, Role::User));
    assert!(person.block.is_none() && person.subscription.is_none());
    assert_eq!(person.session, SessionWanted::IfThere);
}

#[test]
fn a_row_without_a_person_is_told_with_its_id() {
    let rows = [
        row(&[("id", "1")]),
        row(&[("id", "2"), ("telegram_id", "-5")]),
        row(&[("id", "3"), ("telegram_id", "9999999999999999999999")]),
        row(&[("id", "4"), ("telegram_id", "4503599627370496")]),
        row(&[("telegram_id", "5")]),
    ];
    let range = "telegram_id is none of a person: it has to be above 0 and below 2^52";
    let wanted = [
        ("id 1", "telegram_id is empty: nobody knows who this is"),
        ("id 2 (Telegram -5)", range),
        (
            "id 3 (Telegram 99999999999999999999)",
            "telegram_id is \"9999999999999999999999\", which is no whole number",
        ),
        ("id 4 (Telegram 4503599627370496)", range),
        ("without id", "it has no id"),
    ];
    let wanted = wanted.map(|(row, why)| (row.to_owned(), why.to_owned()));
    assert_eq!(not_taken(&rows), wanted);
}

#[test]
fn of_two_rows_of_one_person_the_first_counts_and_both_lead_to_them() {
    let rows = [row(&[("id", "1"), ("telegram_id", "5")]), row(&[("id", "2"), ("telegram_id", "5")])];
    let mut report = Report::new(now(), false);
    let found = people(&rows, &Tiers::default(), now(), &mut report);
    assert_eq!(found.people.len(), 1);
    assert_eq!(report.not_taken[0].why, "the row with id 1 has the same Telegram id, and was taken");
    assert_eq!(
        (found.named(1), found.named(2), found.named(5), found.named(6)),
        (Some(5), Some(5), Some(5), None)
    );
}

#[test]
fn who_invited_whom_is_found_in_any_order_and_nowhere_is_told() {
    let rows = [
        row(&[("id", "1"), ("telegram_id", "11"), ("invited_by", "2")]),
        row(&[("id", "2"), ("telegram_id", "12"), ("invited_by", "99")]),
        row(&[("id", "3"), ("telegram_id", "13"), ("invited_by", "3")]),
    ];
    let (people, report) = read(&rows);
    assert_eq!(people.iter().map(|person| person.invited_by).collect::<Vec<_>>(), [Some(12), None, None]);
    let said: Vec<_> = report.changed.iter().map(|entry| entry.why.as_str()).collect();
    let wanted = [
        "invited_by is 99, and nobody has this id: nobody is named as the inviter",
        "invited_by leads to themselves: nobody is named as the inviter",
    ];
    assert_eq!(said, wanted);
}

#[test]
fn a_block_comes_with_its_end_and_one_that_is_over_does_not_come() {
    let block = |expires: &str| one(&[("is_blocked", "true"), ("block_expires", expires)]);
    let until = "2026-12-24T00:00:00Z".parse().unwrap();
    assert_eq!(block("2026-12-24 00:00:00").0.block, Some(ImportedBlock { until: Some(until) }));
    assert_eq!(block("").0.block, Some(ImportedBlock { until: None }));
    assert_eq!(block("infinity").0.block, Some(ImportedBlock { until: None }));
    let (person, said) = block("2026-11-01 00:00:00");
    assert_eq!(person.block, None);
    assert_eq!(said, ["the block ended on 2026-11-01 00:00 UTC: they are not blocked"]);
    let (person, said) = block("99999-01-01 00:00:00");
    assert_eq!(person.block, Some(ImportedBlock { until: None }), "in doubt they stay out");
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(one(&[("block_expires", "2026-12-24 00:00:00")]).0.block, None);
}

#[test]
fn a_subscription_that_means_nothing_here_is_told_and_the_person_comes() {
    let (person, said) = one(&[("subscription_type", "gold\u{1b}[2J")]);
    assert!(person.subscription.is_none());
    let why = "subscription_type is \"gold\\u{1b}[2J\", which is no tier here: they have no subscription";
    assert_eq!(said, [why]);
    let (person, said) =
        one(&[("subscription_type", "basic"), ("subscription_expires", "99999-01-01 00:00:00")]);
    assert!(person.subscription.is_none(), "it must not become one without an end");
    assert_eq!(said.len(), 1);
    assert_eq!(one(&[("subscription_type", "free")]).1, Vec::<String>::new());
}

#[test]
fn a_subscription_that_has_ended_says_so_and_one_without_an_end_has_none() {
    let subscription = |expires: &str| {
        let values = [("subscription_type", "trial"), ("subscription_expires", expires)];
        one(&values).0.subscription.unwrap()
    };
    assert!(subscription("2026-11-29 12:00:00").is_over);
    assert!(!subscription("2026-11-29 12:00:01").is_over);
    assert_eq!(subscription("").subscription.expires_at, None);
}

#[test]
fn channels_out_of_range_are_those_of_the_tier() {
    for channels in ["-1", "99999999999", "many"] {
        let (person, said) = one(&[("subscription_type", "basic"), ("max_channels", channels)]);
        assert_eq!(person.subscription.unwrap().subscription.limits.max_channels, 10);
        assert_eq!(said.len(), 1, "{channels}");
    }
}

#[test]
fn a_session_comes_only_for_who_is_active_and_logged_in_there() {
    let session = |values: &[(&str, &str)]| one(values).0.session;
    assert_eq!(session(&[("is_authenticated", "false")]), SessionWanted::LoggedOut);
    assert_eq!(session(&[("is_authenticated", "true"), ("is_active", "false")]), SessionWanted::Inactive);
    assert_eq!(session(&[("is_authenticated", "true"), ("is_active", "true")]), SessionWanted::Yes);
}
