//! Sealing a session with the master key. The seal is bound to the account and the login: bytes that were copied to another
//! person's row, or kept for another login, do not open.

use domain::{AccountId, LoginId};
use vault::{MasterKey, session_bound_to};

use super::network::Network;
use super::session::LoginSession;

/// A stored session that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was sealed with another master key or for another login, or it was changed.
    #[error("the stored session does not open with this master key")]
    Sealed,
    /// It opens, and is no session.
    #[error(transparent)]
    Shape(#[from] super::session::BadSnapshot),
}

/// The session as it is now, sealed for an account and the login that made it.
pub fn seal(master: &MasterKey, account: AccountId, login: &LoginId, session: &LoginSession) -> Vec<u8> {
    master.seal(&session_bound_to(account, login), &session.snapshot().1)
}

/// The session that was sealed.
///
/// # Errors
/// [`OpenError`]: it is not for this master key or not for this owner.
pub fn open(
    master: &MasterKey,
    account: AccountId,
    login: &LoginId,
    network: &Network,
    sealed: &[u8],
) -> Result<LoginSession, OpenError> {
    let snapshot = master.open(&session_bound_to(account, login), sealed).ok_or(OpenError::Sealed)?;
    Ok(LoginSession::restore(network, &snapshot)?)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn login(letter: &str) -> LoginId {
        letter.repeat(32).parse().unwrap()
    }

    #[test]
    fn a_sealed_session_opens_for_its_owner_alone() {
        let master = MasterKey::random();
        let (owner, stranger) = (AccountId(Uuid::from_u128(1)), AccountId(Uuid::from_u128(2)));
        let session = LoginSession::new(&Network::Telegram);
        assert!(session.add_key(2, [7; 256]));
        let sealed = seal(&master, owner, &login("a"), &session);
        let opened = |account, letter| open(&master, account, &login(letter), &Network::Telegram, &sealed);

        assert!(opened(owner, "a").unwrap().has_key(2));
        assert_eq!(opened(stranger, "a").err(), Some(OpenError::Sealed));
        assert_eq!(opened(owner, "b").err(), Some(OpenError::Sealed));
        let other_master = MasterKey::random();
        assert!(open(&other_master, owner, &login("a"), &Network::Telegram, &sealed).is_err());
    }

    #[test]
    fn the_sealed_bytes_hold_no_key() {
        let session = LoginSession::new(&Network::Telegram);
        assert!(session.add_key(2, [7; 256]));
        let sealed = seal(&MasterKey::random(), AccountId(Uuid::from_u128(1)), &login("a"), &session);
        assert!(!sealed.windows(16).any(|window| window == [7; 16]));
    }
}
