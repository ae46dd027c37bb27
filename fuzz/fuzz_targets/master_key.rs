//! The master key's file. Whatever is taken for keys seals and opens.
#![no_main]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use libfuzzer_sys::fuzz_target;
use vault::MasterKey;

fuzz_target!(|data: &[u8]| {
    let path = std::env::temp_dir().join(format!("fuzz-{}.key", std::process::id()));
    let _ = fs::remove_file(&path);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(data)).expect("a file for the key");
    let Ok(master) = MasterKey::load(&path) else { return };
    let sealed = master.seal(b"whose", data);
    assert_eq!(vault::key_id_of(&sealed), Some(master.id()));
    assert!(master.knows(&master.id()) && master.knows(&master.root_id()));
    assert_eq!(master.open(b"whose", &sealed).as_deref().map(Vec::as_slice), Some(data));
    assert!(master.open(b"another", &sealed).is_none());
    fs::remove_file(&path).expect("the file");
});
