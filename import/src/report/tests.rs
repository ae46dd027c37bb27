//! The report, as an operator and a program read it.

use super::*;

fn report(dry_run: bool) -> Report {
    let mut report = Report::new("2026-11-29T12:00:00Z".parse().unwrap(), dry_run);
    report.took(Kind::People, 9_998);
    report.were_here(Kind::People, 1);
    report.not_taken(
        Kind::People,
        "users",
        "id 17 (Telegram 5)".to_owned(),
        "the row with id 3 has the same Telegram id, and was taken",
    );
    report.not_taken(
        Kind::Invites,
        "invite_codes",
        "SHORT".to_owned(),
        "a code has 12 letters A-Z and digits here",
    );
    report.changed("users", "id 4".to_owned(), "role is \"owner\", which is unknown here: they are a user");
    report
}

#[test]
fn an_operator_reads_totals_then_each_row_with_its_reason() {
    let wanted = "\
Import of 2026-11-29 12:00 UTC

                        TAKEN  HERE BEFORE     NOT TAKEN
people                   9998            1             1
admins and auditors         0            0             0
blocks                      0            0             0
subscriptions               0            0             0
history                     0            0             0
sessions                    0            0             0
invites                     0            0             1

Not taken:

  users         id 17 (Telegram 5)  the row with id 3 has the same Telegram id, and was taken
  invite_codes  SHORT               a code has 12 letters A-Z and digits here

Done, but not as it was there:

  users  id 4  role is \"owner\", which is unknown here: they are a user
";
    assert_eq!(report(false).to_string(), wanted);
    assert!(
        report(true)
            .to_string()
            .starts_with("Import of 2026-11-29 12:00 UTC (dry run: nothing was changed)\n")
    );
}

#[test]
fn a_program_reads_the_same() {
    let json: serde_json::Value = serde_json::from_str(&report(true).json()).unwrap();
    assert_eq!(json["dry_run"], true);
    assert_eq!(
        json["totals"]["people"],
        serde_json::json!({"taken": 9_998, "here_before": 1, "not_taken": 1})
    );
    assert_eq!(json["not_taken"][1]["row"], "SHORT");
    assert_eq!(json["changed"][0]["table"], "users");
}

#[test]
fn a_return_of_sessions_says_so() {
    let text = Report::undo("2026-11-29T12:00:00Z".parse().unwrap(), false).to_string();
    assert!(text.starts_with("Return of sessions of 2026-11-29 12:00 UTC\n"), "{text}");
    assert!(text.contains("RETURNED") && !text.contains("people"), "{text}");
}

#[test]
fn what_is_to_be_said_of_the_whole_comes_last_and_in_the_json() {
    let mut report = report(false);
    assert!(!report.to_string().contains("Note:"));
    report.note("the disk is slow");
    assert!(report.to_string().ends_with("unknown here: they are a user\n\nNote: the disk is slow\n"));
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json["notes"], serde_json::json!(["the disk is slow"]));
}
