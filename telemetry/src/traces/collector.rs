//! The collector of traces, over HTTP. That it does not take them is told once an outage, and once when it does again.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::redirect::Policy;
use tokio::runtime::Handle;

use super::settings::TraceSettings;

/// More than any answer of a collector; what comes after it is not read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Sends with the client of the workspace, on a runtime: the thread that takes spans from the queue has none.
#[derive(Clone, Debug)]
pub(super) struct Collector {
    client: reqwest::Client,
    runtime: Handle,
    is_failing: Arc<AtomicBool>,
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("it cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("it answers with status {0}")]
    Status(u16),
}

impl Collector {
    pub fn new(settings: &TraceSettings, runtime: Handle) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(settings.timeout).redirect(Policy::none());
        let client = settings
            .certificates
            .iter()
            .cloned()
            .fold(client, |client, certificate| client.add_root_certificate(certificate));
        Ok(Self { client: client.build()?, runtime, is_failing: Arc::default() })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
        let request = reqwest::Request::try_from(request)?;
        let mut answer = self.client.execute(request).await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_ANSWER {
                body.clear();
                break;
            }
        }
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }

    /// The URL of an error is left out: nobody knows what an operator has put there.
    async fn send_and_tell(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        match self.send(request).await.map_err(reqwest::Error::without_url) {
            Ok(answer) if answer.status().is_success() => {
                self.takes_them();
                Ok(answer)
            }
            Ok(answer) => {
                self.refuses(&Refused::Status(answer.status().as_u16()));
                Ok(answer)
            }
            Err(error) => {
                let refused = Refused::Unreachable(error);
                self.refuses(&refused);
                Err(refused.into())
            }
        }
    }

    fn refuses(&self, refused: &Refused) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                error = refused as &dyn Error,
                "the collector does not take traces; they are lost until it does"
            );
        }
    }

    fn takes_them(&self) {
        if self.is_failing.swap(false, Ordering::Relaxed) {
            tracing::info!("the collector takes traces again");
        }
    }
}

impl HttpClient for Collector {
    fn send_bytes<'s, 'f>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        let collector = self.clone();
        let sending = self.runtime.spawn(async move { collector.send_and_tell(request).await });
        Box::pin(async move { sending.await? })
    }
}
