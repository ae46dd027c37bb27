//! The address of the mirror: no panic, and no password in what is told or kept for the client.
#![no_main]

#[path = "../../replay/src/mirror/address.rs"]
#[allow(dead_code, missing_docs)]
mod address;

use libfuzzer_sys::fuzz_target;

const PASSWORD: &str = "hunter2hunter2";

fuzz_target!(|text: &str| {
    // The address may name files, and this reads none.
    if text.to_ascii_lowercase().contains("file") {
        return;
    }
    let _ = address::Address::read(&text.into(), "--to");
    if text.contains(PASSWORD) {
        return;
    }
    for whole in [format!("esdb://admin:{PASSWORD}@{text}"), format!("esdb://{text}:{PASSWORD}@host:2113")] {
        let _ = address::Address::has_password(&whole.as_str().into());
        let told = match address::Address::read(&whole.as_str().into(), "--to") {
            Ok(address) => format!("{:?} {}", address.settings, address.hosts),
            Err(error) => format!("{error:#} {error:?}"),
        };
        assert!(!told.contains(PASSWORD), "{told}");
    }
});
