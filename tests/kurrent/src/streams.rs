//! Appending and reading, as the protocol puts it.

use std::pin::Pin;

use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use crate::node::{Fault, Node};
use crate::protocol::event_store::client as wire;
use crate::protocol::event_store::client::streams::append_req::options::ExpectedStreamRevision;
use crate::protocol::event_store::client::streams::append_req::{self, ProposedMessage};
use crate::protocol::event_store::client::streams::append_resp::wrong_expected_version as wrong;
use crate::protocol::event_store::client::streams::append_resp::{self, success};
use crate::protocol::event_store::client::streams::read_req::options::ReadDirection;
use crate::protocol::event_store::client::streams::read_req::options::stream_options::RevisionOption;
use crate::protocol::event_store::client::streams::read_req::options::{CountOption, StreamOption};
use crate::protocol::event_store::client::streams::read_resp::read_event::RecordedEvent;
use crate::protocol::event_store::client::streams::read_resp::{self, ReadEvent};
use crate::protocol::event_store::client::streams::streams_server::Streams;
use crate::protocol::event_store::client::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, ReadResp,
    TombstoneReq, TombstoneResp,
};
use crate::rules::{Expected, Outcome, Recorded};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Streams for Node {
    type ReadStream = Answers<ReadResp>;
    type BatchAppendStream = Answers<BatchAppendResp>;

    async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        self.admit(request.metadata())?;
        let connection = request.remote_addr();
        let (stream, expected, events) = self.received(request.into_inner()).await?;
        let fault = self.met();
        match fault {
            Some(Fault::CutBefore) => return self.cut(connection).await,
            Some(Fault::Refuse) => return Err(Status::unavailable("Server Is Not Ready")),
            Some(Fault::TakeLate) => {
                self.keep_for_later(stream, expected, events);
                return std::future::pending().await;
            }
            Some(Fault::CutAfter | Fault::NeverAnswer) | None => {}
        }
        let outcome = self.append(&stream, expected, events);
        match fault {
            Some(Fault::CutAfter) => self.cut(connection).await,
            Some(Fault::NeverAnswer) => std::future::pending().await,
            _ => answer(&stream, expected, outcome).map(Response::new),
        }
    }

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
        self.admit(request.metadata())?;
        let options = request.into_inner().options.ok_or_else(|| Status::invalid_argument("options"))?;
        let Some(StreamOption::Stream(of)) = &options.stream_option else {
            return Err(Status::unimplemented("$all"));
        };
        let name = name_of(of.stream_identifier.clone());
        let backwards = options.read_direction() == ReadDirection::Backwards;
        let from = match of.revision_option {
            Some(RevisionOption::Revision(revision)) => revision,
            Some(RevisionOption::End(_)) => u64::MAX,
            Some(RevisionOption::Start(_)) | None => 0,
        };
        let Some(CountOption::Count(count)) = options.count_option else {
            return Err(Status::unimplemented("subscriptions"));
        };
        let events = self.read(&name).map_err(|_| deleted(&name))?;
        let answers = match events {
            None => vec![not_found(&name)],
            Some(mut events) => {
                events.retain(|(revision, _)| if backwards { *revision <= from } else { *revision >= from });
                if backwards {
                    events.reverse();
                }
                events.truncate(usize::try_from(count).unwrap_or(usize::MAX));
                events.into_iter().map(|(revision, event)| read_event(&name, revision, event)).collect()
            }
        };
        Ok(Response::new(Box::pin(tokio_stream::iter(answers.into_iter().map(Ok)))))
    }

    async fn batch_append(
        &self,
        _: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        Err(Status::unimplemented("batch append"))
    }

    async fn delete(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        Err(Status::unimplemented("delete"))
    }

    async fn tombstone(&self, _: Request<TombstoneReq>) -> Result<Response<TombstoneResp>, Status> {
        Err(Status::unimplemented("tombstone"))
    }
}

impl Node {
    /// One append, as a whole.
    async fn received(
        &self,
        mut messages: Streaming<AppendReq>,
    ) -> Result<(String, Expected, Vec<Recorded>), Status> {
        let mut head = None;
        let mut events = Vec::new();
        let mut size_bytes = 0;
        while let Some(message) = messages.message().await? {
            match message.content {
                Some(append_req::Content::Options(options)) => head = Some(options),
                Some(append_req::Content::ProposedMessage(event)) => {
                    let event = recorded(event)?;
                    size_bytes += event.data.len() + event.metadata.len() + 2 * event.name.len();
                    events.push(event);
                }
                None => return Err(Status::invalid_argument("content")),
            }
        }
        let most = self.most_append_bytes();
        if size_bytes > most {
            let mut refused = Status::invalid_argument(format!("Maximum Append Size of {most} Exceeded."));
            tell(&mut refused, "exception", "maximum-append-size-exceeded");
            return Err(refused);
        }
        let head = head.ok_or_else(|| Status::invalid_argument("options"))?;
        let expected = match head.expected_stream_revision {
            Some(ExpectedStreamRevision::Revision(revision)) => Expected::Revision(revision),
            Some(ExpectedStreamRevision::NoStream(_)) => Expected::NoStream,
            Some(ExpectedStreamRevision::StreamExists(_)) => Expected::StreamExists,
            Some(ExpectedStreamRevision::Any(_)) => Expected::Any,
            None => return Err(Status::invalid_argument("expected_stream_revision")),
        };
        Ok((name_of(head.stream_identifier), expected, events))
    }
}

fn recorded(event: ProposedMessage) -> Result<Recorded, Status> {
    let id = match event.id.and_then(|id| id.value) {
        Some(wire::uuid::Value::String(text)) => {
            text.parse().map_err(|_| Status::invalid_argument("event id"))?
        }
        Some(wire::uuid::Value::Structured(parts)) => Uuid::from_u64_pair(
            parts.most_significant_bits.cast_unsigned(),
            parts.least_significant_bits.cast_unsigned(),
        ),
        None => return Err(Status::invalid_argument("event id")),
    };
    let property = |name| {
        let missing = || Status::invalid_argument(format!("Required Metadata Property '{name}' is missing"));
        event.metadata.get(name).cloned().ok_or_else(missing)
    };
    if property("content-type")? != "application/json" {
        return Err(Status::unimplemented("events that are not JSON"));
    }
    Ok(Recorded { id, name: property("type")?, data: event.data, metadata: event.custom_metadata })
}

fn answer(stream: &str, expected: Expected, outcome: Outcome) -> Result<AppendResp, Status> {
    let result = match outcome {
        Outcome::Deleted => return Err(deleted(stream)),
        Outcome::Success(revision) => append_resp::Result::Success(append_resp::Success {
            current_revision_option: Some(success::CurrentRevisionOption::CurrentRevision(revision)),
            position_option: Some(success::PositionOption::NoPosition(wire::Empty {})),
        }),
        Outcome::WrongExpectedVersion(current) => {
            append_resp::Result::WrongExpectedVersion(append_resp::WrongExpectedVersion {
                current_revision_option: Some(match current {
                    Some(revision) => wrong::CurrentRevisionOption::CurrentRevision(revision),
                    None => wrong::CurrentRevisionOption::CurrentNoStream(wire::Empty {}),
                }),
                expected_revision_option: Some(match expected {
                    Expected::Revision(revision) => wrong::ExpectedRevisionOption::ExpectedRevision(revision),
                    Expected::Any => wrong::ExpectedRevisionOption::ExpectedAny(wire::Empty {}),
                    Expected::NoStream => wrong::ExpectedRevisionOption::ExpectedNoStream(wire::Empty {}),
                    Expected::StreamExists => {
                        wrong::ExpectedRevisionOption::ExpectedStreamExists(wire::Empty {})
                    }
                }),
                ..append_resp::WrongExpectedVersion::default()
            })
        }
    };
    Ok(AppendResp { result: Some(result) })
}

fn read_event(stream: &str, revision: u64, event: Recorded) -> ReadResp {
    let metadata = [("type", event.name.as_str()), ("content-type", "application/json"), ("created", "0")];
    let event = RecordedEvent {
        id: Some(wire::Uuid { value: Some(wire::uuid::Value::String(event.id.to_string())) }),
        stream_identifier: Some(identifier(stream)),
        stream_revision: revision,
        prepare_position: revision,
        commit_position: revision,
        metadata: metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        custom_metadata: event.metadata,
        data: event.data,
    };
    let event = ReadEvent { event: Some(event), link: None, position: None };
    ReadResp { content: Some(read_resp::Content::Event(event)) }
}

fn not_found(stream: &str) -> ReadResp {
    let not_found = read_resp::StreamNotFound { stream_identifier: Some(identifier(stream)) };
    ReadResp { content: Some(read_resp::Content::StreamNotFound(not_found)) }
}

fn deleted(stream: &str) -> Status {
    let mut refused = Status::failed_precondition(format!("Event stream '{stream}' is deleted."));
    tell(&mut refused, "exception", "stream-deleted");
    refused
}

/// In the answer's trailers.
pub fn tell(status: &mut Status, name: &'static str, value: &str) {
    if let Ok(value) = value.parse() {
        status.metadata_mut().insert(name, value);
    }
}

fn identifier(stream: &str) -> wire::StreamIdentifier {
    wire::StreamIdentifier { stream_name: stream.as_bytes().to_vec() }
}

fn name_of(identifier: Option<wire::StreamIdentifier>) -> String {
    String::from_utf8_lossy(&identifier.unwrap_or_default().stream_name).into_owned()
}
