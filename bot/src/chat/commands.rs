//! The commands of the bot, and how a message is read as one.

/// A command that the bot knows, or [`Command::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `/start`, `/help`
    Help,
    /// `/login [CODE]`, `/start CODE`
    Login(Option<String>),
    /// `/subscription`
    Subscription,
    /// `/cancel`
    Cancel,
    /// `/logout`
    LogOut,
    /// `/debug_status [ID]`
    Status(Option<String>),
    /// `/debug_reset [ID]`
    Reset(Option<String>),
    /// `/debug_test_phone +7…`, with everything that follows but the spaces.
    TestPhone(String),
    /// `/admin_users`
    People,
    /// `/admin_user ID`
    Person(Option<String>),
    /// `/admin_grant ID TIER [DAYS]`
    Grant(Vec<String>),
    /// `/admin_stats`
    Statistics,
    /// `/admin_invite`
    AdminInvite,
    /// Any other command, and text that is no command.
    Unknown,
}

/// Reads a message. None: a command for another bot (`/login@other_bot`).
pub(super) fn parse(text: &str, username: &str) -> Option<Command> {
    let mut words = text.split_whitespace();
    let Some(command) = words.next().and_then(|word| word.strip_prefix('/')) else {
        return Some(Command::Unknown);
    };
    let (name, addressee) = command.split_once('@').unwrap_or((command, username));
    if !addressee.eq_ignore_ascii_case(username) {
        return None;
    }
    let arguments: Vec<String> = words.map(ToOwned::to_owned).collect();
    Some(match (name.to_ascii_lowercase().as_str(), arguments.first().cloned()) {
        ("start", None) | ("help", _) => Command::Help,
        ("login", code) | ("start", code) => Command::Login(code),
        ("subscription", _) => Command::Subscription,
        ("cancel", _) => Command::Cancel,
        ("logout", _) => Command::LogOut,
        ("debug_status", id) => Command::Status(id),
        ("debug_reset", id) => Command::Reset(id),
        ("debug_test_phone", _) => Command::TestPhone(arguments.concat()),
        ("admin_users", _) => Command::People,
        ("admin_user", id) => Command::Person(id),
        ("admin_grant", _) => Command::Grant(arguments),
        ("admin_stats", _) => Command::Statistics,
        ("admin_invite", _) => Command::AdminInvite,
        _ => Command::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Command> {
        parse(text, "qr_bot")
    }

    fn login(code: &str) -> Option<Command> {
        Some(Command::Login(Some(code.to_owned())))
    }

    #[test]
    fn a_start_with_a_code_is_a_login_with_that_code() {
        assert_eq!(parsed("/start 3HBP4Z3ECICZ"), login("3HBP4Z3ECICZ"));
        assert_eq!(parsed("/login 3HBP4Z3ECICZ"), login("3HBP4Z3ECICZ"));
        assert_eq!(parsed("/start"), Some(Command::Help));
        assert_eq!(parsed("/login"), Some(Command::Login(None)));
    }

    #[test]
    fn spaces_line_ends_and_upper_case_do_not_matter() {
        assert_eq!(parsed("  /LOGIN \n  abc  "), login("abc"));
        assert_eq!(parsed("/Help"), Some(Command::Help));
    }

    #[test]
    fn a_command_may_name_this_bot_and_not_another() {
        assert_eq!(parsed("/cancel@QR_bot"), Some(Command::Cancel));
        assert_eq!(parsed("/login@other_bot 3HBP4Z3ECICZ"), None);
    }

    #[test]
    fn everything_else_is_unknown() {
        for text in ["/logins", "/", "hello", "", "3HBP4Z3ECICZ", "//login X"] {
            assert_eq!(parsed(text), Some(Command::Unknown), "{text:?}");
        }
    }
}
