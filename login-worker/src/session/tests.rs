//! Tests of `session`.

use super::*;

fn session() -> LoginSession {
    let session = LoginSession::new(&Network::Telegram);
    assert!(session.add_key(2, [7; 256]));
    session
}

#[test]
fn a_snapshot_restores_keys_home_and_owner() {
    let session = session();
    session.move_to(4);
    assert!(session.add_key(4, [9; 256]));
    session.settle();
    session.set_user_id(139_883_458);
    let restored = LoginSession::restore(&Network::Telegram, &session.snapshot().1).unwrap();
    assert_eq!(restored.home(), 4);
    assert_eq!(restored.user_id(), Some(139_883_458));
    assert_eq!(restored.keyed_dcs(), [4, 2]);
    assert_eq!(restored.dc_option(4).unwrap().unwrap().auth_key, Some([9; 256]));
}

#[test]
fn a_snapshot_names_the_new_home_only_once_it_is_settled() {
    let session = session();
    session.move_to(4);
    let home = |session: &LoginSession| {
        LoginSession::restore(&Network::Telegram, &session.snapshot().1).unwrap().home()
    };
    assert_eq!(home(&session), 2);
    session.settle();
    assert_eq!(home(&session), 4);
}

#[tokio::test]
async fn a_key_is_neither_overwritten_nor_made_by_grammers() {
    let session = session();
    let with = |dc, key| DcOption { auth_key: Some(key), ..session.dc_option(dc).unwrap().unwrap() };
    assert_eq!(session.set_dc_option(&with(2, [8; 256])).await, Err(KeyRefused(2)));
    assert_eq!(session.set_dc_option(&with(4, [8; 256])).await, Err(KeyRefused(4)));
    assert_eq!(session.set_dc_option(&with(2, [7; 256])).await, Ok(()));
    assert_eq!(session.dc_option(2).unwrap().unwrap().auth_key, Some([7; 256]));
    assert!(!session.add_key(2, [8; 256]));
    assert!(!session.has_key(4));
}

#[test]
fn the_generation_grows_with_what_is_worth_sealing_only() {
    let session = session();
    let before = session.generation();
    session.move_to(4);
    assert_eq!(session.generation(), before);
    session.set_user_id(1);
    session.set_user_id(1);
    assert_eq!(session.generation(), before + 1);
}

#[tokio::test]
async fn an_address_that_telegram_tells_is_taken_and_the_key_stays() {
    let session = session();
    let mut moved = session.dc_option(2).unwrap().unwrap();
    moved.auth_key = None;
    moved.ipv4 = "149.154.167.99:443".parse().unwrap();
    session.set_dc_option(&moved).await.unwrap();
    assert_eq!(session.address(2), Some(moved.ipv4));
    assert!(session.has_key(2));
}

#[test]
fn other_bytes_are_no_session() {
    let good = session().snapshot().1;
    let broken = [&good[..good.len() - 1], &[], &[9], &[&[2u8][..], &good[1..]].concat()];
    for bytes in broken {
        assert_eq!(LoginSession::restore(&Network::Telegram, bytes).err(), Some(BadSnapshot));
    }
}
