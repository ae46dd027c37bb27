//! The pages in a real browser, against the real service.

mod admin;
mod client;
mod docs;
mod endings;
mod me;
mod one_phone;
mod password;
mod sandbox;
mod waiting;
mod whole_login;
