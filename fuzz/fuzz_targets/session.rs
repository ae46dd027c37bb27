//! A stored session: sealed by nobody, changed after it was sealed, or sealed and no session.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    login_worker::fuzzing::sealed_session(data);
    login_worker::fuzzing::snapshot(data);
});
