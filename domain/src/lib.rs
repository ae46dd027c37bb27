//! The rules of qr-login: what may happen, and what follows from it. No IO, no clock, no randomness: time, ids and the
//! outcomes of the outside world arrive inside the commands.
//!
//! START HERE. One login, told in events:
//!
//! 1. `InviteCreated`: an admin made an invite ([`invite`]).
//! 2. `AccountRegistered`: a person wrote to the bot for the first time ([`account`]).
//! 3. `InviteRedeemed`: `/login CODE` reserved one use of it, for one attempt of one login.
//! 4. `LoginStarted`: the [`policy`] started that login; five minutes run from here ([`login`]).
//! 5. `QrIssued`, again and again: Telegram's tokens live about thirty seconds each.
//! 6. `InviteUsed`: the person confirmed in Telegram, and the reservation became a use.
//! 7. `AuthorizationConfirmed`: the session is linked.
//! 8. `SubscriptionActivated`: what the invite promised, exactly once for each confirmed login.
//!
//! A login that ends in any other way (`LoginExpired`, `LoginCancelled`, `AuthorizationRejected`, `LoginFailed`) leads
//! to `InviteReleased`: the use is given back.
//!
//! Each aggregate is a `decide(&self, command)` that answers with at most one event, and an `apply` that only assigns. An import
//! of a person or an invite alone takes several, which are appended together.
//! Repeating a finished command succeeds with no event; only a contradiction is an error.

pub mod account;
pub mod audit;
pub mod event;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod golden;
pub mod history;
pub mod id;
pub mod invite;
pub mod login;
pub mod policy;
pub mod service;
pub mod tier;
pub mod upcast;

pub use account::{Account, AccountCommand, AccountError, AccountEvent, Role, RoleSource};
pub use audit::{Audit, AuditCommand, AuditEvent, AuditTarget};
pub use event::{DecodeError, Event, StreamKind};
pub use history::{HISTORY_STREAM, History, HistoryCommand, HistoryEvent, SignedTree};
pub use id::{AccountId, AuditId, InviteId, LoginId, RebuildId, ReplayId, Sealed};
pub use invite::{ImportedInvite, ImportedUse, Invite, InviteCommand, InviteError, InviteEvent, InviteGrant};
pub use login::{Login, LoginCommand, LoginError, LoginEvent, LoginState, LoginStatus};
pub use service::{ApiKeyId, Scope, Service, ServiceCommand, ServiceError, ServiceEvent};
pub use tier::{Limits, Tier, TierTerms, Tiers};
