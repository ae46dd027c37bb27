//! A login shows a new QR code every half minute. In the table those that follow each other in one login are one row.

use std::collections::HashMap;

use domain::{Event, LoginEvent};
use eventlog::LogEvent;

/// A row of the table: an event, or several of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The first of them on the page.
    pub event: &'a LogEvent,
    /// The newest of them, which is the first where the page has the newest first: its details count.
    pub newest: &'a LogEvent,
    /// How many.
    pub times: usize,
}

/// The rows of a page. QR codes of one login are one row while nothing else happens in that login.
pub fn rows(page: &[LogEvent]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut open = HashMap::new();
    for event in page {
        if matches!(event.event, Ok(Event::Login(LoginEvent::QrIssued { .. }))) {
            if let Some(row) = open.get(event.stream_id.as_str()).copied() {
                let row: &mut Row<'_> = &mut rows[row];
                row.times += 1;
                if event.position > row.newest.position {
                    row.newest = event;
                }
                continue;
            }
            open.insert(event.stream_id.as_str(), rows.len());
        } else if let Some(login) = &event.metadata.login_id {
            open.remove(login.as_str());
        } else {
            open.remove(event.stream_id.as_str());
        }
        rows.push(Row { event, newest: event, times: 1 });
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{AccountEvent, DecodeError, Event, LoginEvent};
    use eventlog::{LogEvent, Metadata};
    use jiff::Timestamp;
    use serde_json::Value;

    use super::rows;

    const ONE: &str = "0123456789abcdefghijklmnopqrstuv";
    const OTHER: &str = "zyxwvutsrqponmlkjihgfedcba987654";

    fn event(position: i64, login: &str, event: Event) -> LogEvent {
        LogEvent {
            position,
            recorded_at: Timestamp::UNIX_EPOCH,
            stream: "login".to_owned(),
            stream_id: login.to_owned(),
            sequence: position,
            name: event.name().to_owned(),
            version: "1".to_owned(),
            event: Ok(event),
            payload: Value::Null,
            metadata: Metadata { login_id: login.parse().ok(), ..Metadata::default() },
            envelope: Value::Null,
        }
    }

    fn qr(position: i64, login: &str) -> LogEvent {
        let at = Timestamp::UNIX_EPOCH;
        let token_sha256 = position.to_string();
        let issued = LoginEvent::QrIssued { attempt: 1, token_sha256, expires_at: at, at };
        event(position, login, Event::Login(issued))
    }

    #[test]
    fn the_newest_code_counts_whichever_end_of_the_log_comes_first() {
        let mut page = [qr(1, ONE), qr(2, ONE), qr(3, ONE)];
        assert_eq!((rows(&page)[0].event.position, rows(&page)[0].newest.position), (1, 3));
        page.reverse();
        assert_eq!((rows(&page)[0].event.position, rows(&page)[0].newest.position), (3, 3));
    }

    fn told(page: &[LogEvent]) -> Vec<(i64, usize)> {
        rows(page).iter().map(|row| (row.event.position, row.times)).collect()
    }

    #[test]
    fn qr_codes_of_two_logins_at_a_time_are_two_rows() {
        let page = [qr(1, ONE), qr(2, OTHER), qr(3, ONE), qr(4, OTHER), qr(5, ONE)];
        assert_eq!(told(&page), [(1, 3), (2, 2)]);
    }

    #[test]
    fn what_else_happens_in_a_login_ends_its_row_and_no_other() {
        let blocked = Event::Account(AccountEvent::AccountBlocked { until: None, at: Timestamp::UNIX_EPOCH });
        let page = [qr(1, ONE), qr(2, OTHER), event(3, ONE, blocked), qr(4, ONE), qr(5, OTHER), qr(6, ONE)];
        assert_eq!(told(&page), [(1, 1), (2, 2), (3, 1), (4, 2)]);
    }

    #[test]
    fn what_cannot_be_read_has_a_row_of_its_own() {
        let mut broken = qr(2, ONE);
        broken.event = Err(Arc::new(DecodeError::Stream("login".to_owned())));
        assert_eq!(told(&[qr(1, ONE), broken, qr(3, ONE)]), [(1, 1), (2, 1), (3, 1)]);
    }
}
