//! A rebuild, its dry run and a verification say of each row that differs where it parts from the log.

use ::rebuild::verify::{ViewReport, verify};
use ::rebuild::{Difference, Parting};
use ::rebuild::{dry_run, rebuild, rebuild_account};
use app::testing::Story;
use domain::{AccountCommand, AccountId, InviteId, Role};

const ILYA: &str = r#"{"first_name":"Ilya"}"#;
const ALL: &[String] = &[];

/// What is told of one row: its parting, and the columns that differ.
fn told(report: &ViewReport, key: &str) -> String {
    let found = report.examples.iter().find(|it| it.key == key);
    let found = found.unwrap_or_else(|| panic!("{key} does not differ: {report:?}"));
    told_difference(found)
}

fn told_difference(difference: &Difference) -> String {
    let columns: Vec<String> = difference.changes().into_iter().map(|change| change.column).collect();
    let columns = if columns.len() > 4 { "all".to_owned() } else { columns.join(", ") };
    match difference.parting.as_ref().expect("it was explained") {
        Parting::At(at) => format!("at {} {}: {columns}", at.position, at.name),
        Parting::Parked(at) => format!("parked {} {}: {columns}", at.position, at.name),
        Parting::NotOfTheLog => format!("not of the log: {columns}"),
    }
}

/// Six people and two invites, with one row for each way in which it can differ.
struct Damaged {
    story: Story,
    edited: AccountId,
    deleted: AccountId,
    lagging: InviteId,
    surplus: &'static str,
}

impl Damaged {
    async fn make() -> Self {
        let story = Story::begin().await;
        let (edited, deleted) = (story.person(1, ILYA).await, story.person(2, ILYA).await);
        let lagging = story.invite(3, None).await;
        story.redeem(deleted, lagging).await;
        story.project().await;
        story.run("update slots.users_a set first_name = 'Eve' where telegram_id = 1").await;
        story.run("delete from slots.users_a where telegram_id = 2").await;
        story.run("update slots.invites_a set reserved = 0, redemptions = '{}'").await;
        let surplus = "00000000-0000-0000-0000-00000000000a";
        story
            .run(&format!(
                "insert into slots.users_a (account_id, telegram_id, first_name, role, is_authenticated, is_blocked, \
                 subscription_type, subscription_status, session_exported, created_at, updated_at) \
                 values ('{surplus}', 9, 'Mallory', 'admin', false, false, 'free', 'none', false, now(), now())"
            ))
            .await;
        Self { story, edited, deleted, lagging, surplus }
    }

    fn check(&self, reports: &[ViewReport]) {
        let (users, invites) = (&reports[0], &reports[2]);
        assert_eq!((users.differ, users.missing, users.extra), (3, 1, 1), "{users:?}");
        assert_eq!(told(users, &self.edited.to_string()), "not of the log: first_name");
        assert_eq!(told(users, &self.deleted.to_string()), "at 2 AccountRegistered: all");
        assert_eq!(told(users, self.surplus), "not of the log: all");
        assert_eq!((invites.differ, invites.missing, invites.extra), (1, 0, 0));
        assert_eq!(told(invites, &self.lagging.to_string()), "at 4 InviteRedeemed: redemptions, reserved");
        assert_eq!(reports[1].differ + reports[3].differ, 0);
    }
}

#[tokio::test]
async fn each_row_that_was_edited_deleted_added_or_lags_is_explained() {
    let damaged = Damaged::make().await;
    let db = &damaged.story.db;
    damaged.check(&verify(db, |_, _| {}).await.unwrap().views);
    damaged.check(&dry_run(db, ALL, |_| {}).await.unwrap());
    damaged.check(&rebuild(db, ALL, |_| {}).await.unwrap());
    assert!(verify(db, |_, _| {}).await.unwrap().is_clean());
}

#[tokio::test]
async fn a_row_that_was_parked_differs_from_the_event_on_at_which_it_stands() {
    let story = Story::begin().await;
    let ilya = story.person(1, ILYA).await;
    story.project().await;
    let bug = "alter table slots.users_a add constraint bug check (role <> 'auditor')";
    story.run(bug).await;
    let at = story.clock.now();
    story.account(ilya, AccountCommand::ChangeRole { role: Role::Auditor, at }).await;
    story.account(ilya, AccountCommand::Block { at }).await;
    story.project().await;
    story.run("alter table slots.users_a drop constraint bug").await;

    let expected = "parked 2 RoleChanged: is_blocked, role";
    let key = ilya.to_string();
    assert_eq!(told(&dry_run(&story.db, ALL, |_| {}).await.unwrap()[0], &key), expected);
    let of_one = rebuild_account(&story.db, ilya, ALL, false).await.unwrap();
    assert_eq!(told_difference(of_one[0].difference.as_ref().unwrap()), expected);
    assert_eq!(told(&rebuild(&story.db, ALL, |_| {}).await.unwrap()[0], &key), expected);
}

#[tokio::test]
async fn a_row_that_a_rebuild_parks_differs_from_the_event_on_that_cannot_be_folded_in() {
    let story = Story::begin().await;
    let ilya = story.person(1, ILYA).await;
    let at = story.clock.now();
    story.account(ilya, AccountCommand::ChangeRole { role: Role::Auditor, at }).await;
    story.account(ilya, AccountCommand::Block { at }).await;
    story.project().await;
    story.run("alter table slots.users_b add constraint bug check (role <> 'auditor')").await;

    let done = rebuild(&story.db, &["users".to_owned()], |_| {}).await.unwrap();
    assert_eq!(told(&done[0], &ilya.to_string()), "parked 2 RoleChanged: is_blocked, role");
    assert_eq!(done[0].parked, 1);
}

#[tokio::test]
async fn a_row_whose_event_nobody_can_read_any_more_is_parked_at_that_event() {
    let story = Story::begin().await;
    let ilya = story.person(1, ILYA).await;
    story.project().await;
    let at = story.clock.now();
    story.account(ilya, AccountCommand::ChangeRole { role: Role::Auditor, at }).await;
    story.run("alter table events disable trigger user").await;
    story.run("update events set event_version = '99' where event_type = 'RoleChanged'").await;
    story.run("alter table events enable trigger user").await;
    story.project().await;

    let report = dry_run(&story.db, ALL, |_| {}).await.unwrap().swap_remove(0);
    assert_eq!(told(&report, &ilya.to_string()), "parked 2 RoleChanged: ");
    assert_eq!(report.examples[0].live, report.examples[0].log);
}

#[tokio::test]
async fn of_many_rows_that_differ_the_first_hundred_are_explained_and_all_are_counted() {
    let story = Story::begin().await;
    for number in 0..130 {
        story.person(1 + number, ILYA).await;
    }
    story.project().await;
    story.run("update slots.users_a set first_name = 'Eve'").await;
    for reports in [
        verify(&story.db, |_, _| {}).await.unwrap().views,
        dry_run(&story.db, ALL, |_| {}).await.unwrap(),
        rebuild(&story.db, ALL, |_| {}).await.unwrap(),
    ] {
        let users = &reports[0];
        assert_eq!((users.differ, users.examples.len()), (130, 100));
        assert!(users.examples.iter().all(|it| it.parting == Some(Parting::NotOfTheLog)), "{users:?}");
    }
}

#[tokio::test]
async fn a_row_with_very_many_events_is_named_and_not_explained() {
    let story = Story::begin().await;
    let (ilya, olga) = (story.person(1, ILYA).await, story.person(2, ILYA).await);
    // As many as a row may not have: 10,000 blocks of one person.
    story
        .run(&format!(
            "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
             select 'account', '{ilya}', n, 'AccountBlocked', '1', \
                    '{{\"AccountBlocked\":{{\"at\":\"2026-11-22T10:00:00Z\"}}}}', '{{}}' \
               from generate_series(2, 10001) n"
        ))
        .await;
    story.project().await;
    story.run("update slots.users_a set first_name = 'Eve'").await;
    let told = dry_run(&story.db, &["users".to_owned()], |_| {}).await.unwrap();
    let parting = |account: AccountId| {
        let of = |it: &&Difference| it.key == account.to_string();
        told[0].examples.iter().find(of).unwrap().parting.clone()
    };
    assert_eq!(told[0].differ, 2);
    assert_eq!((parting(ilya), parting(olga)), (None, Some(Parting::NotOfTheLog)));
}
