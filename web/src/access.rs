//! Who may see what. The page and the bare status are for everybody who has the link; all else is the owner's alone.

use std::sync::Arc;
use std::time::Duration;

use app::App;
use app::sessions::state::state_of as session_state;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use domain::{LoginId, LoginStatus};
use eventlog::DatabaseError;
use projections::views::login_status::{self, LoginRow};
use serde_json::Value;
use texts::Language;
use texts::http::Text;
use tokio::sync::{SemaphorePermit, watch};
use tracing::field::{Empty, display};
use tracing::{Instrument, Span, error_span};

use crate::init_data::Opener;
use crate::live_login::{LiveLogin, Watched};
use crate::problem::Problem;
use crate::state::ApiState;
use crate::status;

/// How long a login that has begun may take to reach the live logins, before the page is told to ask again.
const ARRIVES_WITHIN: Duration = Duration::from_secs(3);

/// How long a request waits for its turn to look into the database.
const LOOKUP_STARTS_WITHIN: Duration = Duration::from_secs(3);
/// When it may ask again where it had none, in seconds.
const LOOKUP_AGAIN_SECONDS: i64 = 5;

/// The person who asks: the one that Telegram names, or a stranger.
#[derive(Clone, Copy, Debug)]
pub struct Visitor(Option<Opener>);

/// From the header `Authorization: tma <initData>`. A request without it is a stranger's. Launch data that is forged, stale or
/// malformed is answered with 401.
impl FromRequestParts<Arc<ApiState>> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        let headers = &parts.headers;
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(Self(None)) };
        let raw = value.to_str().ok().and_then(|text| text.strip_prefix("tma "));
        let Some(raw) = raw else { return Err(Problem::unauthorized(Language::default(), None)) };
        match state.verifier.verify(raw, state.app.clock.now()) {
            Ok(opener) => Ok(Self(Some(opener))),
            Err(error) => Err(Problem::unauthorized(accepted_language(headers), Some(error))),
        }
    }
}

impl Visitor {
    /// The language to speak to them in.
    pub fn language(&self) -> Language {
        self.0.map_or_else(Language::default, |opener| opener.language)
    }

    /// Who they are at Telegram; None: a stranger.
    pub fn telegram_id(&self) -> Option<i64> {
        self.0.map(|opener| opener.id)
    }

    /// Whether they are the login's person.
    ///
    /// # Errors
    /// 403 when Telegram says that they are somebody else.
    pub fn owns(&self, login: &LiveLogin) -> Result<bool, Problem> {
        match &self.0 {
            None => Ok(false),
            Some(opener) if login.telegram_id == Some(opener.id) => Ok(true),
            Some(_) => Err(Problem::new(StatusCode::FORBIDDEN, self.language(), Text::NotYours)),
        }
    }

    /// The login, if they are its person and are not blocked. What is known in memory is a moment older than the log.
    ///
    /// # Errors
    /// 401 for a stranger, 404 for an unknown session, 403 for somebody else's and for a person who is blocked.
    pub async fn own_login(&self, state: &ApiState, session_id: &str) -> Result<Watched, Problem> {
        let login = self.owned(state, session_id).await?;
        self.refuse_blocked(state, login.borrow().is_blocked)?;
        Ok(login)
    }

    /// The same for a request that changes something. The log itself says whether the person may.
    ///
    /// # Errors
    /// The same, and 500 when the database does not answer.
    pub async fn own_login_to_act(&self, state: &ApiState, session_id: &str) -> Result<Watched, Problem> {
        let login = self.owned(state, session_id).await?;
        let account_id = login.borrow().row.account_id;
        let account = state.app.store.load_account(account_id).await;
        let account = account.map_err(|error| Problem::internal(self.language(), &error))?;
        if account.is_erased() {
            return Err(Problem::new(StatusCode::NOT_FOUND, self.language(), Text::SessionUnknown));
        }
        self.refuse_blocked(state, account.is_blocked())?;
        Ok(login)
    }

    async fn owned(&self, state: &ApiState, session_id: &str) -> Result<Watched, Problem> {
        if self.0.is_none() {
            return Err(Problem::unauthorized(self.language(), None));
        }
        let Some(login) = find(state, session_id, self.language()).await? else {
            return Err(Problem::new(StatusCode::NOT_FOUND, self.language(), Text::SessionUnknown));
        };
        self.owns(&login.borrow())?;
        name_in_span(&login.borrow());
        Ok(login)
    }

    /// # Errors
    /// 403 for a person who is blocked.
    pub fn refuse_blocked(&self, state: &ApiState, is_blocked: bool) -> Result<(), Problem> {
        match is_blocked {
            true => Err(Problem::blocked(self.language(), state.page.support_contact.as_deref())),
            false => Ok(()),
        }
    }
}

/// A login by its public id: from the live logins, else from the view. None for an unknown one, and where its person was erased.
///
/// # Errors
/// 500 when the database does not answer.
pub async fn find(
    state: &ApiState,
    session_id: &str,
    language: Language,
) -> Result<Option<Watched>, Problem> {
    let found = match state.live_logins.get(session_id) {
        Some(login) if login.borrow().row.status.is_live() => Some(login),
        // On the heap: the future of every request would be as large as what few of them need.
        other => {
            let span = error_span!("find", login.id = Empty, account.id = Empty);
            Box::pin(find_anywhere(state, session_id, other, language).instrument(span)).await?
        }
    };
    // The login of a person who was erased is nobody's any more.
    Ok(found.filter(|login| login.borrow().telegram_id.is_some()))
}

async fn find_anywhere(
    state: &ApiState,
    session_id: &str,
    ended: Option<Watched>,
    language: Language,
) -> Result<Option<Watched>, Problem> {
    let Ok(login_id) = session_id.parse::<LoginId>() else { return Ok(None) };
    // Anybody can make ids up. Before the database is asked, an id has to be one of ours.
    if ended.is_none() && !state.app.keys.made(&login_id) {
        return Ok(None);
    }
    Span::current().record("login.id", login_id.short());
    let lookup = lookup(state, language).await?;
    let failed = |error: DatabaseError| Problem::internal(language, &error);
    let (is_known, id) = (ended.is_some(), &login_id);
    let stored = state.read(|app| async move { stored(&app, id, is_known).await }).await.map_err(failed)?;
    let row = stored.row;
    let known = match (&ended, &row) {
        (Some(login), _) => login.borrow().attempt(),
        (None, Some(row)) => u32::try_from(row.attempt).unwrap_or_default(),
        (None, None) => 0,
    };
    // "Not found", or the end of an attempt, is final to the page. But a login, or its next attempt, may have begun a moment
    // ago, while the views were behind. So the log itself decides.
    if stored.latest > known {
        // It waits in memory, and takes nobody's turn.
        drop(lookup);
        let arrival = state.live_logins.at_attempt(&login_id, stored.latest);
        let arrived = tokio::time::timeout(ARRIVES_WITHIN, arrival).await;
        let late = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, language, Text::Internal);
        return arrived.map(Some).map_err(late);
    }
    let Some(row) = row else { return Ok(ended) };
    Span::current().record("account.id", display(row.account_id));
    let login = LiveLogin::new(row, stored.telegram_id, None).with_block(stored.is_blocked);
    Ok(Some(watch::Sender::new(Arc::new(login)).subscribe()))
}

/// What the database has of a login.
#[derive(Default)]
struct Stored {
    row: Option<LoginRow>,
    /// Its latest attempt, by the log.
    latest: u32,
    /// None where its person was erased.
    telegram_id: Option<i64>,
    is_blocked: bool,
}

/// `is_known`: the row is in memory, and is not read.
async fn stored(app: &App, login_id: &LoginId, is_known: bool) -> Result<Stored, DatabaseError> {
    let row = match is_known {
        true => None,
        false => login_status::by_id(&app.db, login_id).await?,
    };
    let latest = app.store.load_login(login_id).await?.attempt();
    let Some(account_id) = row.as_ref().map(|row| row.account_id) else {
        return Ok(Stored { latest, ..Stored::default() });
    };
    let subject = app.vault.subject(account_id).await?;
    let account = app.store.load_account(account_id).await?;
    let telegram_id = subject.filter(|_| !account.is_erased()).map(|it| it.telegram_id);
    Ok(Stored { row, latest, telegram_id, is_blocked: account.is_blocked() })
}

/// The owner's status of a login that has ended before this request. Where it had succeeded, its session may have ended since,
/// and the status says so.
///
/// # Errors
/// 429 where too many ask at once; 500 when the database does not answer.
pub async fn ended_status(state: &ApiState, login: &LiveLogin, language: Language) -> Result<Value, Problem> {
    if login.row.status != LoginStatus::Authorized {
        return Ok(status::for_owner(login, language));
    }
    let _lookup = lookup(state, language).await?;
    let (account_id, login_id) = (login.row.account_id, &login.row.login_id);
    let session = state.read(|app| async move { session_state(&app, account_id, login_id).await }).await;
    let session = session.map_err(|error| Problem::internal(language, &error))?;
    Ok(status::for_owner_since(login, language, session))
}

/// A turn to look into the database.
async fn lookup(state: &ApiState, language: Language) -> Result<SemaphorePermit<'_>, Problem> {
    match tokio::time::timeout(LOOKUP_STARTS_WITHIN, state.lookups.acquire()).await {
        Ok(Ok(lookup)) => Ok(lookup),
        _ => {
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, language, Text::TooManyRequests);
            Err(problem.after(LOOKUP_AGAIN_SECONDS))
        }
    }
}

/// The token of the header `Authorization: Bearer …`, where there is one such header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// The request's span names the login from now on.
fn name_in_span(login: &LiveLogin) {
    let span = Span::current();
    span.record("login.id", login.row.login_id.short()).record("account.id", display(login.row.account_id));
}

/// The browser's language, for a person whose launch data is not believed.
pub fn accepted_language(headers: &HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Language::of(accepted.map(|text| text.split([',', ';', '-']).next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn one_header_of_its_scheme_brings_a_token() {
        let headers = |values: &[&'static str]| {
            let values = values.iter().map(|value| HeaderValue::from_static(value));
            values.map(|value| (header::AUTHORIZATION, value)).collect::<HeaderMap>()
        };
        for values in [&["Bearer abc"][..], &["bearer abc"]] {
            assert_eq!(bearer(&headers(values)), Some("abc"), "{values:?}");
        }
        for values in [&[][..], &["tma abc"], &["Bearer"], &["abc"], &["Bearer abc", "Bearer def"]] {
            assert_eq!(bearer(&headers(values)), None, "{values:?}");
        }
    }
}
