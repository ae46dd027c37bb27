//! The people on Telegram: `users.*` for oneself and others, `contacts.*` by phone number.

use grammers_tl_types::{Serializable, enums, functions, types};

use super::rpc::{Answer, RpcError, error};
use super::{Server, tl};
use crate::accounts::{Account, Number};

/// `users.getUsers`.
pub fn get_users(server: &Server, account: &Account, query: functions::users::GetUsers) -> Answer {
    let find = |user| find(server, account, user).map(|found| tl::user(&found, found.id == account.id));
    let users: Vec<_> = query.id.iter().filter_map(|user| find(user).ok()).collect();
    Ok(users.to_bytes())
}

/// `users.getFullUser`.
pub fn get_full_user(server: &Server, account: &Account, query: functions::users::GetFullUser) -> Answer {
    let found = find(server, account, &query.id)?;
    Ok(tl::full_user(&found, found.id == account.id).to_bytes())
}

/// `contacts.resolvePhone`.
pub fn resolve_phone(server: &Server, account: &Account, query: functions::contacts::ResolvePhone) -> Answer {
    let found = match server.accounts.number(&query.phone) {
        Number::Registered(id) => server.accounts.get(id),
        Number::Unregistered | Number::Banned => None,
        Number::Invalid => return Err(error(400, "PHONE_NUMBER_INVALID")),
    };
    let found = found.ok_or_else(|| error(400, "PHONE_NOT_OCCUPIED"))?;
    let answer = types::contacts::ResolvedPeer {
        peer: enums::Peer::User(types::PeerUser { user_id: found.id }),
        chats: Vec::new(),
        users: vec![tl::user(&found, found.id == account.id)],
    };
    Ok(enums::contacts::ResolvedPeer::Peer(answer).to_bytes())
}

/// `contacts.importContacts`: finds the people, remembers nobody.
pub fn import_contacts(
    server: &Server,
    account: &Account,
    query: functions::contacts::ImportContacts,
) -> Answer {
    let mut imported = Vec::new();
    let mut users = Vec::new();
    for contact in query.contacts {
        let enums::InputContact::InputPhoneContact(contact) = contact;
        let Number::Registered(id) = server.accounts.number(&contact.phone) else { continue };
        let Some(found) = server.accounts.get(id) else { continue };
        let pair = types::ImportedContact { user_id: id, client_id: contact.client_id };
        imported.push(enums::ImportedContact::Contact(pair));
        users.push(tl::user(&found, found.id == account.id));
    }
    let answer = types::contacts::ImportedContacts {
        imported,
        popular_invites: Vec::new(),
        retry_contacts: Vec::new(),
        users,
    };
    Ok(enums::contacts::ImportedContacts::Contacts(answer).to_bytes())
}

fn find(server: &Server, account: &Account, user: &enums::InputUser) -> Result<Account, RpcError> {
    let id = match user {
        enums::InputUser::UserSelf => account.id,
        enums::InputUser::User(user) => user.user_id,
        enums::InputUser::Empty | enums::InputUser::FromMessage(_) => 0,
    };
    server.accounts.get(id).ok_or_else(|| error(400, "USER_ID_INVALID"))
}
