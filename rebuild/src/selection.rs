//! Which views are to be rebuilt.

use super::error::RebuildError;
use projections::views::{self, AnyView};

/// The views of these names, or all where none is named.
///
/// # Errors
/// [`RebuildError::Unknown`].
pub(super) fn select_views(names: &[String]) -> Result<Vec<&'static dyn AnyView>, RebuildError> {
    if names.is_empty() {
        return Ok(views::all().to_vec());
    }
    for name in names {
        views::named(name).ok_or_else(|| RebuildError::Unknown { view: name.clone() })?;
    }
    // Each once, always in the same order: two processes that claim several views do not wait for each other.
    Ok(views::all().into_iter().filter(|view| names.iter().any(|name| name == view.shape().name)).collect())
}
