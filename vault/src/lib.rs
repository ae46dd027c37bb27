//! The vault: state that is not derived from events and never rebuilt. Who a person is, invite codes, attempts with
//! their leases and keys, live QR tokens, linked sessions. What must not outlive a person or a login is kept here and
//! not in the log, because here a row can be deleted.
//!
//! Every write of a worker has `and epoch = $n`: a worker that was frozen while another one took its attempt over can
//! change nothing. Leases go by the database's clock alone.

pub mod admin_sessions;
mod after_erasure;
pub mod api_keys;
pub mod api_requests;
mod attempts;
mod codes;
mod columns;
mod crypto;
mod derived_keys;
mod imports;
pub mod installation;
mod key_file;
pub mod lease;
pub mod limits;
mod master;
mod orders;
mod pending_input;
pub mod presence;
pub mod private_memory;
pub mod processes;
mod reseal;
mod retired_keys;
pub mod rotation;
mod scratch_key;
pub mod secret_file;
mod sessions;
mod subjects;
mod tokens;
mod user_input;
mod vault;

pub use after_erasure::KeptAfterErasure;
pub use attempts::Claimed;
pub use codes::{CodeError, KeptCode, normalise_code, random_code};
pub use derived_keys::{DerivedKeys, OrderSeed, random_login_id};
pub use imports::sessions::{ImportedSession, ImportedState};
pub use imports::{CodeOwner, PersonImport, PersonMark};
pub use key_file::MasterKeyError;
pub use lease::{Lease, Leases};
pub use limits::{LimitError, LoginLimits};
pub use master::{MasterKey, Reloaded, key_id_of};
pub use orders::Origin;
pub use pending_input::{InputKind, PendingInput};
pub use presence::Presence;
pub use processes::Process;
pub use reseal::session_bound_to;
pub use retired_keys::{RetireReason, RetiredKey};
pub use rotation::{Progress, Rotation, RotationError};
pub use scratch_key::ScratchKey;
pub use sessions::alive::Seen;
pub use sessions::{Borrowed, Linked, Taken};
pub use subjects::{PersonKey, Subject};
pub use tokens::LiveToken;
pub use user_input::{PasswordChallenge, PasswordProof, UserInput};
pub use vault::{Vault, VaultError};

#[cfg(test)]
mod tests;
