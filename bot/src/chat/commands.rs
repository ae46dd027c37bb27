//! The commands of the bot, and how a message is read as one.

use vault::normalise_code;

/// A command that the bot knows, or [`Command::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `/start`
    Start,
    /// `/help`
    Help,
    /// `/login [CODE]`, `/start CODE`, and a message that is a code.
    Login(Option<String>),
    /// `/subscription`
    Subscription,
    /// `/me`
    Me,
    /// `/cancel`
    Cancel,
    /// `/logout`
    LogOut,
    /// `/forget`
    Forget,
    /// `/debug_status [ID]`
    Status(Option<String>),
    /// `/debug_reset [ID]`
    Reset(Option<String>),
    /// `/debug_test_phone +7…`, with everything that follows but the spaces.
    TestPhone(String),
    /// `/admin`
    AdminPage,
    /// `/admin_users [QUERY]`
    People(Option<String>),
    /// `/admin_user ID`
    Person(Option<String>),
    /// `/admin_grant ID TIER [DAYS]`
    Grant(Vec<String>),
    /// `/admin_stats`
    Statistics,
    /// `/admin_invite [TIER [DAYS [USES]]]`
    AdminInvite(Vec<String>),
    /// `/admin_block ID`
    Block(Option<String>),
    /// `/admin_unblock ID`
    Unblock(Option<String>),
    /// `/admin_role ID ROLE`
    Role(Vec<String>),
    /// `/admin_rebuild [VIEW]`
    Rebuild(Option<String>),
    /// Any other command, and text that is no command.
    Unknown,
}

/// Makes a command of the words that follow its name.
type Read = fn(Vec<String>) -> Command;

/// Every command by its name, and how it is read.
const COMMANDS: [(&str, Read); 21] = [
    ("start", |words| code(&words).map_or(Command::Start, |code| Command::Login(Some(code)))),
    ("help", |_| Command::Help),
    ("login", |words| Command::Login(code(&words))),
    ("subscription", |_| Command::Subscription),
    ("me", |_| Command::Me),
    ("cancel", |_| Command::Cancel),
    ("logout", |_| Command::LogOut),
    ("forget", |_| Command::Forget),
    ("debug_status", |words| Command::Status(first(words))),
    ("debug_reset", |words| Command::Reset(first(words))),
    ("debug_test_phone", |words| Command::TestPhone(words.concat())),
    ("admin", |_| Command::AdminPage),
    ("admin_users", |words| Command::People((!words.is_empty()).then(|| words.join(" ")))),
    ("admin_user", |words| Command::Person(first(words))),
    ("admin_grant", Command::Grant),
    ("admin_stats", |_| Command::Statistics),
    ("admin_invite", Command::AdminInvite),
    ("admin_block", |words| Command::Block(first(words))),
    ("admin_unblock", |words| Command::Unblock(first(words))),
    ("admin_role", Command::Role),
    ("admin_rebuild", |words| Command::Rebuild(first(words))),
];

/// The names of all commands.
#[cfg(test)]
pub(super) fn command_names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|(name, _)| *name)
}

/// Reads a message. None: a command for another bot (`/login@other_bot`).
pub(super) fn parse(text: &str, username: &str) -> Option<Command> {
    let mut words = text.split_whitespace();
    let Some(command) = words.next().and_then(|word| word.strip_prefix('/')) else {
        let code = normalise_code(text);
        return Some(code.map_or(Command::Unknown, |code| Command::Login(Some(code))));
    };
    let (name, addressee) = command.split_once('@').unwrap_or((command, username));
    if !addressee.eq_ignore_ascii_case(username) {
        return None;
    }
    let read = COMMANDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    Some(read.map_or(Command::Unknown, |(_, read)| read(words.map(ToOwned::to_owned).collect())))
}

/// The code after a command, which people write in groups; None: there is nothing.
fn code(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| words.join(" "))
}

fn first(words: Vec<String>) -> Option<String> {
    words.into_iter().next()
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
        assert_eq!(parsed("/start"), Some(Command::Start));
        assert_eq!(parsed("/login"), Some(Command::Login(None)));
    }

    #[test]
    fn a_code_alone_is_a_login_with_it() {
        for text in ["3HBP4Z3ECICZ", "3hbp-4z3e-cicz", " 3HBP 4Z3E\nCICZ "] {
            assert_eq!(parsed(text), login("3HBP4Z3ECICZ"), "{text:?}");
        }
        assert_eq!(parsed("/login 3HBP-4Z3E CICZ"), login("3HBP-4Z3E CICZ"));
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
        for text in ["/logins", "/", "hello", "", "3HBP4Z3ECIC", "3HBP4Z3ECICZ2", "//login X"] {
            assert_eq!(parsed(text), Some(Command::Unknown), "{text:?}");
        }
    }
}
