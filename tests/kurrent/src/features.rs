//! The features of the server, which a client asks for first.

use tonic::{Request, Response, Status};

use crate::protocol::event_store::client::Empty;
use crate::protocol::event_store::client::server_features::SupportedMethods;
use crate::protocol::event_store::client::server_features::server_features_server::ServerFeatures;

/// Says that it is of a version that appends batches only by `Append`.
#[derive(Clone, Copy, Debug)]
pub struct Features;

#[tonic::async_trait]
impl ServerFeatures for Features {
    async fn get_supported_methods(&self, _: Request<Empty>) -> Result<Response<SupportedMethods>, Status> {
        let event_store_server_version = "24.10.0".to_owned();
        Ok(Response::new(SupportedMethods { methods: Vec::new(), event_store_server_version }))
    }
}
