//! The scopes as types: a handler says by the type of its argument what a key must be allowed.

use domain::Scope;

/// What a handler asks of a key.
pub trait Asked: Send + Sync + 'static {
    /// The scope.
    const SCOPE: Scope;
}

macro_rules! scopes {
    ($($name:ident),+) => {$(
        #[doc = concat!("[`Scope::", stringify!($name), "`].")]
        #[derive(Debug)]
        pub enum $name {}

        impl Asked for $name {
            const SCOPE: Scope = Scope::$name;
        }
    )+};
}

scopes!(UsersRead, SubscriptionsWrite, InvitesRead, InvitesWrite, EventsRead, WebhooksManage);
