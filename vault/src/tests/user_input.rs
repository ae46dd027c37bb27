//! What goes between a page and a worker.

use super::{LONG, OVER, claim, claimed, vault};
use crate::{MasterKey, PasswordChallenge, UserInput, VaultError};

fn challenge(srp_id: &str) -> PasswordChallenge {
    PasswordChallenge {
        srp_id: srp_id.to_owned(),
        b: "0b".to_owned(),
        p: "c7".to_owned(),
        salt1: "01".to_owned(),
        salt2: "02".to_owned(),
        g: 3,
        hint: Some("the usual one".to_owned()),
    }
}

#[tokio::test]
async fn input_reaches_the_worker_once_and_opens_for_its_login_alone() {
    let (_database, vault) = vault().await;
    let master = MasterKey::random();
    let (login, a) = claimed(&vault, "a", LONG).await;
    let (other, _) = claimed(&vault, "b", LONG).await;
    let input = UserInput::Code("12345".to_owned().into());

    assert!(vault.give_input(master.derived(), &login, 1, &input).await.unwrap());

    let taken = vault.take_inputs(&a.fence).await.unwrap();
    assert_eq!(taken.len(), 1);
    assert!(taken[0].open(&master, &login) == Some(input));
    assert!(taken[0].open(&master, &other).is_none());
    assert!(!taken[0].body.windows(5).any(|window| window == b"12345"));
    assert!(vault.take_inputs(&a.fence).await.unwrap().is_empty());
}

#[tokio::test]
async fn input_for_an_attempt_that_is_over_is_not_taken() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", LONG).await;
    vault.close_attempt(&a.fence).await.unwrap();
    let input = UserInput::Phone("+79990000001".to_owned().into());
    assert!(!vault.give_input(MasterKey::random().derived(), &login, 1, &input).await.unwrap());
}

#[tokio::test]
async fn the_last_challenge_is_the_one_to_answer_until_the_attempt_is_closed() {
    let (_database, vault) = vault().await;
    let master = MasterKey::random();
    let (login, a) = claimed(&vault, "a", LONG).await;
    assert_eq!(vault.challenge(master.derived(), &login, 1).await.unwrap(), None);

    vault.put_challenge(master.derived(), &a.fence, &challenge("1")).await.unwrap();
    vault.put_challenge(master.derived(), &a.fence, &challenge("2")).await.unwrap();
    assert_eq!(vault.challenge(master.derived(), &login, 1).await.unwrap(), Some(challenge("2")));

    vault.close_attempt(&a.fence).await.unwrap();
    assert_eq!(vault.challenge(master.derived(), &login, 1).await.unwrap(), None);
}

#[tokio::test]
async fn a_worker_that_lost_its_attempt_asks_for_no_password() {
    let (_database, vault) = vault().await;
    let (_, a) = claimed(&vault, "a", OVER).await;
    claim(&vault, "b", LONG).await;
    let answer = vault.put_challenge(MasterKey::random().derived(), &a.fence, &challenge("1")).await;
    assert!(matches!(answer, Err(VaultError::Fenced)));
}
