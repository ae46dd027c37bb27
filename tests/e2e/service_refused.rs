//! Nobody gets anywhere without a good key, on every route of `/api/v1` in the document that the service serves.

use anyhow::{Context as _, Result, bail};
use app::services::keys::ApiKeys;
use domain::Scope;
use eventlog::store::Context;
use eventlog::{Clock, Log};
use qr_login::config::Role;
use qr_login::service::Service;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};
use vault::DerivedKeys;

use crate::admin_acts::world;
use crate::admin_client::AdminPage;
use crate::port::Port;
use crate::service_client::{ServiceClient, Told, tell};
use crate::world::World;

/// A route of the document, with ids of what might be.
#[derive(Debug)]
struct Route {
    method: Method,
    path: String,
    scope: Scope,
}

async fn routes(world: &World) -> Result<Vec<Route>> {
    let document: Value =
        world.http.get(format!("{}/api/openapi.json", world.base())).send().await?.json().await?;
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().context("paths")? {
        let Some(path) = path.strip_prefix("/api/v1/") else { continue };
        let parts = path.split('/').map(|part| match part {
            "{telegram_id}" => Ok(ILYA.to_string()),
            "{invite_id}" | "{webhook_id}" | "{delivery_id}" => {
                Ok("00000000-0000-4000-8000-000000000001".to_owned())
            }
            part if part.starts_with('{') => bail!("{path}: {part} has no value here"),
            part => Ok(part.to_owned()),
        });
        let filled = parts.collect::<Result<Vec<_>>>()?.join("/");
        for (method, operation) in methods.as_object().context("methods")? {
            let asked = &operation["security"][0]["key"][0];
            let scope = asked.as_str().with_context(|| format!("{method} {path} names no scope"))?.parse()?;
            routes.push(Route { method: method.to_uppercase().parse()?, path: filled.clone(), scope });
        }
    }
    assert!(routes.len() >= 10, "{routes:?}");
    Ok(routes)
}

async fn ask(world: &World, route: &Route, authorization: Option<&str>) -> Result<Told> {
    let mut request =
        world.http.request(route.method.clone(), format!("{}/api/v1/{}", world.base(), route.path));
    if route.method != Method::GET {
        request = request.json(&json!({"tier": "basic", "url": "https://example.org/"}));
    }
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    tell(request).await
}

#[tokio::test]
async fn whoever_has_no_good_key_gets_nowhere_on_every_route() -> Result<()> {
    let world = world().await?;
    let admin = AdminPage::open(&world, ANNA).await?;
    let routes = routes(&world).await?;
    let keys = ApiKeys::new(&world.db, Clock::system());
    let all = ServiceClient::with(&world, &Scope::ALL).await?;
    let (expired, revoked) =
        (ServiceClient::with(&world, &Scope::ALL).await?, ServiceClient::with(&world, &Scope::ALL).await?);
    sqlx::query("update vault.api_keys set expires_at = clock_timestamp() where key_id = $1")
        .bind(expired.key_id())
        .execute(world.db.pool())
        .await?;
    keys.revoke(&revoked.key_id().parse()?, Context::tool("test")).await?;
    let foreign = DerivedKeys::random().new_api_key().whole().expose_secret().to_owned();
    let other_secret = format!("{}{}", &all.key[..21], &foreign[21..]);
    let before = world.events().await?.len();

    let bearer = |key: &str| Some(format!("Bearer {key}"));
    let person = world.person(ILYA).init_data(None);
    let unauthorized = "urn:qr-login:unauthorized";
    for (who, authorization, kind) in [
        ("nobody", None, unauthorized),
        ("a made-up key", bearer(&format!("qrl_0123456789abcdef_{}", "A".repeat(43))), unauthorized),
        ("a key of another installation", bearer(&foreign), unauthorized),
        ("a known id with another secret", bearer(&other_secret), unauthorized),
        ("something that is no key", bearer("qrl_"), unauthorized),
        ("a key in another scheme", Some(format!("tma {}", all.key)), unauthorized),
        ("an expired key", bearer(&expired.key), "urn:qr-login:key-expired"),
        ("a revoked key", bearer(&revoked.key), "urn:qr-login:key-revoked"),
        ("a person's launch data", Some(format!("tma {person}")), unauthorized),
        ("a session of an admin", bearer(&admin.token), unauthorized),
    ] {
        for route in &routes {
            let told = ask(&world, route, authorization.as_deref()).await?;
            let what = format!("{who}: {} {}: {}", route.method, route.path, told.text);
            assert_eq!((told.status, told.kind()), (401, kind), "{what}");
            assert_eq!(told.header("content-type"), Some("application/problem+json"), "{what}");
            assert_eq!(told.header("www-authenticate"), Some("Bearer"), "{what}");
        }
    }
    for route in &routes {
        let scopes: Vec<_> = Scope::ALL.into_iter().filter(|scope| *scope != route.scope).collect();
        // `events:names` is nothing without `events:read`.
        let scopes: Vec<_> = scopes
            .into_iter()
            .filter(|it| route.scope != Scope::EventsRead || *it != Scope::EventsNames)
            .collect();
        let others = ServiceClient::with(&world, &scopes).await?;
        let told = ask(&world, route, bearer(&others.key).as_deref()).await?;
        assert_eq!((told.status, told.kind()), (403, "urn:qr-login:scope-missing"), "{route:?} {told:?}");
        // With the one scope it gets somewhere.
        let own = ServiceClient::with(&world, &[route.scope]).await?;
        if route.method == Method::GET {
            let status = ask(&world, route, bearer(&own.key).as_deref()).await?.status;
            assert!([200, 404].contains(&status), "{route:?}: {status}");
        }
    }
    let done = world.events().await?.split_off(before);
    assert!(done.iter().all(|event| event.name == "ApiKeyCreated"), "none of them did anything: {done:?}");
    Ok(())
}

#[tokio::test]
async fn a_made_up_key_costs_no_query() -> Result<()> {
    let world = world().await?;
    let vault = vault::Vault::new(&world.db);
    let made_up = DerivedKeys::random().new_api_key();
    assert!(vault.check_api_key(&made_up, world.now()).await?.is_err());
    // No table, no query: an answer of 500 would say that there was one.
    sqlx::query("alter table vault.api_keys rename to api_keys_away").execute(world.db.pool()).await?;
    let stranger = ServiceClient::of(&world, made_up.whole().expose_secret());
    assert_eq!(stranger.get("users").await?.status, 401);
    sqlx::query("alter table vault.api_keys_away rename to api_keys").execute(world.db.pool()).await?;
    let known = ServiceClient::with(&world, &[Scope::UsersRead]).await?;
    sqlx::query("alter table vault.api_keys rename to api_keys_away").execute(world.db.pool()).await?;
    assert_eq!(known.get("users").await?.status, 500, "a known one is looked up");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_by_three_processes_at_once() -> Result<()> {
    let world = world().await?;
    let admin = AdminPage::open(&world, ANNA).await?;
    let mut bases = vec![world.base()];
    let (mut services, mut ports) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let (port, ops) = (Port::reserve()?, Port::reserve()?);
        let mut config = world.config.clone();
        config.roles = [Role::Api].into();
        config.listen_addr = port.addr;
        config.ops_listen_addr = ops.addr;
        bases.push(format!("http://{}", port.addr));
        services.push(Service::start(config, Clock::system()).await?);
        ports.extend([port, ops]);
    }
    let made = admin.post("keys", json!({"name": "billing", "scopes": ["users:read"]})).await?;
    assert_eq!(made.status, 201, "{made:?}");
    let (key, key_id) =
        (made.body["key"].as_str().context("a key")?, made.body["key_id"].as_str().context("an id")?);
    let service = ServiceClient::of(&world, key);
    for base in &bases {
        assert_eq!(service.at(base).get("users").await?.status, 200, "{base}");
    }
    assert_eq!(admin.delete(&format!("keys/{key_id}")).await?.status, 204);
    // The next request, everywhere.
    for base in &bases {
        let told = service.at(base).get("users").await?;
        assert_eq!((told.status, told.kind()), (401, "urn:qr-login:key-revoked"), "{base}");
    }
    for service in services {
        service.stop().await;
    }
    Ok(())
}

#[tokio::test]
async fn admins_make_list_and_revoke_keys_and_the_log_names_them() -> Result<()> {
    let world = world().await?;
    let admin = AdminPage::open(&world, ANNA).await?;
    let order = json!({"name": "billing", "scopes": ["users:read", "events:read", "users:read"], "expires_in_days": 90});
    let made = admin.post("keys", order).await?;
    let key = made.body["key"].as_str().context("a key")?.to_owned();
    assert_eq!(made.body["scopes"], json!(["users:read", "events:read"]));
    assert_eq!(made.body["created_by"], json!(admin.account_id));
    ServiceClient::of(&world, &key).get("users").await?;

    let listed = admin.get("keys").await?;
    assert!(!listed.body.to_string().contains(&key[21..]), "it is shown once");
    let item = &listed.body["items"][0];
    assert_eq!((&item["key_id"], &item["revoked_at"]), (&made.body["key_id"], &Value::Null));
    crate::wait::eventually("the last use is shown", async || {
        Ok(admin.get("keys").await?.body["items"][0]["last_used_at"].is_string())
    })
    .await?;
    let path = format!("keys/{}", &key[4..20]);
    for _ in 0..2 {
        assert_eq!(admin.delete(&path).await?.status, 204);
    }
    assert!(admin.get("keys").await?.body["items"][0]["revoked_at"].is_string());
    for (body, status) in [
        (json!({"name": "", "scopes": ["users:read"]}), 400),
        (json!({"name": "a", "scopes": []}), 400),
        (json!({"name": "a", "scopes": ["users:write"]}), 400),
        (json!({"name": "a", "scopes": ["users:read"], "expires_in_days": 0}), 400),
        (json!({"name": "a", "scopes": ["users:read"], "key": "mine"}), 400),
    ] {
        assert_eq!(admin.post("keys", body.clone()).await?.status, status, "{body}");
    }
    assert_eq!(admin.delete("keys/0123456789abcdef").await?.status, 404);
    let events = Log::new(&world.db).read(0, 1000).await?;
    let told = events.iter().filter(|event| event.stream == "service");
    let told: Vec<_> = told.map(|event| (event.name.as_str(), event.metadata.actor.as_str())).collect();
    let by_admin = ["ApiKeyCreated", "ApiKeyRevoked"].map(|name| (name, admin.account_id.as_str()));
    assert_eq!(told, by_admin);
    Ok(())
}
