//! Why an account refuses.

/// Why an account refuses an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// Nobody was registered under this id.
    #[error("there is no such account")]
    Unknown,
    /// The person was erased; a new account begins with a new id.
    #[error("the account was erased")]
    Erased,
    /// The session was logged out, or ended in Telegram.
    #[error("no session of this person is linked")]
    NotLinked,
    /// The session went to another service, where alone it can be ended.
    #[error("the session was handed over")]
    HandedOver,
    /// Only an admin who is not blocked may order this.
    #[error("this is for admins alone")]
    NotAdmin,
}

impl AccountError {
    /// Whether the account may not order what only admins may.
    pub const fn is_no_admin(&self) -> bool {
        matches!(self, Self::NotAdmin | Self::Unknown | Self::Erased)
    }
}
