//! Somebody who may not use a route of the API gets nowhere, on every route of the document that the service serves. A route whose
//! security the document does not tell, or a part of a path that is not known here, fails the test.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use app::people::permissions::{Ordered, PermissionOrder, Permissions};
use domain::{AccountId, Role};
use eventlog::store::Context;
use jiff::SignedDuration;
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};
use vault::admin_sessions::NewAdminSession;
use vault::{DerivedKeys, Vault, installation};

use crate::admin_acts::world;
use crate::admin_client::{AdminPage, account_of};
use crate::erasure::{confirm_reset, wait_until_forgotten};
use crate::world::World;

/// Who may use a route, as the document says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    /// Nothing is asked.
    Open,
    /// Launch data of the person themselves.
    Launch,
    /// A session of an admin.
    Admin,
    /// A session of an admin or an auditor.
    Auditor,
    /// An API key.
    Key,
}

/// A route of the document.
#[derive(Clone, Debug)]
struct Route {
    method: Method,
    /// With ids of what there is.
    path: String,
    security: Security,
}

impl Route {
    fn request(&self, world: &World) -> RequestBuilder {
        let request = world.http.request(self.method.clone(), format!("{}{}", world.base(), self.path));
        match self.method {
            Method::GET => request,
            _ => request.json(&json!({})),
        }
    }
}

/// Every route of the document, from the running service.
async fn routes(world: &World, admin: &AdminPage) -> Result<Vec<Route>> {
    let document: Value =
        world.http.get(format!("{}/api/openapi.json", world.base())).send().await?.json().await?;
    let made = admin
        .post("invites", json!({"tier": "basic", "max_uses": 1, "valid_days": 1, "subscription_days": 1}))
        .await?;
    let invite = made.body["items"][0]["invite_id"].as_str().context("an invite")?.to_owned();
    let ilya = account_of(world, ILYA).await?.to_string();
    let fill = |path: &str| -> Result<String> {
        let mut filled = Vec::new();
        for part in path.split('/') {
            filled.push(match part {
                "{account_id}" => ilya.clone(),
                "{invite_id}" => invite.clone(),
                "{position}" => "1".to_owned(),
                "{telegram_id}" => ILYA.to_string(),
                "{key_id}" => "0123456789abcdef".to_owned(),
                "{view}" => "users".to_owned(),
                "{id}" | "{rebuild_id}" | "{webhook_id}" | "{delivery_id}" => {
                    "00000000-0000-4000-8000-000000000001".to_owned()
                }
                part if part.starts_with('{') => bail!("{path}: {part} has no value here"),
                part => part.to_owned(),
            });
        }
        Ok(filled.join("/"))
    };
    let usual = document["security"].clone();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().context("paths")? {
        for (method, operation) in methods.as_object().context("methods")? {
            let required = operation.get("security").unwrap_or(&usual);
            let security = security(required).with_context(|| format!("{method} {path}"))?;
            let method = method.to_uppercase().parse()?;
            routes.push(Route { method, path: fill(path)?, security });
        }
    }
    ensure!(routes.len() >= 14, "{routes:?}");
    let kinds: BTreeSet<_> = routes.iter().map(|route| format!("{:?}", route.security)).collect();
    assert!(kinds.contains("Admin") && kinds.contains("Launch"), "{kinds:?}");
    Ok(routes)
}

fn security(required: &Value) -> Result<Security> {
    Ok(match required.to_string().as_str() {
        "[]" | "[{}]" => Security::Open,
        r#"[{"launch":[]}]"# => Security::Launch,
        r#"[{"session":["admin"]}]"# => Security::Admin,
        r#"[{"session":["auditor"]}]"# => Security::Auditor,
        key if key.starts_with(r#"[{"key":["#) => Security::Key,
        other => bail!("nobody knows who may: {other}"),
    })
}

/// Asks every route that takes a session, or every one that takes launch data, and expects one of these.
async fn expect(
    world: &World,
    routes: &[Route],
    who: &str,
    authorization: Option<&str>,
    expected: impl Fn(Security) -> Option<u16>,
) -> Result<()> {
    for route in routes {
        let Some(expected) = expected(route.security) else { continue };
        let request = route.request(world);
        let request = match authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        };
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let kind =
            answer.headers().get("content-type").map(|it| it.to_str().map(str::to_owned)).transpose()?;
        let what = format!("{who}: {} {}: {status}", route.method, route.path);
        assert_eq!(status, expected, "{what} {}", answer.text().await?);
        assert_eq!(kind.as_deref(), Some("application/problem+json"), "{what}");
    }
    Ok(())
}

/// Everything but what is open to all.
fn closed(status: u16) -> impl Fn(Security) -> Option<u16> {
    move |security| (security != Security::Open).then_some(status)
}

/// What takes a session.
fn with_session(status: u16) -> impl Fn(Security) -> Option<u16> {
    move |security| matches!(security, Security::Admin | Security::Auditor).then_some(status)
}

async fn order(world: &World, account: AccountId, order: PermissionOrder) -> Result<()> {
    let permissions = Permissions::new(&world.db);
    let ordered = permissions.order(account, order, &[], world.now(), Context::tool("test")).await?;
    assert_eq!(ordered, Ordered::Done);
    Ok(())
}

#[tokio::test]
async fn nobody_gets_anywhere_without_the_right_on_every_route_of_the_document() -> Result<()> {
    let world = world().await?;
    let admin = AdminPage::open(&world, ANNA).await?;
    let ilya = account_of(&world, ILYA).await?;
    let routes = routes(&world, &admin).await?;
    let before = world.events().await?.len();
    let bearer = |token: &str| format!("Bearer {token}");

    // A stranger; somebody who made up launch data, or kept it for too long.
    expect(&world, &routes, "a stranger", None, closed(401)).await?;
    for (who, launch) in [
        ("a forger", world.person(ANNA).forged_init_data()),
        ("who opened the page too long ago", world.person(ANNA).stale_init_data(16 * 60)),
    ] {
        expect(&world, &routes, who, Some(&format!("tma {launch}")), closed(401)).await?;
    }

    // A person, and an admin, with launch data where a session is asked for.
    for person in [ILYA, ANNA] {
        let launch = world.person(person).init_data(None);
        expect(&world, &routes, "launch data alone", Some(&format!("tma {launch}")), with_session(401))
            .await?;
    }

    // Tokens that were never given out: made up, of another installation, and with the right MAC.
    let vault = Vault::new(&world.db);
    let keys = installation::existing_master_key(&world.db, &world.config.data.master_key_file).await?;
    let keys = keys.derived();
    let never = keys.admin_token();
    let foreign = DerivedKeys::random().admin_token();
    for token in ["", "x", &"A".repeat(51), foreign.token.expose_secret(), never.token.expose_secret()] {
        expect(&world, &routes, "a token of nobody", Some(&bearer(token)), closed(401)).await?;
    }

    // A token that has expired, and one that was given back.
    let old = keys.admin_token();
    let session = NewAdminSession {
        account_id: account_of(&world, ANNA).await?,
        role: Role::Admin,
        language: "en",
        launch: [1; 32],
    };
    vault.begin_admin_session(&old, session, world.now() - SignedDuration::from_mins(61)).await?;
    expect(&world, &routes, "expired", Some(&bearer(old.token.expose_secret())), closed(401)).await?;
    let given_back = AdminPage::open(&world, ANNA).await?;
    assert_eq!(given_back.delete("session").await?.status, 204);
    expect(&world, &routes, "revoked", Some(&bearer(&given_back.token)), closed(401)).await?;

    // A session is no launch data.
    let launch_alone = |security| matches!(security, Security::Launch | Security::Key).then_some(401);
    expect(&world, &routes, "a session alone", Some(&bearer(&admin.token)), launch_alone).await?;
    assert_eq!(world.events().await?.len(), before, "none of them did anything");

    // An auditor, where only admins may. Where auditors may, they are not refused.
    order(&world, ilya, PermissionOrder::Role(Role::Auditor)).await?;
    let auditor = AdminPage::open(&world, ILYA).await?;
    assert_eq!(auditor.role, "auditor");
    let before = world.events().await?.len();
    let for_admins = |security| (security == Security::Admin).then_some(403);
    expect(&world, &routes, "an auditor", Some(&bearer(&auditor.token)), for_admins).await?;
    let reads = routes.iter().filter(|it| it.security == Security::Auditor && it.method == Method::GET);
    for route in reads {
        let answer = route.request(&world).bearer_auth(&auditor.token).send().await?;
        assert!(answer.status().is_success(), "{route:?}: {}", answer.status());
    }
    let names = world.events().await?.into_iter().skip(before).map(|event| event.name);
    let others: Vec<_> = names.filter(|name| name != "AuditRead").collect();
    assert_eq!(others, Vec::<String>::new(), "the auditor changed something");
    Ok(())
}

#[tokio::test]
async fn an_admin_who_lost_the_role_or_the_access_has_lost_the_open_sessions_for_good() -> Result<()> {
    let world = world().await?;
    let anna = AdminPage::open(&world, ANNA).await?;
    let ilya = account_of(&world, ILYA).await?;
    let make = PermissionOrder::Role(Role::Admin);
    order(&world, ilya, make).await?;
    let routes = routes(&world, &anna).await?;

    // 1. Demoted: refused at once. Made an admin again: the old session stays over.
    for other in [Role::User, Role::Auditor] {
        let page = AdminPage::open(&world, ILYA).await?;
        assert_eq!(page.get("invites").await?.status, 200);
        order(&world, ilya, PermissionOrder::Role(other)).await?;
        let status = if other == Role::User { 403 } else { 401 };
        let token = format!("Bearer {}", page.token);
        expect(&world, &routes, "demoted", Some(&token), with_session(status)).await?;
        order(&world, ilya, make).await?;
        expect(&world, &routes, "an admin again", Some(&token), with_session(401)).await?;
    }

    // 2. The same by a process that died before it could end the session: the guard asks the log.
    let page = AdminPage::open(&world, ILYA).await?;
    let demote = domain::AccountCommand::ChangeRole { role: Role::Auditor, at: world.now() };
    let store = eventlog::store::Store::new(&world.db);
    store.account(ilya, demote, Context::tool("test")).await?;
    let token = format!("Bearer {}", page.token);
    expect(&world, &routes, "an auditor now", Some(&token), with_session(401)).await?;
    order(&world, ilya, make).await?;

    // 3. Blocked: also with launch data.
    let page = AdminPage::open(&world, ILYA).await?;
    let launch = format!("tma {}", world.person(ILYA).init_data(None));
    order(&world, ilya, PermissionOrder::Block).await?;
    let token = format!("Bearer {}", page.token);
    expect(&world, &routes, "blocked", Some(&token), with_session(403)).await?;
    let launch_alone = |security| (security == Security::Launch).then_some(403);
    expect(&world, &routes, "blocked", Some(&launch), launch_alone).await?;
    order(&world, ilya, PermissionOrder::Unblock).await?;
    expect(&world, &routes, "unblocked", Some(&token), with_session(401)).await?;

    // 4. Erased.
    let page = AdminPage::open(&world, ILYA).await?;
    confirm_reset(&world, ILYA, "/debug_reset").await?;
    wait_until_forgotten(&world, ILYA).await?;
    let token = format!("Bearer {}", page.token);
    expect(&world, &routes, "erased", Some(&token), with_session(401)).await?;
    assert_eq!(anna.get("invites").await?.status, 200, "who lost nothing goes on");
    Ok(())
}

#[tokio::test]
async fn a_launch_that_was_exchanged_opens_nothing_more() -> Result<()> {
    let world = world().await?;
    let anna = AdminPage::open(&world, ANNA).await?;
    let routes = routes(&world, &anna).await?;
    let launch = world.person(ANNA).init_data(None);
    let request = |launch: &str| {
        let request = world.http.post(format!("{}/api/admin/session", world.base()));
        request.header("Authorization", format!("tma {launch}"))
    };
    assert_eq!(request(&launch).send().await?.status(), 200);
    let replayed = |security| match security {
        Security::Admin | Security::Auditor => Some(401),
        // The person's own routes take it as long as it is young: it is theirs.
        Security::Launch | Security::Open => None,
        Security::Key => Some(401),
    };
    expect(&world, &routes, "replayed", Some(&format!("tma {launch}")), replayed).await?;
    assert_eq!(request(&launch).send().await?.status(), 401);
    Ok(())
}
