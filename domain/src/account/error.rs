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
}
