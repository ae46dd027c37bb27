//! People and invite codes.

use std::collections::HashSet;

use domain::InviteId;
use futures::future::join_all;
use uuid::Uuid;

use super::{somebody, vault};
use crate::{CodeError, Origin, normalise_code, random_code};

#[tokio::test]
async fn the_same_text_of_the_same_person_is_sealed_the_same_way() {
    let (_database, vault) = vault().await;
    let person = vault.subject_for(139_883_458).await.unwrap();

    let sealed = person.seal("Ilya");

    assert_eq!(person.seal("Ilya"), sealed);
    assert_ne!(person.seal("Ilja"), sealed);
    assert!(!sealed.0.contains("Ilya"));
}

#[tokio::test]
async fn what_a_persons_key_sealed_it_opens() {
    let (_database, vault) = vault().await;
    let sealed = vault.subject_for(1).await.unwrap().seal("Илья 🙂");

    let again = vault.subject_of(1).await.unwrap().unwrap();

    assert_eq!(again.open(&sealed).as_deref(), Some("Илья 🙂"));
}

#[tokio::test]
async fn one_persons_key_does_not_open_anothers_data() {
    let (_database, vault) = vault().await;
    let (one, other) = (vault.subject_for(1).await.unwrap(), vault.subject_for(2).await.unwrap());

    assert_eq!(other.open(&one.seal("Ilya")), None);
    assert_eq!(other.open(&domain::Sealed("no base64 !".to_owned())), None);
    assert_eq!(other.open(&domain::Sealed(String::new())), None);
}

#[tokio::test]
async fn first_messages_at_once_meet_one_person() {
    let (_database, vault) = vault().await;

    let people = join_all((0..8).map(|_| vault.subject_for(7))).await;

    let accounts: HashSet<_> = people.into_iter().map(|person| person.unwrap().account_id).collect();
    assert_eq!(accounts.len(), 1);
}

#[tokio::test]
async fn an_erased_person_can_be_read_by_nobody_and_begins_anew() {
    let (_database, vault) = vault().await;
    let before = vault.subject_for(1).await.unwrap();
    let sealed = before.seal("Ilya");

    vault.erase_subject(before.account_id).await.unwrap();

    assert!(vault.subject(before.account_id).await.unwrap().is_none());
    assert!(vault.subject_of(1).await.unwrap().is_none());
    let after = vault.subject_for(1).await.unwrap();
    assert_ne!(after.account_id, before.account_id);
    assert_eq!(after.open(&sealed), None);
}

#[tokio::test]
async fn of_many_people_the_unknown_are_left_out() {
    let (_database, vault) = vault().await;
    let (one, two) = (vault.subject_for(1).await.unwrap(), vault.subject_for(2).await.unwrap());

    let found = vault.subjects(&[one.account_id, somebody(), two.account_id]).await.unwrap();

    let known: HashSet<_> = found.values().map(|person| person.telegram_id).collect();
    assert_eq!(known, HashSet::from([1, 2]));
}

#[tokio::test]
async fn a_code_opens_its_invite_in_any_case() {
    let (_database, vault) = vault().await;
    let invite = InviteId(Uuid::new_v4());

    vault.add_code(invite, "3HBP4Z3ECICZ", Some("for Ilya"), None).await.unwrap();

    assert_eq!(vault.invite_of(" 3hbp4z3ecicz ").await.unwrap(), Some(invite));
    assert_eq!(vault.invite_of("3HBP4Z3ECICX").await.unwrap(), None);
    assert_eq!(vault.invite_of("nonsense").await.unwrap(), None);
    let kept = vault.code_of(invite).await.unwrap();
    assert_eq!(kept, Some(("3HBP4Z3ECICZ".to_owned(), Some("for Ilya".to_owned()))));
}

#[tokio::test]
async fn a_code_is_taken_by_one_invite() {
    let (_database, vault) = vault().await;
    let invite = InviteId(Uuid::new_v4());
    vault.add_code(invite, "3HBP4Z3ECICZ", None, None).await.unwrap();

    let other = vault.add_code(InviteId(Uuid::new_v4()), "3HBP4Z3ECICZ", None, None).await;

    assert!(matches!(other, Err(CodeError::CodeTaken)));
    vault.add_code(invite, "3HBP4Z3ECICZ", None, None).await.expect("the same again is no error");
}

#[test]
fn drawn_codes_hold_no_look_alikes_and_do_not_repeat() {
    let codes: HashSet<_> = (0..1000).map(|_| random_code()).collect();

    assert_eq!(codes.len(), 1000);
    for code in codes {
        assert_eq!(normalise_code(&code).as_deref(), Some(code.as_str()));
        assert!(!code.contains(['0', 'O', '1', 'I']), "{code}");
    }
}

#[test]
fn a_code_is_read_however_people_write_it() {
    let written = [
        "3HBP4Z3ECICZ",
        " 3hbp4z3ecicz\n",
        "3HBP-4Z3E-CICZ",
        "3hbp 4z3e cicz",
        "3HBP\u{a0}4Z3E \u{2013} CICZ",
    ];
    for text in written {
        assert_eq!(normalise_code(text).as_deref(), Some("3HBP4Z3ECICZ"), "{text:?}");
    }
}

#[test]
fn what_is_not_twelve_letters_and_digits_is_no_code() {
    for text in [
        "",
        "3HBP4Z3ECIC",
        "3HBP4Z3ECICZ2",
        "3HBP4Z3ECIC ",
        "3HBP-Z3ECICZ",
        "3HBP_4Z3E_CICZ",
        "ИНВАЙТ",
        "------------",
    ] {
        assert_eq!(normalise_code(text), None, "{text:?}");
    }
}

#[tokio::test]
async fn an_order_that_comes_again_means_the_same_and_is_deleted_with_its_person() {
    let (database, vault) = vault().await;
    let (one, two) = (vault.subject_for(1).await.unwrap(), vault.subject_for(2).await.unwrap());
    let (update, button) = (Origin::Update(7), Origin::Button(7, "login".to_owned()));

    let again = join_all((0..8).map(|_| vault.order(1, &update))).await;
    let ids: HashSet<_> = again.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids.len(), 1);
    for other in [vault.order(1, &button), vault.order(2, &update)] {
        assert!(!ids.contains(&other.await.unwrap()));
    }

    vault.erase_subject(one.account_id).await.unwrap();
    let left = "select chat from vault.orders";
    assert_eq!(sqlx::query_scalar::<_, i64>(left).fetch_all(database.db.pool()).await.unwrap(), [2]);
    assert!(vault.subject(two.account_id).await.unwrap().is_some());
}
