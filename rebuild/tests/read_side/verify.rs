//! Verification finds rows that differ from the log, and no others.

use domain::AccountCommand;
use secrecy::ExposeSecret;

use ::rebuild::verify::{as_of, verify};
use app::testing::Story;
use eventlog::database::Database;
use eventlog::log::Log;
use eventlog::sequencer::Sequencer;
use projections::lag::lag;
use projections::totals::totals;
use projections::views::users::filtered::{UserFilter, filtered};

const ILYA: &str = r#"{"first_name":"Ilya"}"#;

#[tokio::test]
async fn views_that_only_the_projector_wrote_do_not_differ() {
    let story = Story::begin().await;
    let invite = story.invite(2, None).await;
    let ilya = story.person(1, ILYA).await;
    let login = story.redeem(ilya, invite).await;
    story.settle().await;
    story.confirm(ilya, invite, &login).await;
    let gone = story.person(2, r#"{"first_name":"Gone"}"#).await;
    story.settle().await;
    story.account(gone, AccountCommand::Erase { at: story.clock.now() }).await;
    story.settle().await;
    story.vault.erase_subject(gone).await.unwrap();

    let report = verify(&story.db, |_, _| {}).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    let rows: Vec<_> = report.views.iter().map(|view| (view.view, view.rows)).collect();
    let expected = [
        ("users", 1),
        ("login_status", 1),
        ("invites", 1),
        ("subscriptions", 1),
        ("hourly_counts", 1),
        ("daily_counts", 1),
    ];
    assert_eq!(rows, expected);
    let end = Log::new(&story.db).end().await.unwrap();
    assert_eq!(report.events, u64::try_from(end).unwrap());
}

#[tokio::test]
async fn a_row_that_somebody_changed_added_or_removed_by_hand_is_found() {
    let story = Story::begin().await;
    let (ilya, olga) = (story.person(1, ILYA).await, story.person(2, ILYA).await);
    let login = story.start(ilya).await;
    story.settle().await;
    story
        .run(&format!(
            "update slots.users_a set first_name = 'Eve', is_blocked = true where account_id = '{ilya}'"
        ))
        .await;
    story.run(&format!("delete from slots.users_a where account_id = '{olga}'")).await;
    story
        .run(
            "insert into slots.login_status_a select 'made-up-by-hand-and-not-logged', account_id, attempt, status, \
             version, started_position, invite_id, started_at, deadline_at, qr_expires_at, code_via, code_length, \
             code_rejected, password_rejected, reason, ended_at from slots.login_status_a",
        )
        .await;

    let report = verify(&story.db, |_, _| {}).await.unwrap();
    assert!(!report.is_clean());
    let users = &report.views[0];
    assert_eq!((users.rows, users.differ), (2, 2));
    let mut found: Vec<_> = users.examples.iter().map(|it| (it.key.clone(), it.what.as_str())).collect();
    found.sort_by_key(|(_, what)| *what);
    let wanted = [(ilya.to_string(), "differs in first_name, is_blocked"), (olga.to_string(), "is missing")];
    assert_eq!(found, wanted);
    let logins = &report.views[1];
    assert_eq!((logins.rows, logins.differ), (1, 1));
    assert_ne!(logins.examples[0].key, login.as_str());
    assert_eq!(report.views[2].differ + report.views[3].differ, 0);
}

#[tokio::test]
async fn a_parked_key_is_compared_as_it_was_parked_and_its_event_is_reported() {
    let story = Story::begin().await;
    let ilya = story.person(1, ILYA).await;
    story
        .run(&format!(
            "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
             values ('account', '{ilya}', 2, 'AccountAscended', '1', '{{}}', '{{}}')"
        ))
        .await;
    story.project().await;
    let report = verify(&story.db, |_, _| {}).await.unwrap();
    assert_eq!(report.undecodable.len(), 1);
    assert_eq!(report.undecodable[0].0, 2);
    assert!(!report.is_clean());
    assert!(report.views.iter().all(|view| view.differ == 0), "{report:?}");
    assert_eq!(report.views[0].parked, 1);
}

#[tokio::test]
async fn a_view_can_be_shown_as_of_a_position() {
    let story = Story::begin().await;
    let ilya = story.person(1, ILYA).await;
    story.account(ilya, AccountCommand::Block { at: story.clock.now() }).await;
    story.project().await;
    let key = ilya.to_string();
    for (position, blocked) in [(1, false), (2, true)] {
        let rows = as_of(&story.db, position, "users", Some(&key)).await.unwrap().unwrap();
        assert_eq!(rows[0]["is_blocked"], blocked, "at {position}");
    }
    assert!(as_of(&story.db, 0, "users", None).await.unwrap().unwrap().is_empty());
    assert!(as_of(&story.db, 0, "nonsense", None).await.unwrap().is_none());
}

#[tokio::test]
async fn an_auditor_reads_the_log_and_the_views_and_no_secrets() {
    let story = Story::begin().await;
    let invite = story.invite(1, None).await;
    story.vault.add_code(invite, "3HBP4Z3ECICZ", None, None).await.unwrap();
    story.person(1, ILYA).await;
    story.project().await;
    // The role belongs to the cluster, not only to this test; only this test lets it log in.
    story.run("alter role qr_auditor login").await;
    let (url, own) = (story.url.expose_secret().to_owned(), "user=qr_login");
    assert!(url.contains(own));
    let auditor = Database::connect(&url.replace(own, "user=qr_auditor").into()).await.unwrap();

    assert!(verify(&auditor, |_, _| {}).await.unwrap().is_clean());
    assert_eq!(lag(&auditor).await.unwrap().unplaced, 0);
    assert_eq!(totals(&auditor, story.clock.now()).await.unwrap().people, 1);
    assert_eq!(filtered(&auditor, &UserFilter::default(), None, 10).await.unwrap().len(), 1);
    for closed in ["sessions", "attempts", "retired_keys", "requests", "invite_codes", "outbox"] {
        let sql = format!("select count(*) from vault.{closed}");
        let refused = sqlx::query(&sql).execute(auditor.pool()).await.expect_err(closed);
        let code = refused.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
        assert_eq!(code.as_deref(), Some("42501"), "{closed}: {refused}");
    }
    for write in ["delete from slots.users_a", "insert into parked values ('users', 'k', 1, 'e')"] {
        sqlx::query(write).execute(auditor.pool()).await.expect_err(write);
    }
}

#[tokio::test]
async fn the_lag_shows_how_far_each_reader_is_behind() {
    let story = Story::begin().await;
    story.person(1, ILYA).await;
    let before = lag(&story.db).await.unwrap();
    assert_eq!((before.unplaced, before.end), (1, 0));
    Sequencer::take_over(&story.db).await.unwrap().pass().await.unwrap();
    let placed = lag(&story.db).await.unwrap();
    assert_eq!((placed.unplaced, placed.end), (0, 1));
    assert!(placed.consumers.iter().all(|it| it.behind == 1 && it.waiting_since.is_some()));
    story.settle().await;
    let after = lag(&story.db).await.unwrap();
    assert!(after.consumers.iter().all(|it| it.behind == 0 && it.waiting_since.is_none()), "{after:?}");
    assert_eq!(after.consumers.len(), 7);
}
