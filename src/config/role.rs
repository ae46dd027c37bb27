//! The roles of a process.

use std::collections::BTreeSet;

use super::bad_setting::BadSetting;

/// What a process does. A deployment may spread these over several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// HTTP.
    Api,
    /// The chat and the login workers.
    Bot,
    /// Sequencer, projections, reactions.
    Projector,
}

/// Reads names that are separated by commas.
///
/// # Errors
/// One of them is no role.
pub(super) fn roles(text: &str) -> Result<BTreeSet<Role>, BadSetting> {
    let role = |name: &str| match name.trim() {
        "api" => Ok(Role::Api),
        "bot" => Ok(Role::Bot),
        "projector" => Ok(Role::Projector),
        other => Err(BadSetting::new("ROLE", format!("{other:?} is none of api, bot, projector"))),
    };
    text.split(',').map(role).collect()
}
