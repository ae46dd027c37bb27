//! Who was blocked or erased is refused at once on every route and on every open page. A route without a row here fails the
//! test. Commands and buttons of the bot: `bot/src/chat/tests/refused.rs`.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use app::people::permissions::{Ordered, PermissionOrder, Permissions};
use domain::Tier;
use eventlog::store::Context;
use reqwest::Method;
use serde_json::{Value, json};
use stand_in::accounts::ILYA;
use vault::Vault;

use crate::erasure::{confirm_reset, wait_until_forgotten};
use crate::world::World;

/// What a person has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    Access,
    Everything,
}

/// What a route shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    /// The same to everybody, and nothing of anybody.
    TheSameToAll,
    /// How a login stands.
    Status,
    /// What is the owner's alone.
    TheOwners,
}

fn row(method: &Method, path: &str) -> Result<Shows> {
    Ok(match (method.as_str(), path) {
        (
            "GET",
            "/qr-auth"
            | "/me"
            | "/admin"
            | "/qr-auth/static/{name}"
            | "/qr-auth/static/{folder}/{name}"
            | "/admin/static/{*name}"
            | "/api/docs"
            | "/api/docs/static/{name}"
            | "/log/checkpoint"
            | "/log/tile/{*path}"
            // By the sessions of the admin API.
            | "/log/tile/entries/{*path}",
        )
        | ("POST", "/qr-auth/telegram") => Shows::TheSameToAll,
        ("GET", "/qr-auth-status") => Shows::Status,
        (
            "GET",
            "/qr-auth/qr.svg" | "/qr-auth/password" | "/api/me" | "/api/me/events" | "/api/me/export"
            | "/api/me/proof",
        )
        | (
            "POST",
            "/qr-auth/cancel" | "/qr-auth/retry" | "/qr-auth/password" | "/qr-auth/phone" | "/qr-auth/code"
            | "/api/me/logout" | "/api/me/forget",
        ) => Shows::TheOwners,
        _ => bail!("{method} {path} has no row"),
    })
}

/// What every POST of the page takes, in one.
fn body(session: &str) -> Value {
    let (a, m1) = ("0".repeat(512), "0".repeat(64));
    json!({"session_id": session, "phone": "+79990000001", "code": "12345", "srp_id": "1", "A": a, "M1": m1})
}

/// Asks every route for this login as its owner.
async fn ask_all_routes(world: &World, session: &str, lost: Lost) -> Result<()> {
    // These go by sessions and keys: `admin_refused.rs` and `service_refused.rs` ask their routes.
    let others = ["/api/admin", "/api/v1", "/api/openapi.json"];
    let is_asked = |path: &str| !others.iter().any(|other| path.starts_with(other));
    for (method, path) in api::route_names().into_iter().filter(|(_, path)| is_asked(path)) {
        let shows = row(&method, path)?;
        let query = format!("{path}?session_id={session}");
        let request = match method {
            Method::GET => world.get_as(ILYA, &query),
            _ => world.post_as(ILYA, path, &body(session)),
        };
        let answer = request.send().await?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        let what = format!("{method} {path} for {lost:?}: {status} {text}");
        match (shows, lost) {
            (Shows::TheSameToAll, _) => assert!(!text.contains(session), "{what}"),
            (Shows::Status, Lost::Access) => {
                assert_blocked_status(&serde_json::from_str(&text).context(what.clone())?, &what);
            }
            (Shows::TheOwners, Lost::Access) => {
                let problem: Value = serde_json::from_str(&text).context(what.clone())?;
                assert_eq!((status, &problem["type"]), (403, &json!("urn:qr-login:blocked")), "{what}");
                assert_eq!(problem["detail"], "⛔ Доступ заблокирован. Поддержка: @support", "{what}");
            }
            (Shows::Status, Lost::Everything) => {
                assert_eq!((status, text.as_str()), (200, r#"{"status":"not_found"}"#), "{what}");
            }
            (Shows::TheOwners, Lost::Everything) => assert_eq!(status, 404, "{what}"),
        }
    }
    Ok(())
}

/// The page that is open says that the login is over, and why; it shows no code.
fn assert_blocked_status(status: &Value, what: &str) {
    assert_eq!(
        (&status["status"], &status["error"]),
        (&json!("cancelled"), &json!("⛔ Доступ заблокирован")),
        "{what}"
    );
    assert!(status["token"].is_null() && status["deep_link"].is_null(), "{what}");
}

/// The open page of the login's owner: its long poll, as it is answered next.
fn open_page(world: &World, session: &str, since: i64) -> tokio::task::JoinHandle<Result<(u16, Value)>> {
    let path = format!("/qr-auth-status?session_id={session}&since={since}&wait=25");
    let request = world.get_as(ILYA, &path);
    tokio::spawn(async move {
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    })
}

async fn order(world: &World, order: PermissionOrder) -> Result<()> {
    let account = Vault::new(&world.db).subject_of(ILYA).await?.context("a known person")?.account_id;
    let permissions = Permissions::new(&world.db);
    let ordered = permissions.order(account, order, &[], world.now(), Context::tool("test")).await?;
    assert_eq!(ordered, Ordered::Done);
    Ok(())
}

#[tokio::test]
async fn a_blocked_person_is_refused_at_once_on_every_route_and_open_page() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let shown = world.wait_for_status(ILYA, &session, |status| status["token"].is_string()).await?;
    let page = open_page(&world, &session, shown["version"].as_i64().context("a version")? + 1000);

    order(&world, PermissionOrder::Block).await?;

    let (status, answer) = tokio::time::timeout(Duration::from_secs(20), page).await???;
    assert_blocked_status(&answer, &format!("{status} {answer}"));
    ask_all_routes(&world, &session, Lost::Access).await?;
    // The login in flight ends, and its use is given back.
    let names = world.wait_for_event("InviteReleased").await?;
    assert!(names.contains(&"LoginCancelled".to_owned()), "{names:?}");
    ask_all_routes(&world, &session, Lost::Access).await?;
    let told = world.person(ILYA).wait_for_message(|message| message.text.starts_with('⛔')).await?;
    assert!(told.text.contains("@support"), "{}", told.text);

    order(&world, PermissionOrder::Unblock).await?;

    let retried = world.post_as(ILYA, "/qr-auth/retry", &json!({"session_id": session})).send().await?;
    assert_eq!(retried.status(), 200, "{}", retried.text().await?);
    Ok(())
}

#[tokio::test]
async fn the_open_page_of_an_erased_person_can_do_nothing_and_shows_nothing() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let shown = world.wait_for_status(ILYA, &session, |status| status["token"].is_string()).await?;
    let page = open_page(&world, &session, shown["version"].as_i64().context("a version")? + 1000);

    confirm_reset(&world, ILYA, "/debug_reset").await?;

    let _ = tokio::time::timeout(Duration::from_secs(20), page).await???;
    wait_until_forgotten(&world, ILYA).await?;
    ask_all_routes(&world, &session, Lost::Everything).await?;
    let bare = world.http.get(format!("{}/qr-auth-status?session_id={session}", world.base()));
    assert_eq!(bare.send().await?.text().await?, r#"{"status":"not_found"}"#);
    let starts = world.event_names().await?.into_iter().filter(|name| name == "LoginStarted").count();
    assert_eq!(starts, 1, "nothing was begun anew");
    Ok(())
}
