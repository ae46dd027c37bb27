//! Which events belong to the trace of a login ([`LoginTrace`]).

use domain::{AccountEvent, Event, LoginEvent};
use telemetry::traces::LoginTrace;

use super::LogEvent;

impl LogEvent {
    /// The trace of the login that this event confirms, or that it follows from; None for any other event.
    pub fn login_trace(&self) -> Option<LoginTrace> {
        match self.event.as_ref().ok()? {
            Event::Login(LoginEvent::AuthorizationConfirmed { attempt, .. }) => {
                Some(LoginTrace::of(&self.stream_id, *attempt))
            }
            Event::Account(AccountEvent::SubscriptionActivated { login_id, attempt, .. }) => {
                Some(LoginTrace::of(login_id.as_str(), *attempt))
            }
            _ => None,
        }
    }
}
