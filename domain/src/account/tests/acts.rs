//! What an admin orders of the service is an event on their own account, and an order of an admin alone.

use uuid::Uuid;

use super::{day, refused, registered, then};
use crate::account::{AccountCommand, AccountError, AccountEvent, Role, RoleSource};
use crate::id::{RebuildId, ReplayId};

fn admin() -> AccountEvent {
    AccountEvent::RoleChanged { role: Role::Admin, source: RoleSource::Order, at: day(1) }
}

/// Each order with the event that it leads to.
fn acts() -> Vec<(AccountCommand, AccountEvent)> {
    let (rebuild_id, replay_id, view, at) =
        (RebuildId(Uuid::from_u128(1)), ReplayId(Uuid::from_u128(2)), "users".to_owned(), day(2));
    let (row, cause) = (Some("7".to_owned()), "no such event".to_owned());
    vec![
        (
            AccountCommand::OrderRebuild { rebuild_id, view: view.clone(), dry_run: true, at },
            AccountEvent::RebuildOrdered { rebuild_id, view: view.clone(), dry_run: true, at },
        ),
        (AccountCommand::CancelRebuild { rebuild_id, at }, AccountEvent::RebuildCancelled { rebuild_id, at }),
        (
            AccountCommand::OrderParkedReplay {
                replay_id,
                view: view.clone(),
                row: row.clone(),
                cause: cause.clone(),
                at,
            },
            AccountEvent::ParkedReplayOrdered { replay_id, view, row, cause, at },
        ),
    ]
}

#[test]
fn an_admin_orders_each_act_once() {
    for (order, event) in acts() {
        then(vec![registered(), admin()], order.clone(), vec![event.clone()]);
        then(vec![registered(), admin(), event], order, vec![]);
    }
}

#[test]
fn nobody_else_orders_one() {
    let demoted = AccountEvent::RoleChanged { role: Role::Auditor, source: RoleSource::Order, at: day(1) };
    let blocked = AccountEvent::AccountBlocked { until: None, at: day(1) };
    for (order, event) in acts() {
        refused(vec![registered()], order.clone(), AccountError::NotAdmin);
        refused(vec![registered(), admin(), demoted.clone()], order.clone(), AccountError::NotAdmin);
        refused(vec![registered(), admin(), blocked.clone()], order.clone(), AccountError::NotAdmin);
        // What was ordered in time is no contradiction later.
        then(vec![registered(), admin(), event, demoted.clone()], order, vec![]);
    }
}
