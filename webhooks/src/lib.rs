//! Webhooks by Standard Webhooks 1.0: what happened to a person is told to other services. START HERE:
//!
//! ```text
//!   log ──▶ fan_out ──▶ vault.webhook_deliveries ──▶ sender ──▶ https
//!            one transaction: the messages of some events, and how far the log is read
//! ```
//! 1. An admin or a service makes a webhook ([`Webhooks::create`]): a row, then the event `WebhookCreated`.
//! 2. [`fan_out`] reads the log in its order. At `WebhookCreated` it puts the webhook into force. At each later event whose type
//!    the webhook takes it adds one message.
//! 3. [`sender`] sends what is due, many at a time, and of one webhook and person one after the other. The text is made when it is
//!    sent ([`body`]): the queue holds no personal data, and a person who was erased meanwhile is in no text.
//! 4. [`address`] decides where a connection may go, after the name is resolved and for that connection.
//! 5. What fails is tried again ([`retry`]) for three days, and then parked.
//!
//! One process at a time does 2 and 3 ([`run()`]), by the lease `webhooks`. Its writes are refused when another one has the lease.

pub mod address;
mod backlog;
mod body;
mod deliveries;
mod endpoints;
pub mod erasure;
mod fan_out;
mod lanes;
mod message_type;
mod prune;
mod queue;
mod retry;
mod run;
mod secret;
mod sender;
mod shown;
#[cfg(test)]
mod tests;
mod transport;
mod webhook;

pub use backlog::{Backlog, Troubles, backlog, troubles};
pub use deliveries::{Delivery, DeliveryState};
pub use endpoints::{Change, Ids, Made, NewWebhook, WebhookError, Webhooks};
pub use fan_out::{FanOutError, catch_up};
pub use message_type::{MessageType, UnknownType};
pub use run::run;
pub use webhook::Webhook;
