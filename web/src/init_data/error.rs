//! Why launch data is not believed.

/// Why launch data is not believed. No variant holds any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InitDataError {
    /// Longer than 4096 bytes.
    #[error("the launch data is too long")]
    TooLong,
    /// A key is in it twice, so it is not clear which was signed.
    #[error("the launch data has a key twice")]
    DuplicateKey,
    /// A field is missing.
    #[error("the launch data has no {0}")]
    Missing(&'static str),
    /// A field is not in its encoding.
    #[error("the launch data is malformed")]
    Malformed,
    /// The signature is not Telegram's for this bot.
    #[error("the launch data is not signed by Telegram for this bot")]
    Forged,
    /// Older than 15 minutes.
    #[error("the launch data is too old")]
    Stale,
    /// More than 2 minutes ahead of our clock.
    #[error("the launch data is from the future")]
    Future,
}
