//! The stream in the target: reads its end, and appends to it. The client is created again after every failure: it never
//! connects again after a failed connection, and never asks the cluster for another node when its node has died.

use std::time::Duration;

use eventstore::{
    AppendToStreamOptions, Client, Error, EventData, ExpectedRevision, ReadStreamOptions, StreamPosition,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::address::Address;
use super::form::Origin;

/// How long an answer may take by default. The client tells the server the same.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// gRPC's codes for a request that the server refuses: INVALID_ARGUMENT, RESOURCE_EXHAUSTED, OUT_OF_RANGE.
const REFUSED: [i32; 3] = [3, 8, 11];
/// FAILED_PRECONDITION: servers before 20.6.1 answer this to a wrong revision.
const FAILED_PRECONDITION: i32 = 9;

pub struct Target {
    address: Address,
    pub stream: String,
    client: Option<Client>,
}

/// The last event of the stream.
pub struct Last {
    pub revision: u64,
    pub id: Uuid,
    pub name: String,
    pub origin: Origin,
}

/// Why a request failed. Only reading the end shows whether a failed append has arrived.
#[derive(Debug)]
pub enum TargetError {
    /// It may work later.
    Passing(String),
    /// The stream has another end than expected.
    Moved,
    /// The server refuses these events in one append.
    NotTaken(String),
    /// Trying again does not help.
    Final(String),
}

impl Target {
    pub const fn new(address: Address, stream: String) -> Self {
        Self { address, stream, client: None }
    }

    /// The hosts, to be shown.
    pub fn hosts(&self) -> &str {
        &self.address.hosts
    }

    /// The last event; None where the stream has none.
    pub async fn last(&mut self) -> Result<Option<Last>, TargetError> {
        let mut options = ReadStreamOptions::default().position(StreamPosition::End).max_count(1);
        options = options.requires_leader(true);
        if let Some(credentials) = &self.address.credentials {
            options = options.authenticated(credentials.clone());
        }
        let client = self.client()?;
        let stream = self.stream.as_str();
        let read = async { client.read_stream(stream, &options).await?.next().await };
        match timeout(self.answer_within(), read).await {
            Ok(Ok(event)) => Ok(event.map(|event| {
                let event = event.get_original_event();
                Last {
                    revision: event.revision,
                    id: event.id,
                    name: event.event_type.clone(),
                    origin: Origin::of(&event.custom_metadata),
                }
            })),
            Ok(Err(Error::ResourceNotFound)) => Ok(None),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => Err(self.failed(Error::DeadlineExceeded)),
        }
    }

    /// Appends after this revision, or, if it is None, to a stream that does not exist; all of the events or none.
    /// Returns the revision of the last one. Events with ids that are there already are not doubled.
    pub async fn append(&mut self, after: Option<u64>, events: Vec<EventData>) -> Result<u64, TargetError> {
        let expected = after.map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
        let mut options = AppendToStreamOptions::default().expected_revision(expected);
        options = options.requires_leader(true).deadline(self.answer_within());
        if let Some(credentials) = &self.address.credentials {
            options = options.authenticated(credentials.clone());
        }
        let client = self.client()?;
        match timeout(self.answer_within(), client.append_to_stream(self.stream.as_str(), &options, events))
            .await
        {
            Ok(Ok(written)) => Ok(written.next_expected_version),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => Err(self.failed(Error::DeadlineExceeded)),
        }
    }

    fn answer_within(&self) -> Duration {
        self.address.answer_within.unwrap_or(ANSWER_WITHIN)
    }

    fn client(&mut self) -> Result<Client, TargetError> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let made = Client::new(self.address.settings.clone());
        let client = made.map_err(|error| TargetError::Final(error.to_string()))?;
        Ok(self.client.insert(client).clone())
    }

    fn failed(&mut self, error: Error) -> TargetError {
        // After this error the client connects to the leader by itself.
        if !matches!(error, Error::NotLeaderException(_)) {
            self.client = None;
        }
        classify(error, &self.stream)
    }
}

/// Classifies an error: whether trying again may help.
fn classify(error: Error, stream: &str) -> TargetError {
    match error {
        Error::NotLeaderException(_) => TargetError::Passing("it has another leader".to_owned()),
        Error::WrongExpectedVersion { .. } => TargetError::Moved,
        Error::Grpc { code, message } => match i32::from(code) {
            FAILED_PRECONDITION => TargetError::Moved,
            code if REFUSED.contains(&code) => TargetError::NotTaken(message),
            _ => TargetError::Passing(message),
        },
        Error::DeadlineExceeded => TargetError::Passing("it does not answer in time".to_owned()),
        Error::ConnectionClosed => TargetError::Passing("it cannot be connected to".to_owned()),
        Error::ServerError(told) => TargetError::Passing(in_short(&told)),
        Error::GrpcConnectionError(error) => TargetError::Passing(in_short(&error.to_string())),
        Error::AccessDenied => TargetError::Final(
            "it lets nobody in with this user and password, or they may not read and append".to_owned(),
        ),
        Error::ResourceDeleted => TargetError::Final(format!(
            "the stream {stream} was deleted there for ever; name another one with --stream"
        )),
        Error::ResourceNotFound
        | Error::ResourceAlreadyExists
        | Error::UnsupportedFeature
        | Error::InternalParsingError(_)
        | Error::InternalClientError
        | Error::InitializationError(_)
        | Error::IllegalStateError(_) => TargetError::Final(in_short(&error.to_string())),
    }
}

/// A gRPC status without its list of headers.
fn in_short(told: &str) -> String {
    told.split(", details:").next().unwrap_or_default().trim_start_matches("status: ").to_owned()
}
