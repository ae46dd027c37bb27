//! Whatever people, retries, workers and admins do in whatever order: the counting stays right.

use std::collections::{BTreeMap, BTreeSet};

use cqrs_es::Aggregate;
use proptest::prelude::*;

use super::{UNTIL, create};
use crate::fixtures::{ANNA, BORIS, VERA, day, login};
use crate::id::{AccountId, LoginId};
use crate::invite::{Invite, InviteCommand, InviteError, InviteEvent};

#[derive(Clone, Copy, Debug)]
enum Order {
    Redeem,
    Use,
    Release,
}

/// One thing that happens: an order for some attempt, given on some day, or a revocation.
#[derive(Clone, Debug)]
enum Step {
    Order { order: Order, who: AccountId, login: u32, attempt: u32, on: i64 },
    Revoke,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let order = prop_oneof![3 => Just(Order::Redeem), 2 => Just(Order::Use), 2 => Just(Order::Release)];
    let who = prop::sample::select(vec![ANNA, BORIS, VERA]);
    // Now and then on the last day or after it.
    let on = prop_oneof![20 => 0..UNTIL, 1 => UNTIL..UNTIL + 2];
    let given = (order, who, 1..4_u32, 1..3_u32, on);
    let given =
        given.prop_map(|(order, who, login, attempt, on)| Step::Order { order, who, login, attempt, on });
    prop::collection::vec(prop_oneof![60 => given, 1 => Just(Step::Revoke)], 0..80)
}

fn command(step: &Step) -> InviteCommand {
    let Step::Order { order, who, login: number, attempt, on } = *step else {
        return InviteCommand::Revoke { at: day(0) };
    };
    let (account_id, login_id, at) = (who, login(number), day(on));
    match order {
        Order::Redeem => InviteCommand::Redeem { account_id, login_id, attempt, at },
        Order::Use => InviteCommand::Use { account_id, login_id, attempt, at },
        Order::Release => InviteCommand::Release { account_id, login_id, attempt, at },
    }
}

/// What an attentive reader of the events alone believes: who holds a use, for which attempt, and who ever did.
#[derive(Default)]
struct Reader {
    held: BTreeMap<AccountId, (LoginId, u32, bool)>,
    ever: BTreeSet<(AccountId, LoginId, u32)>,
    revoked: bool,
}

impl Reader {
    fn read(&mut self, event: &InviteEvent) {
        match event {
            InviteEvent::InviteCreated { .. } => {}
            InviteEvent::InviteRedeemed { account_id, login_id, attempt, .. } => {
                assert!(
                    self.ever.insert((*account_id, login_id.clone(), *attempt)),
                    "an attempt redeems once"
                );
                let before = self.held.insert(*account_id, (login_id.clone(), *attempt, false));
                assert!(
                    before.is_none_or(|(.., used)| !used),
                    "a use is never turned back into a reservation"
                );
            }
            InviteEvent::InviteUsed { account_id, login_id, attempt, .. } => {
                let before = self.held.insert(*account_id, (login_id.clone(), *attempt, true));
                assert_eq!(before, Some((login_id.clone(), *attempt, false)), "used is what was reserved");
            }
            InviteEvent::InviteReleased { account_id, login_id, attempt, .. } => {
                let before = self.held.remove(account_id).expect("released is what was held");
                assert_eq!((before.0, before.1), (login_id.clone(), *attempt), "and by nobody else");
            }
            InviteEvent::InviteRevoked { .. } => self.revoked = true,
        }
    }
}

fn run(invite: &mut Invite, reader: &mut Reader, command: InviteCommand) -> Result<(), InviteError> {
    for event in invite.decide(command)? {
        reader.read(&event);
        invite.apply(event);
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_interleaving_exceeds_the_uses_loses_one_or_frees_another_logins(
        max_uses in 1..4_u32,
        steps in steps(),
    ) {
        let (mut invite, mut reader) = (Invite::default(), Reader::default());
        run(&mut invite, &mut reader, create(max_uses)).unwrap();

        for step in &steps {
            let before = reader.held.clone();
            let answer = run(&mut invite, &mut reader, command(step));

            prop_assert!(reader.held.len() <= max_uses as usize);
            prop_assert_eq!(invite.uses(), reader.held.len());
            if let Step::Order { order, who, login: number, attempt, .. } = step {
                let own = before.get(who).filter(|held| held.0 == login(*number) && held.1 == *attempt);
                let others = |held: &BTreeMap<_, _>| held.iter().filter(|(it, _)| *it != who).count();
                prop_assert_eq!(others(&before), others(&reader.held), "nobody else is touched");
                match order {
                    // Told so exactly where it is so.
                    Order::Use => prop_assert_eq!(answer.is_ok(), own.is_some()),
                    Order::Release => {
                        prop_assert_eq!(answer, Ok(()));
                        let kept = before.contains_key(who) && own.is_none();
                        prop_assert_eq!(reader.held.contains_key(who), kept);
                    }
                    Order::Redeem => {
                        let seen = reader.ever.contains(&(*who, login(*number), *attempt));
                        prop_assert_eq!(answer.is_ok(), seen);
                    }
                }
            }
        }

        // Once every login has ended, every use can be had again.
        for (account_id, (login_id, attempt, _)) in reader.held.clone() {
            let release = InviteCommand::Release { account_id, login_id, attempt, at: day(0) };
            run(&mut invite, &mut reader, release).unwrap();
        }
        prop_assert_eq!(invite.uses(), 0);
        for who in [ANNA, BORIS, VERA].into_iter().take(max_uses as usize) {
            let redeem = InviteCommand::Redeem { account_id: who, login_id: login(9), attempt: 1, at: day(0) };
            let expected = if reader.revoked { Err(InviteError::Revoked) } else { Ok(()) };
            prop_assert_eq!(run(&mut invite, &mut reader, redeem), expected);
        }
    }
}
