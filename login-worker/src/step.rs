//! What the steps of a login hand to each other.

use domain::login::Method;
use jiff::Timestamp;
use vault::UserInput;
use zeroize::Zeroizing;

use super::connection::TelegramUpdate;

/// The step to take next.
pub enum Step {
    /// Make a key. The one before, if any, is of no use.
    NewKey,
    /// Ask for a login token, or find out that one was accepted.
    Export,
    /// Put a token on the screen.
    Show { token: Vec<u8>, expires_at: Timestamp },
    /// Wait for somebody to scan it.
    Wait { until: Timestamp },
    /// Follow the account to its data centre.
    Import { dc_id: i32, token: Vec<u8> },
    /// Find out which account a key is logged in to.
    WhoAmI,
    /// Wait for the proof of the 2-step password.
    Password,
    /// Send a login code to this number.
    SendCode { phone: Zeroizing<String>, back: Back },
    /// Wait for the code.
    Code(Box<SentCode>),
    /// Telegram has logged the key in.
    Done(Accepted),
}

/// Telegram has logged the key in.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// The account that confirmed.
    pub user_id: i64,
    /// How the person confirmed.
    pub method: Method,
}

/// Where a login goes on if no code is sent.
pub enum Back {
    /// At the QR code that is on the screen, until then.
    Qr(Timestamp),
    /// At the code that was sent before.
    Code(Box<SentCode>),
}

/// A login code that Telegram has sent. It is in memory only.
pub struct SentCode {
    pub phone: Zeroizing<String>,
    pub hash: Zeroizing<String>,
    pub by_email: bool,
    /// Telegram has another way to deliver it.
    pub has_other_way: bool,
}

/// What ended a wait.
pub enum Wakeup {
    /// Telegram sent an update.
    Telegram(TelegramUpdate),
    /// The person gave something in the page.
    Input(UserInput),
    /// The time is over.
    Timeout,
}
