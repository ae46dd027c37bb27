//! The button under an admin's confirmation that takes the order back within a minute. Its data says what to put back, so that
//! nothing has to be remembered: what held before, and when the order was given. What a press does is in `take_back`.

use app::people::permissions::PermissionOrder;
use domain::{AccountId, InviteId, Role};
use jiff::Timestamp;
use teloxide::types::InlineKeyboardButton;
use texts::chat::Texts;
use uuid::Uuid;

/// How long an order can be taken back.
const WITHIN_SECONDS: i64 = 60;

/// An order to take another one back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Undo {
    pub order: Order,
    /// When the other one was given, in Unix seconds.
    given_at: i64,
}

/// What to do instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// This held before.
    Permission { account: AccountId, order: PermissionOrder },
    /// What held before the subscription that this update granted.
    Grant { account_id: AccountId, update_id: i64 },
    /// The invite is revoked.
    Invite(InviteId),
}

impl Undo {
    pub fn new(order: Order, now: Timestamp) -> Self {
        Self { order, given_at: now.as_second() }
    }

    /// Whether its minute is over.
    pub fn is_late(self, now: Timestamp) -> bool {
        now.as_second().saturating_sub(self.given_at) > WITHIN_SECONDS
    }

    /// Reads `undo:block:<account>:<seconds>` and its likes.
    pub fn parse(data: &str) -> Option<Self> {
        let parts: Vec<&str> = data.strip_prefix("undo:")?.split(':').collect();
        let account = |id: &str| Uuid::try_parse(id).ok().map(AccountId);
        let (order, given_at) = match parts[..] {
            ["block", id, at] => {
                (Order::Permission { account: account(id)?, order: PermissionOrder::Block }, at)
            }
            ["unblock", id, at] => {
                (Order::Permission { account: account(id)?, order: PermissionOrder::Unblock }, at)
            }
            ["role", id, role, at] => {
                let role: Role = role.parse().ok()?;
                (Order::Permission { account: account(id)?, order: PermissionOrder::Role(role) }, at)
            }
            ["sub", id, update, at] => {
                (Order::Grant { account_id: account(id)?, update_id: update.parse().ok()? }, at)
            }
            ["invite", id, at] => (Order::Invite(InviteId(Uuid::try_parse(id).ok()?)), at),
            _ => return None,
        };
        Some(Self { order, given_at: given_at.parse().ok()? })
    }

    pub fn data(self) -> String {
        let at = self.given_at;
        match self.order {
            Order::Permission { account, order } => {
                let id = account.0.simple();
                match order {
                    PermissionOrder::Block => format!("undo:block:{id}:{at}"),
                    PermissionOrder::Unblock => format!("undo:unblock:{id}:{at}"),
                    PermissionOrder::Role(role) => format!("undo:role:{id}:{}:{at}", role.name()),
                }
            }
            Order::Grant { account_id, update_id } => {
                format!("undo:sub:{}:{update_id}:{at}", account_id.0.simple())
            }
            Order::Invite(invite) => format!("undo:invite:{}:{at}", invite.0.simple()),
        }
    }

    /// The one button, as rows.
    pub fn buttons(self, texts: &Texts) -> Vec<Vec<InlineKeyboardButton>> {
        let label = match self.order {
            Order::Invite(_) => texts.take_back,
            Order::Permission { .. } | Order::Grant { .. } => texts.admin.undo,
        };
        vec![vec![InlineKeyboardButton::callback(label, self.data())]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_button_holds_is_read_back_and_fits_into_it() {
        let account = AccountId(Uuid::from_u128(u128::MAX));
        let permission = |order| Order::Permission { account, order };
        for order in [
            permission(PermissionOrder::Block),
            permission(PermissionOrder::Unblock),
            permission(PermissionOrder::Role(Role::Auditor)),
            Order::Grant { account_id: account, update_id: 9_999_999_999 },
            Order::Invite(InviteId(Uuid::from_u128(7))),
        ] {
            let undo = Undo { order, given_at: 1_790_000_000 };
            assert_eq!(Undo::parse(&undo.data()), Some(undo));
            assert!(undo.data().len() <= 64, "Telegram takes 64 bytes of data: {}", undo.data());
        }
        for data in ["undo:block:x:1", "undo:role:7:king:1", "undo:invite", "keep"] {
            assert_eq!(Undo::parse(data), None, "{data}");
        }
    }
}
