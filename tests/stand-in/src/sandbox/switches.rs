//! Switches for faults on demand.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Sandbox;
use super::actions::{Answer, Body, done, read};
use super::guard::Problem;
use super::snapshot::password_of;
use crate::bot_api::{Fault, Which};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    person: Option<i64>,
    password: Option<bool>,
    dc: Option<i32>,
    airplane: Option<bool>,
    lose_next_update: Option<bool>,
    flood_wait: Option<u32>,
    bot_api_fault: Option<String>,
    redeliver: Option<bool>,
}

pub(super) async fn options(State(sandbox): State<Sandbox>, body: Body<Options>) -> Answer {
    let wanted = read(body)?;
    let telegram = &sandbox.inner.telegram;
    // Everything is checked before anything is changed.
    if wanted.person.is_none() && (wanted.password.is_some() || wanted.dc.is_some()) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "PERSON_MISSING", "Whose account is it?"));
    }
    if let Some(dc) = wanted.dc
        && telegram.mtproto.address(dc).is_none()
    {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "DC_UNKNOWN", "There is no such data centre."));
    }
    let fault = match wanted.bot_api_fault.as_deref() {
        None => None,
        Some("429") => Some(Fault::TooManyRequests(3)),
        Some("500") => Some(Fault::ServerError),
        Some("hang") => Some(Fault::Hang),
        Some(_) => return Err(Problem::new(StatusCode::BAD_REQUEST, "FAULT_UNKNOWN", "No such fault.")),
    };
    if let Some(person) = wanted.person {
        sandbox.person_with(person)?;
        telegram.accounts.update(person, |account| {
            if let Some(on) = wanted.password {
                account.password = on.then(|| password_of(account));
            }
            if let Some(dc) = wanted.dc {
                account.dc = dc;
            }
        });
        if wanted.dc.is_some() {
            // In airplane mode the phone does it when it is used.
            let _ = telegram.phone(person).log_in().await;
        }
    }
    if let Some(on) = wanted.airplane {
        telegram.set_airplane(on);
    }
    if wanted.lose_next_update == Some(true) {
        telegram.mtproto.faults().lose_next_update();
    }
    if let Some(seconds) = wanted.flood_wait {
        telegram.mtproto.faults().flood_wait("auth.exportLoginToken", seconds);
    }
    if let Some(fault) = fault {
        telegram.bot_api.fail_next(Which::Any, fault);
    }
    if wanted.redeliver == Some(true) && !telegram.bot_api.redeliver_last_update() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "NO_UPDATE",
            "Nothing has been delivered to the bot yet.",
        ));
    }
    Ok(done(&sandbox, json!({})))
}

pub(super) async fn kill(State(sandbox): State<Sandbox>, _: Body<Value>) -> Answer {
    sandbox.inner.service.kill().await;
    Ok(done(&sandbox, json!({})))
}

pub(super) async fn restart(State(sandbox): State<Sandbox>, _: Body<Value>) -> Answer {
    let service = &sandbox.inner.service;
    service.kill().await;
    service.start().map_err(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "SERVICE_NOT_STARTED", format!("{error:#}"))
    })?;
    Ok(done(&sandbox, json!({})))
}

/// How many people the sandbox is filled with.
const MADE_UP_PEOPLE: u32 = 10_000;

pub(super) async fn fill(State(sandbox): State<Sandbox>, _: Body<Value>) -> Answer {
    let failed = |error: anyhow::Error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "NOT_FILLED", format!("{error:#}"))
    };
    let (own, service) = (sandbox.clone(), sandbox.inner.service.clone());
    // It goes on where the page is closed meanwhile: the service would stay stopped.
    let filled = tokio::spawn(async move {
        service.begin_with_made_up_people(MADE_UP_PEOPLE).await?;
        service.wait_until_running().await?;
        own.make_invite().await
    });
    filled.await.map_err(|error| failed(error.into()))?.map_err(failed)?;
    Ok(done(&sandbox, json!({})))
}
