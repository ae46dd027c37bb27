//! Logins from the claim to the linked session, against a real PostgreSQL and a stand-in Telegram.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use domain::{Event, LoginEvent};
use grammers_client::session::updates::UpdatesLike;
use jiff::SignedDuration;
use stand_in::accounts::{ANNA, ILYA};
use vault::RetireReason;

use super::session_files::file;

mod broken_connection;
mod code_and_password;
mod frozen;
mod log_behind;
mod takeover;
mod unowned;
mod world;

use world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_scanned_code_links_the_session() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
    world.wait_until_closed(&login).await;

    assert_eq!(world.event_names(&login).await, ["LoginStarted", "QrIssued", "AuthorizationConfirmed"]);
    assert!(world.store.load_invite(login.invite).await.unwrap().used_by(login.account));
    let linked = world.vault.linked(login.account).await.unwrap().unwrap();
    let mode = world.session_file().metadata().unwrap().permissions().mode();
    let content = file::read(&world.sessions_dir(), ILYA).unwrap().unwrap();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(content.sealed().unwrap(), linked.sealed);
    let sessions = world.telegram.sessions_of(ILYA);
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].device.model, "qr-login");
    assert_eq!(world.telegram.calls("auth.logOut"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_is_renewed_before_it_dies_and_the_one_before_still_counts() {
    let world = World::with_token_lifetime(Duration::from_secs(4)).await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    let first = world.link(&login).await;
    world.manual_clock.advance(Duration::from_secs(2));
    world.wait_for_event(&login, "QrIssued", 2).await;
    assert_ne!(world.link(&login).await, first);

    world.ilya_scans(&first).await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_expiry_of_a_code_does_not_depend_on_telegrams_clock() {
    for ahead_seconds in [-120, -20, 60, 120] {
        let world = World::with_telegram_ahead_by(SignedDuration::from_secs(ahead_seconds)).await;
        let login = world.ilya_requests_login().await;
        let issued = world.wait_for_event(&login, "QrIssued", 1).await;
        let Ok(Event::Login(LoginEvent::QrIssued { expires_at, at, .. })) = issued.event else {
            panic!("{issued:?}")
        };
        assert_eq!(expires_at.duration_since(at), SignedDuration::from_secs(30), "{ahead_seconds}");
        world.ilya_scans(&world.link(&login).await).await;
        world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_links_nothing_and_is_logged_out() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.anna_scans(&world.link(&login).await).await;
    world.wait_for_event(&login, "AuthorizationRejected", 1).await;
    assert!(world.telegram.sessions_of(ANNA).is_empty());
    world.wait_until_closed(&login).await;

    assert!(world.vault.linked(login.account).await.unwrap().is_none());
    assert!(!world.session_file().exists());
    world
        .eventually("the invite's use is given back", async || {
            world.store.load_invite(login.invite).await.unwrap().uses() == 0
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_login_leaves_nothing_at_telegram() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    let link = world.link(&login).await;
    world.telegram.faults().hold_updates();
    world.ilya_scans(&link).await;
    world.cancel(&login).await;
    world.wait_until_closed(&login).await;

    assert_eq!(world.telegram.hanging_acceptances(), 0);
    assert!(world.telegram.sessions_of(ILYA).is_empty());
    assert!(world.vault.token(&login.id).await.unwrap().is_none());
    assert_eq!(world.event_names(&login).await, ["LoginStarted", "QrIssued", "LoginCancelled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_another_data_centre_is_followed_there() {
    let world = World::start().await;
    world.telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
    let sessions = world.telegram.sessions_of(ILYA);
    assert_eq!((sessions.len(), sessions[0].dc), (1, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_on_the_way_to_the_data_centre_is_replaced_there() {
    let world = World::start().await;
    world.telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    world.telegram.faults().expire_imports(1);
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_for_event(&login, "QrIssued", 2).await;
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_survives_its_process_with_the_same_key() {
    let mut world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    let link = world.link(&login).await;
    world.kill_workers().await;
    // The code of the dead process is still on the screen.
    world.ilya_scans(&link).await;
    world.start_workers();
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
    world.wait_until_closed(&login).await;
    assert_eq!(world.telegram.sessions_of(ILYA).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_ended_without_its_process_is_logged_out_by_the_next() {
    let mut world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.kill_workers().await;
    world.ilya_scans(&world.link(&login).await).await;
    world.cancel(&login).await;
    world.start_workers();
    world.wait_until_closed(&login).await;
    assert_eq!(world.telegram.hanging_acceptances(), 0);
    assert!(world.telegram.sessions_of(ILYA).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_update_is_found_out_by_the_next_export() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.telegram.faults().lose_next_update();
    world.ilya_scans(&world.link(&login).await).await;
    world.manual_clock.advance(Duration::from_secs(28));
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubled_update_confirms_once() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.telegram.faults().double_next_update();
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
    world.wait_until_closed(&login).await;
    assert_eq!(world.event_names(&login).await, ["LoginStarted", "QrIssued", "AuthorizationConfirmed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_is_opened_anew() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.telegram.faults().drop_connections();
    world.wait_for_event(&login, "QrIssued", 2).await;
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_telegram_forgets_is_replaced_and_a_new_code_shown() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.telegram.faults().forget_keys();
    world.wait_for_event(&login, "QrIssued", 2).await;
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_wait_is_waited_out() {
    let world = World::start().await;
    world.telegram.faults().flood_wait("auth.exportLoginToken", 20);
    let started_at = world.now();
    let login = world.ilya_requests_login().await;
    world.wait_for_call("auth.exportLoginToken", 1).await;
    world.while_time_passes(world.wait_for_event(&login, "QrIssued", 1)).await;
    assert!(world.now() >= started_at + SignedDuration::from_secs(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_wait_beyond_the_deadline_fails_the_login() {
    let world = World::start().await;
    world.telegram.faults().flood_wait("auth.exportLoginToken", 301);
    let login = world.ilya_requests_login().await;
    let failed = world.wait_for_event(&login, "LoginFailed", 1).await;
    assert_eq!(failed.payload["LoginFailed"]["reason"], "flood_wait");
    world.wait_until_closed(&login).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_telegram_is_tried_again() {
    let world = World::start().await;
    world.telegram.faults().airplane(true);
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "LoginStarted", 1).await;
    world.telegram.faults().airplane(false);
    world.wait_for_event(&login, "QrIssued", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_expires_at_its_deadline_and_its_key_is_logged_out() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.manual_clock.advance(Duration::from_secs(300));
    world.wait_for_event(&login, "LoginExpired", 1).await;
    world.wait_until_closed(&login).await;
    assert!(world.telegram.calls("auth.logOut") >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_session_takes_the_place_of_the_one_before() {
    let world = World::start().await;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let login = world.ilya_requests_login().await;
        world.wait_for_event(&login, "QrIssued", 1).await;
        world.ilya_scans(&world.link(&login).await).await;
        world.wait_for_event(&login, "AuthorizationConfirmed", 1).await;
        let sessions = world.telegram.sessions_of(ILYA).into_iter().map(|session| session.key);
        keys.extend(sessions.filter(|key| !keys.contains(key)).collect::<Vec<_>>());
    }
    let one_is_left = async || world.telegram.sessions_of(ILYA).len() == 1;
    world.eventually("the session before is logged out", one_is_left).await;
    assert!(world.telegram.logged_out(keys[0]));
    assert!(!world.telegram.logged_out(keys[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_person_gives_up_is_logged_out_and_its_file_removed() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_until_closed(&login).await;
    world.vault.retire_linked(login.account, &login.id, RetireReason::LoggedOut).await.unwrap();
    let nothing_is_left =
        async || world.telegram.sessions_of(ILYA).is_empty() && !world.session_file().exists();
    world.eventually("the session is gone", nothing_is_left).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_person_ends_in_telegram_is_found_out() {
    let world = World::start().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "QrIssued", 1).await;
    world.ilya_scans(&world.link(&login).await).await;
    world.wait_until_closed(&login).await;
    let checks = tokio::spawn(crate::check_sessions(world.workers(), Duration::from_millis(20)));
    let probes = world.telegram.calls("updates.getState");
    world.while_time_passes(world.wait_for_call("updates.getState", probes + 2)).await;
    assert!(world.vault.linked(login.account).await.unwrap().is_some(), "a session that lives stays");

    let session = &world.telegram.sessions_of(ILYA)[0];
    assert!(world.telegram.end_session(ILYA, session.hash));
    let is_forgotten = async || world.vault.linked(login.account).await.unwrap().is_none();
    world.while_time_passes(world.eventually("the session is forgotten", is_forgotten)).await;
    world.eventually("its file is removed", async || !world.session_file().exists()).await;
    checks.abort();
    let events = world.account_event_names(login.account).await;
    assert_eq!(events.iter().filter(|name| *name == "AuthorizationRevoked").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_expired_while_no_worker_ran_shows_no_code() {
    let mut world = World::start().await;
    world.kill_workers().await;
    let login = world.ilya_requests_login().await;
    world.wait_for_event(&login, "LoginStarted", 1).await;
    world.manual_clock.advance(Duration::from_secs(301));
    world.start_workers();
    world.wait_for_event(&login, "LoginExpired", 1).await;
    world.wait_until_closed(&login).await;
    assert_eq!(world.event_names(&login).await, ["LoginStarted", "LoginExpired"]);
    assert_eq!(world.telegram.calls("auth.exportLoginToken"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_person_is_refused_before_telegram_is_asked() {
    let world = World::start().await;
    let account = world.ilya().await;
    let block = domain::AccountCommand::Block { at: world.now() };
    world.store.account(account, block, eventlog::Context::tool("cli")).await.unwrap();
    let login = world.ilya_requests_login().await;
    let cancelled = world.wait_for_event(&login, "LoginCancelled", 1).await;
    assert_eq!(cancelled.payload["LoginCancelled"]["reason"], "blocked");
    assert_eq!(world.telegram.calls("auth.exportLoginToken"), 0);
}

/// `src/memory.rs` counts on it: what is smaller comes from the heap and takes memory that nobody uses.
#[test]
fn the_channel_of_updates_is_large_enough_to_come_from_the_kernel() {
    const AT_ONCE: usize = 32; // tokio allocates so many places at a time
    assert!(size_of::<UpdatesLike>() * AT_ONCE > 128 * 1024, "{} bytes each", size_of::<UpdatesLike>());
}
