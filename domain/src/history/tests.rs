//! Given events, when a command, then an event or none.

use cqrs_es::Aggregate;

use super::{History, HistoryCommand, HistoryEvent, SignedTree};
use crate::fixtures::minute;

fn after(events: impl IntoIterator<Item = HistoryEvent>) -> History {
    let mut history = History::default();
    events.into_iter().for_each(|event| history.apply(event));
    history
}

fn change(public_key: &str, previous: &str) -> HistoryCommand {
    let (public_key, previous) = (public_key.to_owned(), previous.to_owned());
    HistoryCommand::ChangeKey { public_key, previous, at: minute(1) }
}

fn branch(log_id: &str) -> HistoryCommand {
    let previous = SignedTree { origin: "example.com/qr-login/1".to_owned(), size: 7, root: "x".to_owned() };
    HistoryCommand::Branch {
        log_id: log_id.to_owned(),
        previous,
        reason: "restored".to_owned(),
        at: minute(1),
    }
}

fn heads(position: i64) -> HistoryCommand {
    HistoryCommand::CommitHeads { position, accounts: 2, root: "x".to_owned(), at: minute(1) }
}

#[test]
fn a_key_is_changed_once_and_can_be_changed_back() {
    let first = History::default().decide(change("b", "a")).expect("an event");
    assert_eq!(after([first.clone()]).decide(change("b", "a")), None);
    let second = after([first.clone()]).decide(change("a", "b")).expect("an event");
    assert!(after([first, second]).decide(change("b", "a")).is_some());
    assert_eq!(History::default().decide(change("a", "a")), None);
}

#[test]
fn a_log_branches_to_each_new_name_once() {
    let first = History::default().decide(branch("2")).expect("an event");
    assert_eq!(after([first.clone()]).decide(branch("2")), None);
    assert!(after([first]).decide(branch("3")).is_some());
}

#[test]
fn heads_are_committed_for_later_positions_alone() {
    let first = History::default().decide(heads(5)).expect("an event");
    assert_eq!(after([first.clone()]).decide(heads(5)), None);
    assert!(after([first]).decide(heads(6)).is_some());
    assert_eq!(History::default().decide(heads(0)), None);
}
