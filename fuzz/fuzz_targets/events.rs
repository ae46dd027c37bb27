//! Stored events: an input is lines of `stream name version payload`. What can be decoded is written and read again as the same
//! event, and every aggregate folds it, in any order.
#![no_main]

use cqrs_es::Aggregate;
use domain::{Account, Audit, Event, History, Invite, Login, LoginState, Service, StreamKind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (mut account, mut invite, mut login) = (Account::default(), Invite::default(), Login::default());
    let (mut audit, mut service, mut history) = (Audit::default(), Service::default(), History::default());
    let mut state: Option<LoginState> = None;
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        let [Some(stream), Some(name), Some(version), Some(payload)] = [(); 4].map(|()| words.next()) else {
            continue;
        };
        let Ok(event) = Event::decode_text(stream, name, version, payload) else { continue };
        assert_eq!(event.name(), name);
        let kind: StreamKind = stream.parse().expect("it was one");
        let _ = event.account_id();
        match event {
            Event::Account(event) => {
                expect_again(kind, name, &event, Event::Account(event.clone()));
                account.apply(event);
            }
            Event::Invite(event) => {
                expect_again(kind, name, &event, Event::Invite(event.clone()));
                invite.apply(event);
            }
            Event::Audit(event) => {
                expect_again(kind, name, &event, Event::Audit(event.clone()));
                audit.apply(event);
            }
            Event::Service(event) => {
                expect_again(kind, name, &event, Event::Service(event.clone()));
                service.apply(event);
            }
            Event::History(event) => {
                expect_again(kind, name, &event, Event::History(event.clone()));
                history.apply(event);
            }
            Event::Login(event) => {
                expect_again(kind, name, &event, Event::Login(event.clone()));
                state = LoginState::after(state, &event);
                login.apply(event);
            }
        }
    }
});

fn expect_again(kind: StreamKind, name: &str, stored: &impl cqrs_es::DomainEvent, event: Event) {
    let text = serde_json::to_string(stored).expect("an event can be written");
    let again = Event::decode_text(kind.name(), name, &stored.event_version(), &text);
    assert_eq!(again.ok(), Some(event), "{text}");
}
