//! What every request passes first: it is well-formed HTTP, and its client has no more under way than it may.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use futures::future::Either;
use hyper::body::{Body as _, Incoming};
use metrics::counter;
use texts::Language;
use texts::http::Text;
use tower::util::Oneshot;
use tower::{Service, ServiceExt};

use super::bodies::{AnswerBody, ReceivedBody};
use super::clients::{Clients, TooMany};
use super::connections::Place;
use crate::page;
use crate::problem::Problem;

/// How soon a client with too many requests may ask again, in seconds.
const AGAIN_SECONDS: i64 = 10;

/// Before the service of one connection.
pub(super) struct Gate<S> {
    pub service: S,
    pub place: Arc<Place>,
    /// Set where the requests of this connection count for those whom a proxy asks for.
    pub clients: Option<Arc<Clients>>,
}

impl<S> hyper::service::Service<Request<Incoming>> for Gate<S>
where
    S: Service<Request, Response = Response<AnswerBody>, Error = Infallible> + Clone,
{
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Either<Oneshot<S, Request>, Ready<Result<Self::Response, Infallible>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        match self.refuses(&request) {
            None => Either::Left(self.service.clone().oneshot(self.receive(request))),
            Some(problem) => {
                self.place.answers();
                let mut answer = problem.into_response();
                page::add_headers(answer.headers_mut());
                // The rest of the request, which may never come, is not waited for.
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                Either::Right(ready(Ok(answer.map(|body| AnswerBody::new(body, &self.place)))))
            }
        }
    }
}

impl<S> Gate<S> {
    fn refuses(&self, request: &Request<Incoming>) -> Option<Problem> {
        let headers = request.headers();
        // RFC 9112, section 3.2.
        if request.version() == Version::HTTP_11 && headers.get_all(header::HOST).iter().count() != 1 {
            return Some(Problem::new(StatusCode::BAD_REQUEST, Language::default(), Text::BadRequest));
        }
        match self.clients.as_ref()?.request(headers) {
            Ok(counted) => {
                self.place.counts(counted);
                None
            }
            Err(TooMany) => {
                counter!("qrlogin_http_refused_total", "reason" => "requests").increment(1);
                let language = Language::default();
                let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, language, Text::TooManyRequests);
                Some(problem.after(AGAIN_SECONDS))
            }
        }
    }

    /// The head of a request is here.
    fn receive(&self, request: Request<Incoming>) -> Request {
        if request.body().is_end_stream() {
            self.place.answers();
            return request.map(|_| axum::body::Body::empty());
        }
        request.map(|body| axum::body::Body::new(ReceivedBody::new(body, &self.place)))
    }
}
