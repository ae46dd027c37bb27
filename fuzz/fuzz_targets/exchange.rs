//! What a hostile data centre answers while a key is made. The first byte says at which step.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: {
    // libFuzzer's hook would end the process at a panic that is caught; one that is not caught ends it in any case.
    std::panic::set_hook(Box::new(|_| {}));
}, |data: &[u8]| {
    let Some((step, answer)) = data.split_first() else { return };
    login_worker::fuzzing::exchange(*step, answer);
});
