//! Names by which an operator filters the log.

/// Of the lines between the beginning and the end of a login: without them, a login is two lines.
pub const LOGIN_STEPS: &str = "login_steps";
