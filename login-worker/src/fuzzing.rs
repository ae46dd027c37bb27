//! For `fuzz/` alone.

use std::sync::LazyLock;

use domain::{AccountId, LoginId};
use vault::MasterKey;

use super::network::Network;
use super::seal;
use super::session::LoginSession;

pub use super::exchange::fuzzing::exchange;

static MASTER: LazyLock<MasterKey> = LazyLock::new(MasterKey::random);

/// A blob that nobody has sealed, and a sealed one that the bytes have changed: what was changed does not open.
pub fn sealed_session(data: &[u8]) {
    let account: AccountId = "00000000-0000-4000-8000-000000000001".parse().expect("an id");
    let login: LoginId = "a".repeat(32).parse().expect("an id");
    let open = |blob: &[u8]| seal::open(&MASTER, account, &login, &Network::Telegram, blob);
    let _ = open(data);
    let sealed = seal::seal(&MASTER, account, &login, &LoginSession::new(&Network::Telegram));
    let mut changed = sealed.clone();
    for change in data.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % changed.len();
        changed[at] ^= change[2];
    }
    assert_eq!(open(&changed).is_ok(), changed == sealed);
}

/// Bytes that were sealed and are no session, or one of a strange shape: what is read is written again as the same session.
pub fn snapshot(data: &[u8]) {
    let Ok(session) = LoginSession::restore(&Network::Telegram, data) else { return };
    let (_, once) = session.snapshot();
    let again = LoginSession::restore(&Network::Telegram, &once).expect("its own snapshot");
    assert_eq!(*again.snapshot().1, *once);
}
