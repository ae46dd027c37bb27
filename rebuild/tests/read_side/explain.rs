//! A row is explained by its events, and a row that differs by the event at which it parts from them.

use ::rebuild::explain::{Change, LiveRow, explain};
use app::testing::Story;
use domain::AccountCommand;
use serde_json::json;

const ILYA: &str = r#"{"first_name":"Ilya"}"#;

#[tokio::test]
async fn each_event_of_a_row_tells_what_it_changed() {
    let story = Story::begin().await;
    let ilya = story.person(1, ILYA).await;
    story.person(2, ILYA).await;
    story.account(ilya, AccountCommand::Block { at: story.clock.now() }).await;
    story.project().await;

    let explained = explain(&story.db, "users", &ilya.to_string()).await.unwrap().unwrap();

    let names: Vec<_> = explained.steps.iter().map(|step| step.event.name.as_str()).collect();
    assert_eq!(names, ["AccountRegistered", "AccountBlocked"]);
    let named = |column: &str| {
        let changes = explained.steps.iter().flat_map(|step| &step.changes);
        changes.filter(|change| change.column == column).cloned().collect::<Vec<_>>()
    };
    let change =
        |column: &str, before, after| Change { column: column.to_owned(), before, after: Some(after) };
    assert_eq!(named("first_name"), [change("first_name", None, json!("Ilya"))]);
    let blocked =
        [change("is_blocked", None, json!(false)), change("is_blocked", Some(json!(false)), json!(true))];
    assert_eq!(named("is_blocked"), blocked);
    assert_eq!(explained.live, LiveRow::Same);
}

#[tokio::test]
async fn a_row_that_differs_parts_from_the_log_at_an_event_or_is_none_of_the_logs() {
    let story = Story::begin().await;
    let ilya = story.person(1, ILYA).await;
    story.account(ilya, AccountCommand::Block { at: story.clock.now() }).await;
    story.project().await;
    let live = async || explain(&story.db, "users", &ilya.to_string()).await.unwrap().unwrap().live;

    story.run("update slots.users_a set first_name = 'Eve'").await;
    assert_eq!(live().await, LiveRow::NotOfTheLog);
    story.run("delete from slots.users_a").await;
    assert_eq!(live().await, LiveRow::AsOf(0));
}

#[tokio::test]
async fn a_row_that_missed_an_event_is_as_of_the_one_before() {
    let story = Story::begin().await;
    let invite = story.invite(3, None).await;
    let key = invite.to_string();
    story.project().await;
    let anna = story.person(2, ILYA).await;
    story.redeem(anna, invite).await;
    story.project().await;
    story.run("update slots.invites_a set reserved = 0, redemptions = '{}'").await;

    let explained = explain(&story.db, "invites", &key).await.unwrap().unwrap();

    assert_eq!(explained.live, LiveRow::AsOf(explained.steps[0].event.position));
    assert_eq!(explained.steps.len(), 2);
}

#[tokio::test]
async fn there_is_nothing_to_explain_in_an_unknown_view_and_an_unknown_row_has_no_events() {
    let story = Story::begin().await;
    assert!(explain(&story.db, "user", "1").await.unwrap().is_none());
    let nothing = explain(&story.db, "login_status", "none").await.unwrap().unwrap();
    assert!(nothing.steps.is_empty() && nothing.live == LiveRow::Same);
}
