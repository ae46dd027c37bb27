//! What the person at the page does: in the chat, in the Mini App, on the phone.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::guard::Problem;
use super::{Sandbox, Scan};
use crate::bot_api::{ChatPerson, Launch};
use crate::camera::read_qr;
use crate::phone::{PhoneError, token_in};

pub(super) type Answer = Result<Json<Value>, Problem>;
pub(super) type Body<T> = Result<Json<T>, JsonRejection>;

#[derive(Deserialize)]
pub(super) struct Person {
    person: i64,
}

#[derive(Deserialize)]
pub(super) struct Chat {
    person: i64,
    text: String,
}

#[derive(Deserialize)]
pub(super) struct Press {
    person: i64,
    message_id: i64,
    data: String,
}

#[derive(Deserialize)]
pub(super) struct Open {
    person: i64,
    start_param: Option<String>,
    #[serde(default)]
    age_seconds: i64,
    #[serde(default)]
    forged: bool,
}

#[derive(Deserialize)]
pub(super) struct ScanId {
    scan: u64,
}

#[derive(Deserialize)]
pub(super) struct EndSession {
    person: i64,
    hash: String,
}

pub(super) async fn chat(State(sandbox): State<Sandbox>, body: Body<Chat>) -> Answer {
    let Chat { person, text } = read(body)?;
    let person = sandbox.person_with(person)?;
    if text.trim().is_empty() || text.encode_utf16().count() > 4096 {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "TEXT_LENGTH",
            "A message has 1 to 4096 characters.",
        ));
    }
    let message_id = person.send(&text);
    Ok(done(&sandbox, json!({"message_id": message_id})))
}

pub(super) async fn press(State(sandbox): State<Sandbox>, body: Body<Press>) -> Answer {
    let Press { person, message_id, data } = read(body)?;
    let person = sandbox.person_with(person)?;
    let answer = person.press(message_id, &data).await;
    let answer = answer.map_err(|_| {
        Problem::new(StatusCode::NOT_FOUND, "BUTTON_UNKNOWN", "That button does not stand there any more.")
    })?;
    let (answered, text, alert) = (answer.answered, answer.text, answer.alert);
    Ok(done(&sandbox, json!({"answered": answered, "answer": text, "alert": alert})))
}

pub(super) async fn clear(State(sandbox): State<Sandbox>, body: Body<Person>) -> Answer {
    sandbox.person_with(read(body)?.person)?.clear();
    Ok(done(&sandbox, json!({})))
}

pub(super) async fn init_data(State(sandbox): State<Sandbox>, body: Body<Open>) -> Answer {
    let Open { person, start_param, age_seconds, forged } = read(body)?;
    let launch = Launch { start_param: start_param.as_deref(), age_seconds, forged };
    let init_data = sandbox.person_with(person)?.launch(&launch);
    Ok(done(&sandbox, json!({"init_data": init_data})))
}

pub(super) async fn share_contact(State(sandbox): State<Sandbox>, body: Body<Person>) -> Answer {
    let contact = sandbox.person_with(read(body)?.person)?.share_contact_with_mini_app();
    Ok(done(&sandbox, json!({"contact": contact})))
}

pub(super) async fn scan(
    State(sandbox): State<Sandbox>,
    Query(Person { person }): Query<Person>,
    png: Bytes,
) -> Answer {
    sandbox.person_with(person)?;
    // Looking for a code in a large picture takes a while: not on a thread that serves others.
    let seen = tokio::task::spawn_blocking(move || read_qr(&png)).await;
    let Ok(Ok(link)) = seen else {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "NO_QR_CODE",
            "The camera sees no QR code that it could read.",
        ));
    };
    let Some(token) = token_in(&link).filter(|_| link.starts_with("tg://login?token=")) else {
        return Err(phone_problem(&PhoneError::NotALoginCode));
    };
    if sandbox.inner.telegram.bot_api.airplane() {
        return Err(phone_problem(&PhoneError::Unreachable(anyhow::anyhow!("airplane mode"))));
    }
    let device = sandbox.inner.telegram.mtproto.device_of_token(&token).map(|device| {
        let app = format!("{} {}", device.model, device.app_version);
        json!({"device": device.model, "app": app, "platform": device.platform(), "ip": "127.0.0.1"})
    });
    let mut scans = sandbox.inner.scans.lock().expect("nothing panics while it is held");
    scans.last += 1;
    let id = scans.last;
    scans.waiting.insert(id, Scan { person, link });
    drop(scans);
    Ok(done(&sandbox, json!({"scan": id, "device": device})))
}

pub(super) async fn confirm(State(sandbox): State<Sandbox>, body: Body<ScanId>) -> Answer {
    let Scan { person, link } = sandbox.take_scan(read(body)?.scan)?;
    let let_in =
        sandbox.inner.telegram.phone(person).scan(&link).await.map_err(|error| phone_problem(&error))?;
    let device = json!({
        "device": let_in.device_model, "app": format!("{} {}", let_in.app_name, let_in.app_version),
        "platform": let_in.platform, "ip": let_in.ip,
    });
    Ok(done(&sandbox, json!({"device": device})))
}

pub(super) async fn decline(State(sandbox): State<Sandbox>, body: Body<ScanId>) -> Answer {
    sandbox.take_scan(read(body)?.scan)?;
    Ok(done(&sandbox, json!({})))
}

pub(super) async fn end_session(State(sandbox): State<Sandbox>, body: Body<EndSession>) -> Answer {
    let EndSession { person, hash } = read(body)?;
    sandbox.person_with(person)?;
    let phone = sandbox.inner.telegram.phone(person);
    let ended = match hash.as_str() {
        "all" => phone.end_other_sessions().await,
        hash => match hash.parse() {
            Ok(hash) => phone.end_session(hash).await,
            Err(_) => {
                return Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    "HASH_INVALID",
                    "There is no such session.",
                ));
            }
        },
    };
    ended.map_err(|error| phone_problem(&error))?;
    Ok(done(&sandbox, json!({})))
}

impl Sandbox {
    pub(super) fn person_with(&self, id: i64) -> Result<ChatPerson, Problem> {
        let unknown = || Problem::new(StatusCode::NOT_FOUND, "PERSON_UNKNOWN", "Nobody here has that id.");
        self.inner.telegram.accounts.get(id).ok_or_else(unknown)?;
        Ok(self.inner.telegram.person(id))
    }

    fn take_scan(&self, id: u64) -> Result<Scan, Problem> {
        let mut scans = self.inner.scans.lock().expect("nothing panics while it is held");
        let unknown =
            || Problem::new(StatusCode::NOT_FOUND, "SCAN_UNKNOWN", "The phone has forgotten that scan.");
        scans.waiting.remove(&id).ok_or_else(unknown)
    }
}

/// The body of a request, or what is wrong with it.
pub(super) fn read<T: DeserializeOwned>(body: Body<T>) -> Result<T, Problem> {
    match body {
        Ok(Json(body)) => Ok(body),
        Err(refused) => Err(Problem::new(StatusCode::BAD_REQUEST, "BODY", refused.body_text())),
    }
}

/// `{"ok": true, …}`; what was done is in the state before the answer is there.
pub(super) fn done(sandbox: &Sandbox, mut answer: Value) -> Json<Value> {
    sandbox.refresh();
    answer["ok"] = true.into();
    Json(answer)
}

fn phone_problem(error: &PhoneError) -> Problem {
    let (status, code, text) = match error {
        PhoneError::NotALoginCode => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "NOT_A_LOGIN_CODE",
            "This QR code is not one to log in with.".into(),
        ),
        PhoneError::Unreachable(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "AIRPLANE_MODE",
            "Telegram cannot be reached from this phone.".into(),
        ),
        PhoneError::Refused { name, .. } => {
            let (code, text) = match name.as_str() {
                "AUTH_TOKEN_EXPIRED" => {
                    ("AUTH_TOKEN_EXPIRED", "This code has expired. Scan the new one.".into())
                }
                "AUTH_TOKEN_INVALID" => ("AUTH_TOKEN_INVALID", "Telegram does not know this code.".into()),
                "AUTH_TOKEN_ALREADY_ACCEPTED" => {
                    ("AUTH_TOKEN_ALREADY_ACCEPTED", "This code has been confirmed already.".into())
                }
                "HASH_INVALID" => ("HASH_INVALID", "There is no such session.".into()),
                other => ("TELEGRAM_REFUSED", format!("Telegram refused: {other}.")),
            };
            (StatusCode::BAD_REQUEST, code, text)
        }
    };
    Problem(status, code, text)
}
