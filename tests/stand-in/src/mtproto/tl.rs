//! Telegram's TL objects, as the stand-in fills them. Types with dozens of optional fields are written as bytes with
//! no flag set and read back, so that a change of the layer fails loudly here.

use std::net::SocketAddr;

use grammers_tl_types::deserialize::Result as Deserialized;
use grammers_tl_types::{Cursor, Deserializable, Identifiable, Serializable, enums, types};

use crate::accounts::{Account, digits};

/// `body` as the TL function or type `T`, where that is what it holds.
pub fn parse<T: Identifiable + Deserializable>(body: &[u8]) -> Option<T> {
    let mut cursor = Cursor::from_slice(body);
    let constructor = u32::deserialize(&mut cursor).ok()?;
    if constructor != T::CONSTRUCTOR_ID {
        return None;
    }
    T::deserialize(&mut cursor).ok()
}

/// The constructor that `body` begins with.
pub fn constructor(body: &[u8]) -> Option<u32> {
    body.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// The rest of a body, unparsed: the query inside a wrapper such as `InvokeWithLayer<Rest>`.
pub struct Rest(pub Vec<u8>);

impl Deserializable for Rest {
    fn deserialize(cursor: &mut Cursor) -> Deserialized<Self> {
        let mut rest = Vec::new();
        cursor.read_to_end(&mut rest)?;
        Ok(Self(rest))
    }
}

/// `user`, as seen by another or by oneself.
pub fn user(account: &Account, is_self: bool) -> enums::User {
    const IS_SELF: u32 = 1 << 10;
    let mut flags = 0b1_0011; // access_hash, first_name, phone
    let optional = [(1 << 2, &account.last_name), (1 << 3, &account.username)];
    let present = || optional.iter().filter_map(|(flag, text)| text.as_ref().map(|text| (flag, text)));
    present().for_each(|(flag, _)| flags |= flag);
    if is_self {
        flags |= IS_SELF;
    }
    let mut bytes = types::User::CONSTRUCTOR_ID.to_bytes();
    flags.serialize(&mut bytes);
    0u32.serialize(&mut bytes);
    account.id.serialize(&mut bytes);
    access_hash(account.id).serialize(&mut bytes);
    account.first_name.serialize(&mut bytes);
    present().for_each(|(_, text)| text.serialize(&mut bytes));
    digits(&account.phone).serialize(&mut bytes);
    enums::User::from_bytes(&bytes).expect("the layout of user in this layer")
}

/// The access hash of an account; nothing here checks it.
fn access_hash(id: i64) -> i64 {
    id.wrapping_mul(0x5851_F42D_4C95_7F2D)
}

/// `users.userFull` with nothing but the user.
pub fn full_user(account: &Account, is_self: bool) -> enums::users::UserFull {
    let mut bytes = types::UserFull::CONSTRUCTOR_ID.to_bytes();
    [0u32, 0].iter().for_each(|flags| flags.serialize(&mut bytes));
    account.id.serialize(&mut bytes);
    for constructor in [types::PeerSettings::CONSTRUCTOR_ID, types::PeerNotifySettings::CONSTRUCTOR_ID] {
        constructor.serialize(&mut bytes);
        0u32.serialize(&mut bytes);
    }
    0i32.serialize(&mut bytes);
    enums::users::UserFull::Full(types::users::UserFull {
        full_user: enums::UserFull::from_bytes(&bytes).expect("the layout of userFull in this layer"),
        chats: Vec::new(),
        users: vec![user(account, is_self)],
    })
}

/// `auth.authorization`: the login is complete.
pub fn authorization(account: &Account) -> enums::auth::Authorization {
    enums::auth::Authorization::Authorization(types::auth::Authorization {
        setup_password_required: false,
        otherwise_relogin_days: None,
        tmp_sessions: None,
        future_auth_token: None,
        user: user(account, true),
    })
}

/// An update by itself, as a server pushes it.
pub fn update_short(update: enums::Update, now: i64) -> Vec<u8> {
    enums::Updates::UpdateShort(types::UpdateShort { update, date: now as i32 }).to_bytes()
}

/// `config`: which data centres there are.
pub fn config(this_dc: i32, dcs: &[(i32, SocketAddr)], now: i64) -> Vec<u8> {
    let options: Vec<_> = dcs
        .iter()
        .map(|(id, address)| {
            enums::DcOption::Option(types::DcOption {
                ipv6: false,
                media_only: false,
                tcpo_only: false,
                cdn: false,
                r#static: true,
                this_port_only: true,
                id: *id,
                ip_address: address.ip().to_string(),
                port: address.port().into(),
                secret: None,
            })
        })
        .collect();
    let mut bytes = types::Config::CONSTRUCTOR_ID.to_bytes();
    0u32.serialize(&mut bytes);
    (now as i32).serialize(&mut bytes);
    (now as i32 + 3600).serialize(&mut bytes);
    false.serialize(&mut bytes);
    this_dc.serialize(&mut bytes);
    options.serialize(&mut bytes);
    "apv3.stel.com".to_owned().serialize(&mut bytes);
    (0..18).for_each(|_| 1_000i32.serialize(&mut bytes)); // sizes, periods, limits
    (0..4).for_each(|_| 10_000i32.serialize(&mut bytes)); // call timeouts
    "https://t.me/".to_owned().serialize(&mut bytes);
    (0..3).for_each(|_| 1_000i32.serialize(&mut bytes)); // lengths, webfile_dc_id
    enums::Config::from_bytes(&bytes).expect("the layout of config in this layer").to_bytes()
}
