//! The HTTP side of `/bot<TOKEN>/<Method>`: checks the token, applies a fault, and finds the method.

use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::Value;
use tokio::net::TcpListener;

use super::BotApi;
use super::faults::{Fault, Line};
use super::params::Params;
use super::refusal::Refusal;
use super::state::Call;

/// Serves in the background, until the runtime ends.
pub(super) fn run(api: BotApi, listener: TcpListener) {
    let line = Line { listener, cut: api.inner.cut.subscribe() };
    let router = Router::new()
        .route("/{bot}/{method}", any(call))
        .fallback(async || Refusal::not_found())
        .with_state(api);
    tokio::spawn(async move { axum::serve(line, router).await });
}

async fn call(
    State(api): State<BotApi>,
    Path((bot, method)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(token) = bot.strip_prefix("bot") else { return Refusal::not_found().into_response() };
    if token != api.token() {
        return Refusal::unauthorized().into_response();
    }
    let method = method.to_ascii_lowercase();
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let params = match Params::read(content_type, query.as_deref().unwrap_or(""), &body) {
        Ok(params) => params,
        Err(refusal) => return refusal.into_response(),
    };
    let (number, fault) = {
        let mut state = api.state();
        let chat_id = params.integer("chat_id").ok().flatten();
        state.calls.push(Call { method: method.clone(), chat_id, at: Instant::now(), status: None });
        (state.calls.len() - 1, state.faults.take(&method))
    };
    let response = match fault {
        Some(Fault::TooManyRequests(seconds)) => Refusal::too_many_requests(seconds).into_response(),
        Some(Fault::ServerError) => Refusal::server_error().into_response(),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::LostAnswer) => {
            // What came of it is as lost as the answer.
            let _ = api.run(&method, &params).await;
            return lost_answer();
        }
        Some(Fault::HeldAnswer) => {
            let mut released = api.inner.released.subscribe();
            let answer = answer(api.run(&method, &params).await);
            // The server, which sends this, lives as long as the call.
            let _ = released.changed().await;
            answer
        }
        Some(Fault::HeldRequest) => {
            let _ = api.inner.released.subscribe().changed().await;
            answer(api.run(&method, &params).await)
        }
        None => answer(api.run(&method, &params).await),
    };
    api.state().calls[number].status = Some(response.status().as_u16());
    response
}

impl BotApi {
    /// The result, as JSON.
    async fn run(&self, method: &str, params: &Params) -> Result<Vec<u8>, Refusal> {
        match method {
            "getupdates" => self.get_updates(params).await,
            _ => Ok(self.change(method, params)?.to_string().into_bytes()),
        }
    }

    fn change(&self, method: &str, params: &Params) -> Result<Value, Refusal> {
        match method {
            "setwebhook" => self.set_webhook(params),
            "deletewebhook" => self.delete_webhook(params),
            "getwebhookinfo" => Ok(self.webhook_info()),
            "getme" => Ok(self.get_me()),
            "logout" | "close" => Ok(true.into()),
            "sendmessage" => self.send_message(params),
            "editmessagetext" => self.edit_message_text(params),
            "editmessagereplymarkup" => self.edit_message_reply_markup(params),
            "deletemessage" => self.delete_message(params),
            "sendchataction" => self.send_chat_action(params),
            "answercallbackquery" => self.answer_callback_query(params),
            "setmycommands" => self.set_my_commands(params),
            "deletemycommands" => self.delete_my_commands(params),
            "getmycommands" => self.get_my_commands(params),
            "setchatmenubutton" => self.set_chat_menu_button(params),
            "getchatmenubutton" => self.get_chat_menu_button(params),
            "setmyname" => self.set_my_text("name", 64, params),
            "getmyname" => self.get_my_text("name", params),
            "setmydescription" => self.set_my_text("description", 512, params),
            "getmydescription" => self.get_my_text("description", params),
            "setmyshortdescription" => self.set_my_text("short_description", 120, params),
            "getmyshortdescription" => self.get_my_text("short_description", params),
            _ => Err(Refusal::not_found()),
        }
    }
}

fn answer(outcome: Result<Vec<u8>, Refusal>) -> Response {
    match outcome {
        Ok(result) => {
            let body = [b"{\"ok\":true,\"result\":", result.as_slice(), b"}"].concat();
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Headers, then a body that breaks off: the caller cannot tell what came of the call.
fn lost_answer() -> Response {
    let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("lost")) });
    (StatusCode::OK, Body::from_stream(broken)).into_response()
}
