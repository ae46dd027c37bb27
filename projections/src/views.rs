//! The views. Each is a pure fold over the log, and a table that holds the result.
//!
//! A view says which row an event belongs to ([`key`](view::View::key)) and how that row looks afterwards
//! ([`fold`](view::View::fold)). The rows of all views are read and written in the same way ([`any_view`], [`shape`]):
//! they travel as JSON, so one statement writes a whole batch (`jsonb_populate_recordset`), for any columns. A rebuild
//! writes millions of rows, so it sends them as tuples of a binary COPY ([`columns`]).
//!
//! Each view's rows are in one of two slots, `slots.users_a` or `slots.users_b`. The public name `users` is a
//! PostgreSQL view over the live one. A view has no side effects: only the reactor and the workers act.

mod any_view;
mod columns;
pub mod daily_counts;
pub mod hourly_counts;
pub mod invites;
mod key;
pub mod login_status;
pub mod lookups;
mod memory_table;
mod shape;
pub mod subscriptions;
pub mod users;
mod view;

use any_view::TypedView;

pub use any_view::{AnyView, Folded};
pub use lookups::{Lookups, Starts};
pub use memory_table::{Comparison, MemoryTable, Tuple};
pub use shape::Shape;
pub use view::{FoldError, RowFailure};
pub use view::{LookupKind, RowsBy};

/// Every view, in the order in which they are written.
pub fn all() -> [&'static dyn AnyView; 6] {
    [
        &TypedView::<users::Users>::NEW,
        &TypedView::<login_status::LoginStatusView>::NEW,
        &TypedView::<invites::Invites>::NEW,
        &TypedView::<subscriptions::Subscriptions>::NEW,
        &TypedView::<hourly_counts::HourlyCounts>::NEW,
        &TypedView::<daily_counts::DailyCounts>::NEW,
    ]
}

/// The names of all views.
pub fn names() -> Vec<&'static str> {
    all().iter().map(|view| view.shape().name).collect()
}

/// The columns of a view's rows, in their order; None where there is no such view.
pub fn columns_of(view: &str) -> Option<&'static [&'static str]> {
    named(view).map(|view| view.shape().columns)
}

/// The columns of a view that hold personal data. They must not be kept anywhere but in its rows, which an erasure deletes.
pub fn personal_columns(view: &str) -> &'static [&'static str] {
    match view {
        "users" => &["telegram_id", "first_name", "last_name", "username", "language_code", "search"],
        _ => &[],
    }
}

/// The view of this name.
pub fn named(name: &str) -> Option<&'static dyn AnyView> {
    all().into_iter().find(|view| view.shape().name == name)
}

/// The slot that is not live.
pub fn idle_slot(live: &str) -> &'static str {
    if live == "a" { "b" } else { "a" }
}

#[cfg(test)]
mod tests;
