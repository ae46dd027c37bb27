//! Login by a code, and what Telegram says of phone numbers.

use std::time::Duration;

use grammers_client::SignInError;
use grammers_tl_types::{enums, functions, types};
use stand_in::accounts::{ANNA, ILYA, Password};
use stand_in::phone::Phone;

use crate::client::{LinkedClient, account_of, refusal, telegram};

const ILYAS_NUMBER: &str = "+7 999 000-00-01";
const NOBODYS_NUMBER: &str = "+79990000009";

#[tokio::test]
async fn the_code_reaches_the_person_and_logs_in_on_the_accounts_data_centre() {
    let (telegram, _) = telegram().await;
    let password = Some(Password::new("correct horse", ""));
    telegram.accounts().update(ILYA, |ilya| (ilya.dc, ilya.password) = (4, password));
    let client = LinkedClient::new(&telegram).await;
    let asked = client.client.request_login_code(ILYAS_NUMBER, "hash").await.unwrap();
    let notices = telegram.notices(ILYA);
    let code = notices[0].code.clone().unwrap();
    assert!(notices[0].text.contains(&code));
    assert_eq!(telegram.last_code(ILYAS_NUMBER), Some(code.clone()));
    let password = match client.client.sign_in(&asked, &code).await {
        Err(SignInError::PasswordRequired(password)) => password,
        other => panic!("no password asked for: {other:?}"),
    };
    client.client.check_password(password, "correct horse").await.unwrap();
    assert_eq!(client.me().await.unwrap(), ILYA);
    assert_eq!(telegram.sessions_of(ILYA)[0].key, client.key(4));
    assert!(telegram.notices(ILYA)[1].text.contains("qr-login"));
}

#[tokio::test]
async fn a_wrong_code_may_be_corrected_but_not_for_ever() {
    let (telegram, _) = telegram().await;
    let client = LinkedClient::new(&telegram).await;
    let hash = client.send_code(ILYAS_NUMBER).await;
    let code = telegram.last_code(ILYAS_NUMBER).unwrap();
    assert_eq!(refusal(client.sign_in(ILYAS_NUMBER, &hash, "").await), "PHONE_CODE_EMPTY");
    assert_eq!(refusal(client.sign_in(ILYAS_NUMBER, &hash, "x").await), "PHONE_CODE_INVALID");
    client.sign_in(ILYAS_NUMBER, &hash, &code).await.unwrap();

    let hash = client.send_code(ILYAS_NUMBER).await;
    let code = telegram.last_code(ILYAS_NUMBER).unwrap();
    for _ in 0..5 {
        assert_eq!(refusal(client.sign_in(ILYAS_NUMBER, &hash, "x").await), "PHONE_CODE_INVALID");
    }
    assert_eq!(refusal(client.sign_in(ILYAS_NUMBER, &hash, &code).await), "PHONE_CODE_EXPIRED");
}

#[tokio::test]
async fn a_code_expires_and_one_that_was_sent_in_a_chat_is_void() {
    let (telegram, clock) = telegram().await;
    let client = LinkedClient::new(&telegram).await;
    let hash = client.send_code(ILYAS_NUMBER).await;
    let code = telegram.last_code(ILYAS_NUMBER).unwrap();
    clock.advance(Duration::from_secs(300));
    assert_eq!(refusal(client.sign_in(ILYAS_NUMBER, &hash, &code).await), "PHONE_CODE_EXPIRED");

    let hash = client.send_code(ILYAS_NUMBER).await;
    let code = telegram.last_code(ILYAS_NUMBER).unwrap();
    telegram.code_seen_in_chat(ANNA, &format!("a stranger guesses {code}"));
    assert_eq!(refusal(client.sign_in(ILYAS_NUMBER, &hash, "x").await), "PHONE_CODE_INVALID");
    telegram.code_seen_in_chat(ILYA, &format!("my code is {code}"));
    assert_eq!(refusal(client.sign_in(ILYAS_NUMBER, &hash, &code).await), "PHONE_CODE_EXPIRED");
}

#[tokio::test]
async fn numbers_are_told_apart() {
    let (telegram, _) = telegram().await;
    telegram.accounts().ban_number("+79990000008");
    let client = LinkedClient::new(&telegram).await;
    let ask = async |phone| client.client.request_login_code(phone, "hash").await;
    assert_eq!(refusal(ask("12").await.map(drop)), "PHONE_NUMBER_INVALID");
    assert_eq!(refusal(ask("+79990000008").await.map(drop)), "PHONE_NUMBER_BANNED");
    telegram.faults().flood_wait("auth.sendCode", 77);
    assert_eq!(refusal(ask(NOBODYS_NUMBER).await.map(drop)), "FLOOD_WAIT_77");
    let asked = ask(NOBODYS_NUMBER).await.unwrap();
    let code = telegram.last_code(NOBODYS_NUMBER).unwrap();
    assert!(matches!(client.client.sign_in(&asked, &code).await, Err(SignInError::SignUpRequired)));
}

#[tokio::test]
async fn a_linked_session_finds_people_by_number() {
    let (telegram, _) = telegram().await;
    let client = LinkedClient::new(&telegram).await;
    let resolve = |phone: &str| functions::contacts::ResolvePhone { phone: phone.into() };
    assert_eq!(refusal(client.call(&resolve(ILYAS_NUMBER)).await), "AUTH_KEY_UNREGISTERED");
    let link = client.show_link().await;
    Phone::new(&telegram, ANNA).scan(&link).await.unwrap();
    assert_eq!(account_of(client.export().await.unwrap()), ANNA);
    let enums::contacts::ResolvedPeer::Peer(found) = client.call(&resolve(ILYAS_NUMBER)).await.unwrap();
    assert_eq!(found.users[0].id(), ILYA);
    assert_eq!(refusal(client.call(&resolve(NOBODYS_NUMBER)).await), "PHONE_NOT_OCCUPIED");
    let contact = |client_id, phone: &str| {
        enums::InputContact::InputPhoneContact(types::InputPhoneContact {
            client_id,
            phone: phone.into(),
            first_name: "x".into(),
            last_name: String::new(),
            note: None,
        })
    };
    let contacts = vec![contact(1, NOBODYS_NUMBER), contact(2, ILYAS_NUMBER)];
    let enums::contacts::ImportedContacts::Contacts(imported) =
        client.call(&functions::contacts::ImportContacts { contacts }).await.unwrap();
    assert_eq!(imported.imported, [types::ImportedContact { user_id: ILYA, client_id: 2 }.into()]);
}
