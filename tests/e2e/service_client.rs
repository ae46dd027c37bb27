//! Another service as a client of the API v1: a key, and what is asked with it.

use anyhow::{Context as _, Result};
use app::services::keys::{ApiKeys, NewKey};
use domain::Scope;
use eventlog::store::Context;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde_json::Value;
use vault::installation;

use crate::world::World;

/// A service with a key.
#[derive(Clone)]
pub struct ServiceClient {
    http: reqwest::Client,
    base: String,
    pub key: String,
}

/// An answer of the API.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// Null where the text is empty.
    pub body: Value,
}

impl ServiceClient {
    /// With a new key that may do this.
    pub async fn with(world: &World, scopes: &[Scope]) -> Result<Self> {
        let master = installation::existing_master_key(&world.db, &world.config.data.master_key_file).await?;
        let keys = ApiKeys::new(&world.db, eventlog::Clock::system());
        let new = NewKey { name: "a service".to_owned(), scopes: scopes.to_vec(), expires_in_days: None };
        let made = keys.create(master.derived(), new, Context::tool("test")).await?;
        Ok(Self::of(world, made.key.expose_secret()))
    }

    /// With this key.
    pub fn of(world: &World, key: &str) -> Self {
        Self { http: reqwest::Client::new(), base: world.base(), key: key.to_owned() }
    }

    /// At another process.
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    pub fn key_id(&self) -> &str {
        &self.key[4..20]
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/api/v1/{path}", self.base)).bearer_auth(&self.key)
    }

    pub async fn get(&self, path: &str) -> Result<Told> {
        tell(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Result<Told> {
        tell(self.request(Method::POST, path).json(&body)).await
    }

    /// With an `Idempotency-Key`.
    pub async fn post_once(&self, path: &str, request_key: &str, body: Value) -> Result<Told> {
        tell(self.request(Method::POST, path).header("Idempotency-Key", request_key).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Told> {
        tell(self.request(Method::DELETE, path)).await
    }
}

impl Told {
    /// The `type` of a problem.
    pub fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default()
    }

    /// The items of a list.
    pub fn items(&self) -> &[Value] {
        self.body["items"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

pub async fn tell(request: RequestBuilder) -> Result<Told> {
    let answer = request.send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await?;
    let body = match text.is_empty() {
        true => Value::Null,
        false => serde_json::from_str(&text).with_context(|| text.clone())?,
    };
    Ok(Told { status, headers, text, body })
}
