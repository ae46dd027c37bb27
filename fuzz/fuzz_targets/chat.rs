//! Updates of the bot, as Telegram would send them, and the data of pressed buttons, as a client may invent it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    bot::fuzzing::update(text);
    bot::fuzzing::message(text);
    bot::fuzzing::pressed(text);
});
