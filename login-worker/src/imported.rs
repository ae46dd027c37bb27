//! Sessions that another program has made, here Telethon. Whose account one belongs to is not in its file: Telegram is asked at
//! its first use, before anything else. Until then the stored session names no account.

use std::net::SocketAddrV4;

use domain::{AccountId, LoginId};
use grammers_client::tl::{enums, functions};
use vault::MasterKey;
use zeroize::Zeroizing;

use super::connection::{CallError, Connection};
use super::network::Network;
use super::seal;
use super::session::{AuthKey, LoginSession};

/// A session with this key for its home data centre, sealed for an account and what stands for its login; None: this network
/// has no such data centre. Its address is the network's own, whatever the other program has stored.
pub fn sealed(
    master: &MasterKey,
    network: &Network,
    account: AccountId,
    login: &LoginId,
    dc_id: i32,
    key: &AuthKey,
) -> Option<Vec<u8>> {
    let session = LoginSession::new(network);
    if !session.add_key(dc_id, *key) {
        return None;
    }
    session.move_to(dc_id);
    session.settle();
    Some(seal::seal(master, account, login, &session))
}

/// The data centre and the key of a session that was sealed for this account and login; None: it does not open, or has no key.
pub fn opened(
    master: &MasterKey,
    network: &Network,
    account: AccountId,
    login: &LoginId,
    sealed: &[u8],
) -> Option<(i32, Zeroizing<AuthKey>)> {
    let session = seal::open(master, account, login, network, sealed).ok()?;
    let home = session.home();
    let dc = session.dcs().into_iter().find(|dc| dc.id == home)?;
    Some((home, Zeroizing::new(dc.auth_key?)))
}

/// Where this data centre is; None: this network has none of this number.
pub fn address(network: &Network, dc_id: i32) -> Option<SocketAddrV4> {
    LoginSession::new(network).address(dc_id)
}

/// Whether a session is this person's. Telegram is asked where the session does not say whose it is; it says so afterwards.
///
/// # Errors
/// [`CallError`]: Telegram gave no answer, or does not know the session.
pub(crate) async fn is_of(
    connection: &Connection,
    session: &LoginSession,
    telegram_id: i64,
) -> Result<bool, CallError> {
    if session.user_id().is_none() {
        let me = functions::users::GetUsers { id: vec![enums::InputUser::UserSelf] };
        let users = connection.call(session.home(), &me).await?;
        let id = users.iter().find_map(|user| match user {
            enums::User::User(user) => Some(user.id),
            enums::User::Empty(_) => None,
        });
        session.set_user_id(id.ok_or(CallError::Unregistered)?);
    }
    Ok(session.user_id() == Some(telegram_id))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_session_of_telethon_opens_again_and_names_no_account() {
        let (master, network) = (MasterKey::random(), Network::Telegram);
        let (account, login) = (AccountId(Uuid::from_u128(1)), vault::random_login_id());
        let sealed = sealed(&master, &network, account, &login, 4, &[7; 256]).unwrap();
        let session = seal::open(&master, account, &login, &network, &sealed).unwrap();
        assert_eq!((session.home(), session.keyed_dcs(), session.user_id()), (4, vec![4], None));
        let (dc_id, key) = opened(&master, &network, account, &login, &sealed).unwrap();
        assert_eq!((dc_id, *key), (4, [7; 256]));
    }

    #[test]
    fn a_data_centre_that_nobody_knows_is_refused() {
        let (account, login) = (AccountId(Uuid::from_u128(1)), vault::random_login_id());
        let sealed = sealed(&MasterKey::random(), &Network::Telegram, account, &login, 77, &[7; 256]);
        assert_eq!(sealed, None);
    }
}
