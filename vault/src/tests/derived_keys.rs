//! The keys that come from the root: what they make stays for ever, and no session opens with them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use domain::LoginId;
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::crypto::hex;
use crate::pending_input::{InputKind, PendingInput};
use crate::{DerivedKeys, MasterKey, MasterKeyError, UserInput, key_id_of, random_login_id};

/// Stored login ids and HMACs were made so. Computed with Python's `hmac`, for a root of 32 bytes of 7.
#[test]
fn what_is_derived_from_a_root_never_changes() {
    let (_directory, path) = file("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc\n");
    let keys = MasterKey::load(&path).unwrap().derived().clone();

    let login: LoginId = "a".repeat(32).parse().unwrap();
    assert_eq!(keys.login_id(&[1; 18]).as_str(), "AQEBAQEBAQEBAQEBAQEBAQEBaP8onzSb");
    assert_eq!(
        hex(&keys.person_hmac(139_883_458)),
        "334c8211d31a2249ec30e3a4c28d498179c9c683964e875a0ffaec5596a21b5c"
    );
    assert_eq!(
        hex(&keys.login_hmac(&login)),
        "9a86274194d5a53e96ea6efc293a6904624bbc99abd9c71c0e23688988acbd52"
    );
    assert_eq!(
        hex(&keys.phone_number_hmac("79990000001")),
        "659affb3d9fe69f09a5561ea66c0e1ba2f681b270638c67f80b1de8d2e3db753"
    );
    assert_eq!(
        hex(keys.webhook_secret()),
        "d20ac43ebf614960712f0a61c55977ffd41160e1c741db4558bfb92648b78b42"
    );
}

#[test]
fn an_id_of_a_login_is_known_as_one_that_this_key_made() {
    let key = DerivedKeys::random();

    let id = key.login_id(&[7; 18]);

    assert_eq!(id.as_str().len(), 32);
    assert!(key.made(&id));
    assert!(!DerivedKeys::random().made(&id));
    for at in 0..32 {
        let mut text = id.to_string();
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        text.replace_range(at..=at, other);
        assert!(!key.made(&text.parse().unwrap()), "{text}");
    }
    let shorter = id.as_str()[..24].parse().unwrap();
    assert!(!key.made(&shorter), "18 bytes without a MAC");
    assert!(!key.made(&format!("{id}AAAA").parse().unwrap()), "more than a MAC");
    assert!(!key.made(&random_login_id()));
}

#[test]
fn a_file_of_derived_keys_holds_them_all() {
    let keys = DerivedKeys::random();
    let (_directory, path) = file(&keys.to_text());

    let loaded = DerivedKeys::load(&path).unwrap().unwrap();

    assert_eq!(*loaded.to_text(), *keys.to_text());
    assert_eq!(loaded.root_id(), keys.root_id());
    assert_eq!(loaded.person_hmac(1), keys.person_hmac(1));
    assert!(loaded.made(&keys.login_id(&[7; 18])));
}

#[test]
fn a_file_of_derived_keys_is_no_master_key_and_a_master_key_is_no_such_file() {
    let (_directory, derived) = file(&DerivedKeys::random().to_text());
    let (_other, master) = file("");
    fs::remove_file(&master).unwrap();
    MasterKey::make(&master).unwrap();

    assert!(matches!(MasterKey::load(&derived), Err(MasterKeyError::ApiOnly(_))));
    assert!(DerivedKeys::load(&master).unwrap().is_none());
}

#[test]
fn a_file_of_derived_keys_that_lacks_one_or_that_others_can_read_is_refused() {
    let text = DerivedKeys::random().to_text();
    for broken in [text.replace("\"person\"", "\"parson\""), text.replace("keys 1", "keys 2"), "{".to_owned()]
    {
        let (_directory, path) = file(&broken);
        assert!(matches!(DerivedKeys::load(&path), Err(MasterKeyError::Malformed { .. })), "{broken}");
    }
    let (_directory, path) = file(&text);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(DerivedKeys::load(&path), Err(MasterKeyError::Open(_))));
}

#[test]
fn what_a_page_gives_opens_with_the_master_key_alone_and_for_its_login_alone() {
    let master = MasterKey::random();
    let (_directory, path) = file(&master.derived().to_text());
    let api = DerivedKeys::load(&path).unwrap().unwrap();
    let (login, other) = (random_login_id(), random_login_id());

    let code = UserInput::Code(Zeroizing::new("12345".to_owned()));
    let input = code.sealed_for(&api, &login);

    let waiting = |kind| PendingInput { kind, body: input.clone() };
    assert!(waiting(InputKind::Code).open(&master, &login) == Some(code));
    assert!(waiting(InputKind::Code).open(&master, &other).is_none());
    assert!(waiting(InputKind::Phone).open(&master, &login).is_none());
    assert!(waiting(InputKind::Code).open(&MasterKey::random(), &login).is_none());
    assert!(!input.windows(5).any(|window| window == b"12345"));
    for at in 0..input.len() {
        let mut changed = input.clone();
        changed[at] ^= 1;
        let changed = PendingInput { kind: InputKind::Code, body: changed };
        assert!(changed.open(&master, &login).is_none(), "byte {at}");
    }
    for cut in [0, 31, 32, input.len() - 1] {
        let cut = PendingInput { kind: InputKind::Code, body: input[..cut].to_vec() };
        assert!(cut.open(&master, &login).is_none());
    }
}

#[test]
fn a_session_is_not_sealed_with_a_derived_key() {
    let (_directory, path) = file("");
    fs::remove_file(&path).unwrap();
    MasterKey::make(&path).unwrap();
    let master = MasterKey::load(&path).unwrap();
    let sealed = master.seal(b"", b"session");

    assert_eq!(key_id_of(&sealed), Some(master.id()));
    assert!(!master.derived().to_text().contains(fs::read_to_string(&path).unwrap().trim()));
    assert!(master.derived().open_challenge(b"", &sealed).is_none());
}

/// A file that its owner alone can read.
fn file(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    (directory, path)
}
