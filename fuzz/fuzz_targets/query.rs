//! The query of the page's status, and the ids, codes and times that strangers write into URLs and messages.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    api::fuzzing::query(text);
    let id = text.parse::<domain::LoginId>();
    if let Ok(id) = &id {
        assert_eq!(id.to_string(), text, "an id has one spelling");
        assert!(id.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }
    if let Ok(id) = text.parse::<domain::AccountId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    if let Some(code) = vault::normalise_code(text) {
        assert_eq!(vault::normalise_code(&code).as_deref(), Some(code.as_str()));
        assert_eq!(code.len(), 12);
    }
});
