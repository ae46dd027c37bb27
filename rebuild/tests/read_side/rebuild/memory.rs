//! A rebuild makes the same rows with however little memory, and a comparison finds the same.

use std::path::Path;

use domain::{AccountCommand, Role, Tier};

use super::{ALL, ILYA};
use ::rebuild::testing::{dry_run_within, rebuild_in, rebuild_within, verify_within};
use ::rebuild::verify::ViewReport;
use app::testing::Story;

/// A row is begun, put into the file, and changed afterwards; one is erased, one has an event that cannot be read, one is refused.
async fn eventful_story() -> Story {
    let story = Story::begin().await;
    let inviter = story.person(100, r#"{"first_name":"Anna"}"#).await;
    let (open, anothers) = (story.invite(50, None).await, story.invite(50, Some(inviter)).await);
    let mut people = Vec::new();
    for number in 1..=40 {
        let person = story.person(number, ILYA).await;
        let invite = if number % 2 == 0 { open } else { anothers };
        people.push((person, invite, story.redeem(person, invite).await));
    }
    story.settle().await;
    let at = story.clock.now();
    for (number, (person, invite, login)) in people.iter().enumerate() {
        match number % 5 {
            0 => story.confirm(*person, *invite, login).await,
            1 => story.account(*person, AccountCommand::Block { at }).await,
            2 => story.account(*person, AccountCommand::Erase { at }).await,
            3 => {
                let subject = story.vault.subject_of(number as i64 + 1).await.unwrap().unwrap();
                story.set_profile(&subject, r#"{"first_name":"Olga","username":"olga"}"#).await;
            }
            _ => {
                let limits = story.tiers.limits(Tier::Basic);
                let command = AccountCommand::ChangeSubscription {
                    tier: Tier::Basic,
                    days: 30,
                    limits,
                    change_id: None,
                    at,
                };
                story.account(*person, command).await;
            }
        }
    }
    let (unreadable, refused) = (people[3].0, people[8].0);
    story
        .run(&format!(
            "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
             select 'account', '{unreadable}', max(sequence) + 1, 'AccountBlocked', '1', '{{}}', '{{}}'
               from events where aggregate_id = '{unreadable}'"
        ))
        .await;
    for slot in ["a", "b"] {
        story
            .run(&format!("alter table slots.users_{slot} add constraint bug check (role <> 'auditor')"))
            .await;
    }
    story.account(refused, AccountCommand::ChangeRole { role: Role::Auditor, at }).await;
    story.account(refused, AccountCommand::Block { at }).await;
    story.project().await;
    story
}

/// All rows of all views, and what is parked.
async fn shown(story: &Story) -> Vec<String> {
    let mut shown = Vec::new();
    for view in ["users", "login_status", "invites", "subscriptions", "hourly_counts", "daily_counts"] {
        let rows = format!("select '{view} ' || to_jsonb(v)::text from {view} v order by 1");
        shown.extend(sqlx::query_scalar::<_, String>(&rows).fetch_all(story.db.pool()).await.unwrap());
    }
    let parked = "select concat_ws(' ', 'parked', view, key, position) from parked order by 1";
    shown.extend(sqlx::query_scalar::<_, String>(parked).fetch_all(story.db.pool()).await.unwrap());
    shown
}

#[tokio::test]
async fn a_rebuild_makes_the_same_rows_with_however_little_memory() {
    let story = eventful_story().await;
    let projected = shown(&story).await;
    assert_eq!(projected.iter().filter(|row| row.starts_with("parked")).count(), 3, "{projected:#?}");
    assert!(projected.iter().any(|row| row.contains("\"Olga\"")) && projected.len() > 80);
    // None: each row goes into the file at once. Then some rows at a time, and all.
    for bytes in [0, 2_000, 10_000, usize::MAX] {
        let reports = rebuild_within(&story.db, ALL, bytes).await.unwrap();
        for report in &reports {
            assert_eq!(report.differ, 0, "with {bytes} bytes: {report:#?}");
        }
        assert_eq!(shown(&story).await, projected, "with {bytes} bytes");
    }
}

/// What the reports say, in an order of its own.
fn said(reports: &[ViewReport]) -> Vec<String> {
    let mut said = Vec::new();
    for ViewReport { view, position, rows, differ, missing, extra, parked, examples } in reports {
        said.push(format!("{view} at {position}: {rows} {differ} {missing} {extra} {parked}"));
        said.extend(examples.iter().map(|example| format!("{view}: {example:?}")));
    }
    said.sort();
    said
}

#[tokio::test]
async fn a_comparison_finds_the_same_with_however_little_memory() {
    let story = eventful_story().await;
    for change in [
        // One that differs, one that is missing, one that the log does not make, and one that is no row of this view.
        "update slots.users_a set first_name = 'Nobody' where telegram_id = 6",
        "delete from slots.users_a where telegram_id = 11",
        "insert into slots.invites_a select (jsonb_populate_record(i, '{\"invite_id\": \"00000000-0000-4000-8000-000000000000\"}')).*
           from slots.invites_a i limit 1",
        "update slots.login_status_a set status = 'nowhere'
          where login_id = (select min(login_id) from slots.login_status_a)",
    ] {
        story.run(change).await;
    }
    let (verified, dry) =
        (verify_within(&story.db, usize::MAX).await.unwrap(), dry_run_within(&story.db, ALL, usize::MAX));
    let (verified, dry) = (said(&verified.views), said(&dry.await.unwrap()));
    for found in
        ["Nobody", "00000000-0000-4000-8000-000000000000", "is missing", "nowhere", "is parked at position"]
    {
        assert!(dry.iter().any(|line| line.contains(found)), "{found}: {dry:#?}");
    }
    for bytes in [0, 2_000, 10_000] {
        let report = verify_within(&story.db, bytes).await.unwrap();
        assert_eq!(said(&report.views), verified, "with {bytes} bytes");
        assert_eq!(said(&dry_run_within(&story.db, ALL, bytes).await.unwrap()), dry, "with {bytes} bytes");
    }
}

/// No command makes such a log. What is folded before a row begins is folded again with all of the row's events.
#[tokio::test]
async fn an_event_before_the_beginning_of_its_row_is_not_lost() {
    let story = Story::begin().await;
    let invite = story.invite(9, None).await;
    let person = story.person(1, ILYA).await;
    let login = story.redeem(person, invite).await;
    story.settle().await;
    story.confirm(person, invite, &login).await;
    story.settle().await;
    let before = shown(&story).await;
    // The confirmation now comes first.
    for change in [
        "alter table log_index disable trigger user",
        "update log_index set position = position + 1000000",
        "update log_index set position = 1
          where event_no = (select event_no from events where event_type = 'AuthorizationConfirmed')",
        "update log_index i set position = 1 + n
           from (select event_no, row_number() over (order by position) as n from log_index where position > 1) later
          where i.event_no = later.event_no",
    ] {
        story.run(change).await;
    }
    let all = rebuild_within(&story.db, ALL, usize::MAX).await.unwrap();
    let in_memory = shown(&story).await;
    assert_eq!(in_memory.len(), before.len(), "{all:?}");
    assert!(dry_run_within(&story.db, ALL, 0).await.unwrap().iter().all(|view| view.differ == 0));
    rebuild_within(&story.db, ALL, 0).await.unwrap();
    assert_eq!(shown(&story).await, in_memory);
}

#[tokio::test]
async fn where_there_is_no_room_for_the_others_it_says_where_and_nothing_changes() {
    let story = eventful_story().await;
    let before = shown(&story).await;
    let error = rebuild_in(&story.db, ALL, Path::new("/nowhere/at-all")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "rows that do not fit into memory cannot be kept in /nowhere/at-all (TMPDIR names another directory)"
    );
    let cause = std::error::Error::source(&error).unwrap();
    assert!(cause.to_string().starts_with("No such file or directory"), "{cause}");
    assert_eq!(shown(&story).await, before);
    // Nothing is left that the next one would stumble over.
    assert!(rebuild_within(&story.db, ALL, 0).await.unwrap().iter().all(|view| view.differ == 0));
}
