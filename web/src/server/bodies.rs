//! Bodies that record their end at their connection's place: of a request, when it is received; of an answer, when hyper has it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::connections::{Place, State};

/// The body of a request.
pub(super) struct ReceivedBody {
    body: Incoming,
    place: Arc<Place>,
    awaited: State,
    ended: bool,
}

impl ReceivedBody {
    pub(super) fn new(body: Incoming, place: &Arc<Place>) -> Self {
        Self { body, awaited: place.awaits_body(), place: Arc::clone(place), ended: false }
    }
}

impl HttpBody for ReceivedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.ended |= matches!(frame, Poll::Ready(None));
        if self.ended || self.body.is_end_stream() {
            self.place.has_body(self.awaited);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ReceivedBody {
    fn drop(&mut self) {
        if !self.body.is_end_stream() && !self.ended {
            self.place.leaves_body();
        }
        self.place.has_body(self.awaited);
    }
}

/// The body of an answer. hyper drops it once it holds all of it: what the client is slow to take counts as idle then.
pub(super) struct AnswerBody {
    body: Body,
    place: Arc<Place>,
}

impl AnswerBody {
    pub(super) fn new(body: Body, place: &Arc<Place>) -> Self {
        Self { body, place: Arc::clone(place) }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.place.idles();
    }
}
