//! `GET /api/me/export`: everything that is known of the person, as a JSON file.
//!
//! 1. What stands now: as `GET /api/me`.
//! 2. Every event that is about them, the oldest first, with what is sealed opened. Read page by page while it is sent, so that no
//!    history is too long. Who caused one is told as on the page: an admin's account is not theirs to know.

use std::sync::Arc;

use app::history::open_sealed;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::{AccountId, LoginId};
use eventlog::log::{Filter, LogEvent};
use eventlog::{DatabaseError, Log};
use futures::stream;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use utoipa::ToSchema;
use vault::Subject;

use super::events::{Who, who};
use super::person::Person;
use super::read::{Session, Subscription, known};
use super::turn::turn;
use web::json::refusals::Refusals;
use web::json::user::UserBody;
use web::problem::Problem;
use web::state::ApiState;

/// Two at a time in a process.
static EXPORTS: Semaphore = Semaphore::const_new(2);
/// Events in one read.
const PAGE: i64 = 500;

/// Everything that is known of the person who asks, as a file.
#[utoipa::path(
    get,
    path = "/api/me/export",
    operation_id = "my_data",
    tag = "me",
    security(("launch" = [])),
    responses((status = 200, description = "A file with everything that is known", body = MyData), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(crate) async fn export(State(state): State<Arc<ApiState>>, person: Person) -> Result<Response, Problem> {
    let language = person.language;
    let turn = turn(&EXPORTS, language).await?;
    // 1.
    let known = known(&state.app, &person, &state.page.device_name).await;
    let known = known.map_err(|error| Problem::internal(language, &error))?;
    let (user, session, subscription) =
        known.map_or((None, None, None), |it| (Some(it.user), it.session, it.subscription));
    let head = MyData {
        exported_at: state.app.clock.now(),
        account_id: person.account_id(),
        telegram_id: person.subject.telegram_id,
        user,
        session,
        subscription,
        events: [],
    };
    let mut text = serde_json::to_string(&head).expect("what is known is plain data");
    // The events follow.
    text.truncate(text.len() - "]}".len());
    // 2.
    let end = Log::new(&state.app.db).end().await.map_err(|error| Problem::internal(language, &error))?;
    let sending =
        Sending { state, subject: person.subject, after: 0, end, step: Step::Begin(text), _turn: turn };
    let body = Body::from_stream(stream::try_unfold(sending, |mut sending| async {
        let piece = sending.next().await?;
        Ok::<_, DatabaseError>(piece.map(|piece| (piece, sending)))
    }));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"my-data.json\"")),
    ];
    Ok((headers, body).into_response())
}

/// Everything that is known of a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct MyData {
    exported_at: Timestamp,
    #[schema(value_type = String, format = Uuid)]
    account_id: AccountId,
    telegram_id: i64,
    #[schema(required)]
    user: Option<UserBody>,
    #[schema(required)]
    session: Option<Session>,
    #[schema(required)]
    subscription: Option<Subscription>,
    /// Every event that is about the person, the oldest first. They are sent after the rest.
    #[schema(value_type = Vec<MyEvent>)]
    events: [MyEvent; 0],
}

/// An event that is about the person.
#[derive(Serialize, ToSchema)]
pub(crate) struct MyEvent {
    position: i64,
    at: Timestamp,
    /// Its name.
    event: String,
    who: Who,
    #[schema(required, value_type = Option<String>)]
    login_id: Option<LoginId>,
    /// Why, in the words of the admin who ordered it.
    #[schema(required)]
    reason: Option<String>,
    /// What it says, with personal data opened.
    #[schema(value_type = Object)]
    payload: Value,
}

/// An export that is being sent.
struct Sending {
    state: Arc<ApiState>,
    subject: Subject,
    /// The position of the last event that was sent.
    after: i64,
    /// The last position that is part of it.
    end: i64,
    step: Step,
    _turn: SemaphorePermit<'static>,
}

/// What is sent next.
enum Step {
    /// Everything before the events.
    Begin(String),
    /// Events; whether none was sent before.
    Events {
        is_first: bool,
    },
    Done,
}

impl Sending {
    async fn next(&mut self) -> Result<Option<Bytes>, DatabaseError> {
        match std::mem::replace(&mut self.step, Step::Done) {
            Step::Begin(text) => {
                self.step = Step::Events { is_first: true };
                Ok(Some(text.into()))
            }
            Step::Events { is_first } => self.page(is_first).await.map(Some),
            Step::Done => Ok(None),
        }
    }

    async fn page(&mut self, is_first: bool) -> Result<Bytes, DatabaseError> {
        let filter = Filter { account: Some(self.subject.account_id), ..Filter::default() };
        let mut page = Log::new(&self.state.app.db).history(&filter, self.after, PAGE).await?;
        let is_last = (page.len() as i64) < PAGE || page.last().is_some_and(|last| last.position >= self.end);
        page.retain(|event| event.position <= self.end);
        self.after = page.last().map_or(self.after, |last| last.position);
        let mut text = String::new();
        for (number, event) in page.iter_mut().enumerate() {
            if !is_first || number > 0 {
                text.push(',');
            }
            open_sealed(event, &self.subject);
            text.push_str(&self.line(event));
        }
        if is_last {
            text.push_str("]}\n");
        } else {
            self.step = Step::Events { is_first: false };
        }
        Ok(text.into())
    }

    fn line(&self, event: &LogEvent) -> String {
        let mut payload = event.payload.get(&event.name).unwrap_or(&event.payload).clone();
        // Which other account confirmed is not theirs to know.
        if let Some(fields) = payload.as_object_mut() {
            fields.remove("confirmed_by");
        }
        let line = MyEvent {
            position: event.position,
            at: event.recorded_at,
            event: event.name.clone(),
            who: who(event, self.subject.account_id),
            login_id: event.metadata.login_id.clone(),
            reason: event.metadata.reason.as_ref().and_then(|sealed| self.subject.open(sealed)),
            payload,
        };
        serde_json::to_string(&line).expect("an event is plain data")
    }
}
