//! The pages in a real browser, against the real service: a person's story through bot, page and phone.

mod client;
mod ends;
mod one_phone;
mod password;
mod sandbox;
mod story;
mod waiting;
