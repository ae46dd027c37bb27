//! Counts and times logins, by the events that the reactor has reacted to. One process reacts at a time, so the sum over all
//! processes counts each login once. What began before this process took over has no times, and where it is not confirmed, no way.

use std::collections::HashMap;

use domain::login::{FailReason, Method};
use domain::{Event, LoginEvent};
use eventlog::log::LogEvent;
use jiff::Timestamp;
use metrics::{counter, histogram};

/// The attempts that run, as far as their events were seen.
#[derive(Debug, Default)]
pub struct LoginMeter {
    live: HashMap<String, Attempt>,
    /// The last event that was counted: a repeated one is not counted again.
    counted: i64,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    started_at: Timestamp,
    /// When the first QR code was there.
    shown_at: Option<Timestamp>,
    way: Method,
}

impl LoginMeter {
    /// After a reaction to this event.
    pub fn count(&mut self, event: &LogEvent) {
        let Ok(Event::Login(login)) = &event.event else { return };
        if event.position > self.counted {
            self.counted = event.position;
            self.count_login(&event.stream_id, login);
        }
    }

    fn count_login(&mut self, login_id: &str, event: &LoginEvent) {
        match event {
            LoginEvent::LoginStarted { at, .. } => {
                counter!("qrlogin_logins_started_total").increment(1);
                let attempt = Attempt { started_at: *at, shown_at: None, way: Method::Qr };
                self.live.insert(login_id.to_owned(), attempt);
            }
            LoginEvent::QrIssued { at, .. } => {
                let Some(attempt) = self.live.get_mut(login_id) else { return };
                attempt.way = Method::Qr;
                if attempt.shown_at.is_none() {
                    attempt.shown_at = Some(*at);
                    time("first_qr", attempt.started_at, *at);
                }
            }
            LoginEvent::CodeSent { .. } => {
                if let Some(attempt) = self.live.get_mut(login_id) {
                    attempt.way = Method::Code;
                }
            }
            LoginEvent::AuthorizationConfirmed { method, at, .. } => {
                let attempt = self.end(login_id, Some(*method), "authorized");
                if let Some(shown_at) = attempt.and_then(|attempt| attempt.shown_at) {
                    time("confirm", shown_at, *at);
                }
            }
            LoginEvent::AuthorizationRejected { .. } => {
                self.end(login_id, None, "rejected");
            }
            LoginEvent::LoginExpired { .. } => {
                self.end(login_id, None, "expired");
            }
            LoginEvent::LoginCancelled { .. } => {
                self.end(login_id, None, "cancelled");
            }
            LoginEvent::LoginFailed { reason, .. } => {
                self.end(login_id, None, "failed");
                counter!("qrlogin_login_failures_total", "reason" => name_of(*reason)).increment(1);
            }
            LoginEvent::CodeRejected { .. }
            | LoginEvent::PasswordRequested { .. }
            | LoginEvent::PasswordRejected { .. } => {}
        }
    }

    /// `method`: by which it was confirmed.
    fn end(&mut self, login_id: &str, method: Option<Method>, outcome: &'static str) -> Option<Attempt> {
        let attempt = self.live.remove(login_id);
        let way = match method.or(attempt.map(|attempt| attempt.way)) {
            Some(Method::Qr) => "qr",
            Some(Method::Code) => "phone",
            None => "unknown",
        };
        counter!("qrlogin_logins_total", "way" => way, "outcome" => outcome).increment(1);
        attempt
    }
}

/// Clocks of two machines may differ: a time below zero counts as none.
fn time(phase: &'static str, from: Timestamp, to: Timestamp) {
    let seconds = to.duration_since(from).as_secs_f64().max(0.0);
    histogram!("qrlogin_login_phase_seconds", "phase" => phase).record(seconds);
}

const fn name_of(reason: FailReason) -> &'static str {
    match reason {
        FailReason::TelegramUnreachable => "telegram_unreachable",
        FailReason::FloodWait => "flood_wait",
        FailReason::NotRegistered => "not_registered",
        FailReason::SessionLost => "session_lost",
        FailReason::InviteGone => "invite_gone",
        FailReason::Internal => "internal",
    }
}
