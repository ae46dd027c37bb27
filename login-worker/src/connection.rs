//! A connection to Telegram with a login's session: one connection pool of grammers, every call with a time limit, every
//! failure sorted by what can be done about it.
//!
//! grammers connects inside its runner, one request after the other, without a time limit. A runner that has not answered in
//! time is dropped, and the caller opens another connection.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use grammers_client::sender::{
    ConnectionParams, InvocationError, NoRetries, SenderPool, SenderPoolFatHandle,
};
use grammers_client::session::updates::UpdatesLike;
use grammers_client::tl::{self, RemoteCall};
use grammers_client::{Client, sender};
use grammers_mtproto::transport;
use metrics::{counter, histogram};
use telemetry::traces::{InSpan as _, Span};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::session::{KeyRefused, LoginSession};
use super::telegram_app::TelegramApp;

/// How long Telegram has for an answer, connecting included.
pub const CALL_LIMIT: Duration = Duration::from_secs(15);
/// How long a data centre that has just taken the account in may not know a fresh key: so many tries, with a pause between.
pub const SETTLING_TRIES: u32 = 6;
pub const SETTLING_PAUSE: Duration = Duration::from_millis(500);
/// How long open sockets have to close in good order.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// A login needs one kind of update. What a linked account receives meanwhile may be dropped.
const UPDATES_CAPACITY: NonZeroUsize = NonZeroUsize::new(100).expect("not zero");

/// An open connection to Telegram. Dropping it closes it at once.
pub struct Connection {
    client: Client,
    handle: SenderPoolFatHandle,
    updates: mpsc::Receiver<UpdatesLike>,
    runner: JoinHandle<()>,
}

/// What Telegram reports by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TelegramUpdate {
    /// An account has accepted a login token (`updateLoginToken`). It may be the second report of it.
    LoginToken,
    /// The connection is dead: open another one.
    Closed,
}

/// What a call brings: the result of the method, or why there is none.
pub type Answer<T> = Result<T, CallError>;

/// Why a call has no answer, by what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Try again later, on a new connection.
    #[error("Telegram cannot be reached: {0}")]
    Unreachable(String),
    /// Try again after this long.
    #[error("Telegram asks to wait {} s", .0.as_secs())]
    FloodWait(Duration),
    /// The auth key is of no use any more.
    #[error("Telegram does not take the auth key any more ({0})")]
    KeyLost(String),
    /// The key is not logged in.
    #[error("the key is not logged in")]
    Unregistered,
    /// The account has a 2-step password, whose proof is needed.
    #[error("the account's password is needed")]
    PasswordNeeded,
    /// The login token is too old, or was used already.
    #[error("the login token has expired")]
    TokenExpired,
    /// Nothing was done; the same call may be made again.
    #[error("Telegram asks to begin anew")]
    Restart,
    /// Ask this data centre instead.
    #[error("data centre {0} is the one to ask")]
    Elsewhere(i32),
    /// Anything else: an RPC error by its name.
    #[error("Telegram refuses: {code} {name}")]
    Refused {
        /// Such as 400.
        code: i32,
        /// Such as `API_ID_INVALID`; numbers taken out.
        name: String,
    },
}

impl CallError {
    /// Whether the same call may succeed later.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::FloodWait(_) | Self::Restart)
    }

    /// What is wrong, for metrics and traces; None for the answers that a login expects.
    const fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable(_) => Some("unreachable"),
            Self::FloodWait(_) => Some("flood_wait"),
            Self::KeyLost(_) => Some("key_lost"),
            Self::Restart => Some("restart"),
            Self::Refused { .. } => Some("refused"),
            Self::Unregistered | Self::PasswordNeeded | Self::TokenExpired | Self::Elsewhere(_) => None,
        }
    }

    /// Counts it in the metrics, where it is an error of Telegram's.
    pub fn count(&self) {
        if let Self::FloodWait(wait) = self {
            let waits = histogram!("qrlogin_telegram_flood_wait_seconds", "api" => "mtproto");
            waits.record(wait.as_secs_f64());
        }
        if let Some(kind) = self.kind() {
            counter!("qrlogin_telegram_errors_total", "api" => "mtproto", "kind" => kind).increment(1);
        }
    }
}

impl Connection {
    /// Opens a connection. The socket is opened by the first call. A session must have one connection at a time.
    pub fn open(app: &TelegramApp, session: &Arc<LoginSession>) -> Self {
        let params = ConnectionParams {
            device_model: app.device_name.clone(),
            system_version: "Linux".to_owned(),
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
            system_lang_code: "en".to_owned(),
            lang_code: "en".to_owned(),
            use_ipv6: false,
            retry_policy: Box::new(NoRetries),
            updates_channel_capacity: UPDATES_CAPACITY,
            // Spelt out rather than taken from the default, which runs `lsb_release` for every connection.
            __non_exhaustive: (),
        };
        let SenderPool { runner, handle, updates } =
            SenderPool::with_configuration(Arc::clone(session), app.api_id, params);
        let client = Client::new(handle.clone());
        Self { client, handle, updates, runner: tokio::spawn(runner.run()) }
    }

    /// Calls a method at a data centre.
    ///
    /// # Errors
    /// [`CallError`]. After `Unreachable` this connection is not worth another call.
    pub async fn call<R: RemoteCall>(&self, dc_id: i32, request: &R) -> Answer<R::Return> {
        let span = Span::call("mtproto", || method_of::<R>().into());
        span.set_number("telegram.dc", dc_id.into());
        let called = timeout(CALL_LIMIT, self.client.invoke_in_dc(dc_id, request));
        let answer = match called.in_span(span.clone()).await {
            Ok(answer) => answer.map_err(CallError::from),
            Err(_) => Err(CallError::Unreachable("no answer in time".to_owned())),
        };
        answer.inspect_err(|error| {
            error.count();
            if let Some(kind) = error.kind() {
                span.failed(kind);
            }
        })
    }

    /// The next update that matters to a login.
    pub async fn next_update(&mut self) -> TelegramUpdate {
        loop {
            match self.updates.recv().await {
                Some(UpdatesLike::Updates(updates)) if has_login_token(&updates) => {
                    return TelegramUpdate::LoginToken;
                }
                Some(UpdatesLike::ConnectionClosed) | None => return TelegramUpdate::Closed,
                Some(_) => {}
            }
        }
    }

    /// Closes it, and returns once no socket uses the session's keys any more.
    pub async fn close(mut self) {
        self.handle.quit();
        if timeout(CLOSE_LIMIT, &mut self.runner).await.is_err() {
            self.runner.abort();
            // An aborted task answers with nothing but that it was aborted.
            let _ = (&mut self.runner).await;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.runner.abort();
    }
}

/// The method of a request, as Telegram calls it: `auth.exportLoginToken`.
fn method_of<R>() -> String {
    let mut path = std::any::type_name::<R>().rsplit("::");
    let (name, group) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
    let (first, rest) = name.split_at_checked(1).unwrap_or_default();
    match group {
        "functions" => format!("{}{rest}", first.to_lowercase()),
        group => format!("{group}.{}{rest}", first.to_lowercase()),
    }
}

fn has_login_token(updates: &tl::enums::Updates) -> bool {
    let is_login_token = |update: &tl::enums::Update| matches!(update, tl::enums::Update::LoginToken);
    match updates {
        tl::enums::Updates::UpdateShort(short) => is_login_token(&short.update),
        tl::enums::Updates::Updates(several) => several.updates.iter().any(is_login_token),
        tl::enums::Updates::Combined(several) => several.updates.iter().any(is_login_token),
        _ => false,
    }
}

impl From<InvocationError> for CallError {
    fn from(error: InvocationError) -> Self {
        match error {
            InvocationError::Rpc(error) => Self::from(error),
            InvocationError::Transport(transport::Error::BadStatus { status: 404 }) => {
                Self::KeyLost("404".to_owned())
            }
            // Both happen only where Telegram has said 404 and grammers asked for a new key by itself. The session refused the
            // key, or grammers got none, as at a private server.
            InvocationError::Session(error) if error.is::<KeyRefused>() => Self::KeyLost(error.to_string()),
            InvocationError::Authentication(_) => Self::KeyLost("404".to_owned()),
            InvocationError::InvalidDc => Self::Refused { code: 0, name: "INVALID_DC".to_owned() },
            InvocationError::Session(error) => Self::Refused { code: 0, name: error.to_string() },
            InvocationError::Io(_)
            | InvocationError::Deserialize(_)
            | InvocationError::Transport(_)
            | InvocationError::Dropped(_) => Self::Unreachable(error.to_string()),
        }
    }
}

impl From<sender::RpcError> for CallError {
    fn from(error: sender::RpcError) -> Self {
        let name = error.name.as_str();
        match (error.code, name, error.value) {
            (303, _, Some(dc_id)) => Self::Elsewhere(i32::try_from(dc_id).unwrap_or_default()),
            (420, _, Some(seconds)) => Self::FloodWait(Duration::from_secs(u64::from(seconds))),
            (_, "SESSION_PASSWORD_NEEDED", _) => Self::PasswordNeeded,
            (_, "AUTH_KEY_UNREGISTERED", _) => Self::Unregistered,
            (_, "AUTH_TOKEN_EXPIRED" | "AUTH_TOKEN_INVALID" | "AUTH_TOKEN_ALREADY_ACCEPTED", _) => {
                Self::TokenExpired
            }
            (_, "AUTH_RESTART", _) => Self::Restart,
            // Some servers add a letter to INVALID: AUTH_TOKEN_INVALIDX.
            _ if name.starts_with("AUTH_TOKEN_INVALID") => Self::TokenExpired,
            (401, ..) | (_, "AUTH_KEY_DUPLICATED", _) => Self::KeyLost(error.name),
            (500.. | -503, ..) => Self::Unreachable(format!("{} {}", error.code, error.name)),
            _ => Self::Refused { code: error.code, name: error.name },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rpc(code: i32, message: &str) -> CallError {
        sender::RpcError::from(tl::types::RpcError { error_code: code, error_message: message.into() }).into()
    }

    #[test]
    fn a_refusal_is_sorted_by_what_can_be_done() {
        assert_eq!(rpc(420, "FLOOD_WAIT_31"), CallError::FloodWait(Duration::from_secs(31)));
        assert_eq!(rpc(303, "PHONE_MIGRATE_4"), CallError::Elsewhere(4));
        assert_eq!(rpc(401, "SESSION_PASSWORD_NEEDED"), CallError::PasswordNeeded);
        assert_eq!(rpc(401, "AUTH_KEY_UNREGISTERED"), CallError::Unregistered);
        assert_eq!(rpc(400, "AUTH_TOKEN_INVALIDX"), CallError::TokenExpired);
        for (code, name) in
            [(401, "SESSION_REVOKED"), (406, "AUTH_KEY_DUPLICATED"), (401, "USER_DEACTIVATED_BAN")]
        {
            assert_eq!(rpc(code, name), CallError::KeyLost(name.to_owned()));
        }
        assert_eq!(rpc(500, "AUTH_RESTART"), CallError::Restart);
        assert!(matches!(rpc(500, "INTERDC_2_CALL_ERROR"), CallError::Unreachable(_)));
        assert!(matches!(rpc(-503, "Timeout"), CallError::Unreachable(_)));
        assert!(matches!(rpc(400, "API_ID_INVALID"), CallError::Refused { .. }));
    }

    #[test]
    fn a_key_that_grammers_had_to_replace_is_lost() {
        let refused = InvocationError::Session(Box::new(KeyRefused(2)));
        assert!(matches!(CallError::from(refused), CallError::KeyLost(_)));
        let unknown = InvocationError::Transport(transport::Error::BadStatus { status: 404 });
        assert!(matches!(CallError::from(unknown), CallError::KeyLost(_)));
        let flooded = InvocationError::Transport(transport::Error::BadStatus { status: 429 });
        assert!(matches!(CallError::from(flooded), CallError::Unreachable(_)));
    }
}
