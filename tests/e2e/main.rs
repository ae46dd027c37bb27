//! Whole logins, end to end: the real service, a real PostgreSQL, a stand-in Telegram over real sockets, and for the page
//! a real browser.

mod browser;
mod happy;
mod settings;
mod world;
