//! `replay verify` finds what somebody with the database's highest rights changed behind the triggers: one test for each
//! corruption. What the service does meanwhile is no fault.

use crate::past::{Past, text};

/// What `replay verify` prints.
struct Verified {
    told: String,
    code: Option<i32>,
}

/// A past in which this was done with triggers switched off, as `replay verify` sees it.
async fn verified_after(damage: &str) -> (Past, Verified) {
    let past = Past::make().await;
    past.run(&format!("begin; set local session_replication_role = replica; {damage}; commit")).await;
    let verified = verify(&past);
    (past, verified)
}

fn verify(past: &Past) -> Verified {
    let output = past.replay(&["verify"]);
    Verified { told: text(&output), code: output.status.code() }
}

impl Verified {
    /// Exit code 1, and one line that begins so and says what to do.
    fn expect_line(&self, beginning: &str) {
        let found: Vec<_> = self.told.lines().filter(|line| line.starts_with(beginning)).collect();
        assert_eq!(found.len(), 1, "{beginning:?} in {}", self.told);
        assert!(found[0].contains("restore") || found[0].contains("restart"), "what to do: {}", found[0]);
        assert_eq!(self.code, Some(1), "{}", self.told);
    }
}

#[tokio::test]
async fn an_event_that_was_deleted_with_its_position_is_found() {
    // The second login's cancellation: other views do not miss it.
    let (_past, verified) = verified_after(
        "delete from log_index where event_no = (select event_no from events where event_type = 'InviteReleased'); \
         delete from events where event_type = 'InviteReleased'",
    )
    .await;
    verified.expect_line("position 10 is the last one, and 12 would be the next");
}

#[tokio::test]
async fn a_position_whose_event_is_gone_is_found() {
    let (_past, verified) = verified_after("delete from events where event_type = 'InviteCreated'").await;
    verified.expect_line("position 3: its event is gone");
    verified.expect_line("position 4: its event is gone");
    assert!(verified.told.contains("event 1: the event is gone, and the stream has later ones"));
}

#[tokio::test]
async fn a_missing_position_in_the_middle_is_found_with_the_event_that_lost_it() {
    let (past, verified) = verified_after("delete from log_index where position in (5, 6)").await;
    verified.expect_line("positions 5 to 6: no event has them");
    verified.expect_line(&format!("stream login/{}, event 1: it has lost its position", past.logins[0]));
}

#[tokio::test]
async fn a_missing_last_position_is_found() {
    let (_past, verified) = verified_after("delete from log_index where position = 11").await;
    verified.expect_line("position 10 is the last one, and 12 would be the next");
    verified.expect_line("users: its checkpoint is 11, and the log ends at 10");
}

#[tokio::test]
async fn a_next_position_that_was_changed_is_found() {
    let (_past, verified) = verified_after("update sequencer set next_position = 50").await;
    verified.expect_line("position 11 is the last one, and 50 would be the next");
}

#[tokio::test]
async fn a_gap_in_a_stream_is_found_also_where_positions_are_dense_again() {
    let (past, verified) =
        verified_after("update events set sequence = 7 where event_type = 'AuthorizationConfirmed'").await;
    verified.expect_line(&format!("stream login/{}, event 2: the event is gone", past.logins[0]));
}

#[tokio::test]
async fn positions_that_were_exchanged_within_a_stream_are_found() {
    let (past, verified) = verified_after(
        "update log_index set position = 100 where position = 9; \
         update log_index set position = 9 where position = 6; \
         update log_index set position = 6 where position = 100",
    )
    .await;
    verified.expect_line(&format!(
        "position 9: stream login/{}, event 1 comes after a later event",
        past.logins[0]
    ));
}

#[tokio::test]
async fn a_checkpoint_beyond_the_end_of_the_log_is_found() {
    let (_past, verified) =
        verified_after("update checkpoints set position = 99 where consumer = 'reactor'").await;
    verified.expect_line("reactor: its checkpoint is 99, and the log ends at 11");
}

#[tokio::test]
async fn a_checkpoint_that_is_gone_is_found() {
    let (_past, verified) = verified_after("delete from checkpoints where consumer = 'invites'").await;
    verified.expect_line("invites: it has no row in checkpoints");
}

#[tokio::test]
async fn limits_of_people_without_a_subscription_that_were_changed_by_hand_are_found() {
    let (_past, verified) =
        verified_after(r#"update free_limits set limits = limits || '{"max_channels": 999}'"#).await;
    verified.expect_line("free_limits: they are not as the service wrote them");
}

#[tokio::test]
async fn a_public_view_that_hides_rows_is_found() {
    let (past, verified) = verified_after("delete from free_limits").await;
    verified.expect_line("users: the view shows 0 rows, and its table has 2");
    drop(past);
    let (_past, verified) =
        verified_after("create or replace view invites as select * from slots.invites_b").await;
    verified.expect_line("invites: the view does not read slots.invites_a alone");
}

#[tokio::test]
async fn a_thousand_lost_events_are_twenty_lines_and_a_count() {
    let past = Past::make().await;
    past.run(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
         select 'login', 'made-up-' || n, 1, 'LoginExpired', '1', '{}', '{}' from generate_series(1, 1000) n",
    )
    .await;
    past.project().await;
    past.run(
        "begin; set local session_replication_role = replica; \
         delete from events where aggregate_id like 'made-up-%'; commit",
    )
    .await;
    let verified = verify(&past);
    let gone = verified.told.lines().filter(|line| line.contains("its event is gone")).count();
    assert_eq!(gone, 20, "{}", verified.told);
    assert!(verified.told.contains("and 980 more like it\n"), "{}", verified.told);
}

#[tokio::test]
async fn what_a_live_service_appends_meanwhile_is_no_fault() {
    // 1. A transaction appends and stays open. 2. Others append after it and get positions. 3. It commits: its events have no
    // position yet, though later ones have. 4. More is appended, and a takeover of another cluster is due.
    let past = Past::make().await;
    let append = |id: &str| {
        format!(
            "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
             select aggregate_type, '{id}', 1, event_type, event_version, payload, metadata from events \
              where event_type = 'LoginStarted' limit 1"
        )
    };
    let mut open = past.test.db.direct().await.unwrap().begin("begin").await.unwrap();
    sqlx::query(&append("appended-early-and-committed-late")).execute(&mut *open).await.unwrap();
    past.run(&append("appended-and-placed-meanwhile")).await;
    past.project().await;
    assert_eq!(past.count("select max(position) from log_index").await, 12);
    assert_eq!(verify(&past).code, Some(0), "{}", verify(&past).told);
    open.commit().await.unwrap();
    past.run(&append("appended-last")).await;
    assert_eq!(verify(&past).code, Some(0), "{}", verify(&past).told);
    past.run("update sequencer set cluster = 'another/00000001'").await;
    assert_eq!(verify(&past).code, Some(0), "{}", verify(&past).told);
    past.project().await;
    assert_eq!(past.count("select max(position) from log_index").await, 14);
    assert_eq!(verify(&past).code, Some(0), "{}", verify(&past).told);
}

#[tokio::test]
async fn a_row_that_cannot_be_folded_is_called_parked_by_every_command() {
    let past = Past::make().await;
    past.run(&format!(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
         values ('account', '{}', 2, 'AccountAscended', '1', '{{}}', '{{}}')",
        past.ilya
    ))
    .await;
    past.project().await;
    let unparked = past.replay(&["unpark"]);
    assert_eq!(unparked.status.code(), Some(1));
    assert!(text(&unparked).contains("; parked at position 12: "), "{}", text(&unparked));
    past.run("delete from parked").await;
    assert!(verify(&past).told.contains(" is parked at position 12: "), "{}", verify(&past).told);
}
