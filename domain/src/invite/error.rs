//! Why an invite refuses.

/// Why an invite refuses an order; the bot has a text for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// There is no such invite.
    #[error("there is no such invite")]
    Unknown,
    /// Its time is over.
    #[error("the invite has expired")]
    Expired,
    /// All uses are reserved or used.
    #[error("the invite is used up")]
    UsedUp,
    /// An admin took it back.
    #[error("the invite was revoked")]
    Revoked,
    /// The same person has used it already.
    #[error("the invite was already used by this person")]
    AlreadyUsedByYou,
    /// The login that wants to use it holds no reservation: moved or given back.
    #[error("the login holds no reservation of this invite")]
    NotReserved,
    /// An invite needs at least one use.
    #[error("an invite needs at least one use")]
    NoUses,
}
