//! The other sessions of an account that this application may have made, as `account.getAuthorizations` names them.

use grammers_client::tl::{enums, types};
use jiff::{SignedDuration, Timestamp};

/// A younger one may be that of a login in flight.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// A session beside the one that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherSession {
    /// Telegram's number for it.
    pub hash: i64,
    /// What the person's list of devices calls it.
    pub device: String,
    /// When the account let it in.
    pub created_at: Timestamp,
    /// When it was used last.
    pub active_at: Timestamp,
}

/// Those with our api_id and the device name of the session that asks: another program may share the api_id. A session that
/// waits for its 2-step password is none yet, and Telegram drops it by itself.
pub fn of_this_service(sessions: &[enums::Authorization], api_id: i32, now: Timestamp) -> Vec<OtherSession> {
    let sessions = sessions.iter().map(|enums::Authorization::Authorization(session)| session);
    let Some(asking) = sessions.clone().find(|session| session.current) else { return Vec::new() };
    sessions
        .filter(|session| !session.current && !session.official_app && !session.password_pending)
        .filter(|session| session.api_id == api_id && session.device_model == asking.device_model)
        .filter_map(other_session)
        .filter(|session| session.created_at <= now - SETTLED_AFTER)
        .collect()
}

fn other_session(session: &types::Authorization) -> Option<OtherSession> {
    Some(OtherSession {
        hash: session.hash,
        device: session.device_model.clone(),
        created_at: Timestamp::from_second(session.date_created.into()).ok()?,
        active_at: Timestamp::from_second(session.date_active.into()).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i32 = 1_790_000_000;

    fn session(change: impl FnOnce(&mut types::Authorization)) -> enums::Authorization {
        let mut session = types::Authorization {
            current: false,
            official_app: false,
            password_pending: false,
            encrypted_requests_disabled: true,
            call_requests_disabled: true,
            unconfirmed: false,
            hash: 7,
            device_model: "qr-login".to_owned(),
            platform: "Linux".to_owned(),
            system_version: "Linux".to_owned(),
            api_id: 17,
            app_name: "qr-login".to_owned(),
            app_version: "0.1.0".to_owned(),
            date_created: NOW - 3_600,
            date_active: NOW - 3_500,
            ip: "127.0.0.1".to_owned(),
            country: "Russia".to_owned(),
            region: String::new(),
        };
        change(&mut session);
        session.into()
    }

    fn found(sessions: &[enums::Authorization]) -> usize {
        of_this_service(sessions, 17, Timestamp::from_second(NOW.into()).unwrap()).len()
    }

    #[test]
    fn a_session_of_this_application_beside_the_one_that_asks_is_found() {
        let asking = session(|it| (it.current, it.hash) = (true, 0));
        let sessions = [asking, session(|_| {})];
        assert_eq!(
            of_this_service(&sessions, 17, Timestamp::from_second(NOW.into()).unwrap()),
            [OtherSession {
                hash: 7,
                device: "qr-login".to_owned(),
                created_at: Timestamp::from_second(i64::from(NOW) - 3_600).unwrap(),
                active_at: Timestamp::from_second(i64::from(NOW) - 3_500).unwrap(),
            }]
        );
    }

    #[test]
    fn what_may_be_somebody_elses_is_not() {
        let asking = || session(|it| (it.current, it.hash) = (true, 0));
        let others: [fn(&mut types::Authorization); 5] = [
            |it| it.api_id = 18,
            |it| it.device_model = "iPhone 17".to_owned(),
            |it| it.official_app = true,
            |it| it.password_pending = true,
            |it| it.date_created = NOW - 3_599,
        ];
        for change in others {
            assert_eq!(found(&[asking(), session(change)]), 0);
        }
        assert_eq!(found(&[session(|_| {})]), 0, "an answer without the session that asks");
        assert_eq!(found(&[asking()]), 0);
    }
}
