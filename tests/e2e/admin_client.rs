//! The admins' app as a client of the admin API: a session, and what is asked with its token.

use anyhow::{Context as _, Result, ensure};
use domain::AccountId;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use vault::Vault;

use crate::world::World;

/// An open page of an admin or an auditor.
pub struct AdminPage {
    http: reqwest::Client,
    base: String,
    pub token: String,
    pub account_id: String,
    pub role: String,
}

/// An answer: its status, and its JSON; null where it has none.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl AdminPage {
    /// Exchanges fresh launch data of this person.
    pub async fn open(world: &World, person: i64) -> Result<Self> {
        let launch = world.person(person).init_data(None);
        let answer = begin(world, &launch).await?;
        ensure!(answer.status == 200, "{answer:?}");
        let text = |field: &str| answer.body[field].as_str().map(str::to_owned).context("a field");
        let (token, account_id, role) = (text("token")?, text("account_id")?, text("role")?);
        Ok(Self { http: world.http.clone(), base: world.base(), token, account_id, role })
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/api/admin/{path}", self.base)).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Result<Answer> {
        send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Result<Answer> {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Answer> {
        send(self.request(Method::DELETE, path)).await
    }
}

/// Asks for a session with this launch data.
pub async fn begin(world: &World, launch: &str) -> Result<Answer> {
    let request = world.http.post(format!("{}/api/admin/session", world.base()));
    send(request.header("Authorization", format!("tma {launch}"))).await
}

pub async fn send(request: RequestBuilder) -> Result<Answer> {
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    let text = answer.text().await?;
    let body = match text.is_empty() {
        true => Value::Null,
        false => serde_json::from_str(&text).with_context(|| text.clone())?,
    };
    Ok(Answer { status, body })
}

/// The account of a person who has written to the bot.
pub async fn account_of(world: &World, person: i64) -> Result<AccountId> {
    let subject = Vault::new(&world.db).subject_of(person).await?;
    Ok(subject.context("they have written to the bot")?.account_id)
}
