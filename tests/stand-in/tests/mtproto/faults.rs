//! Faults of Telegram.

use std::pin::pin;

use futures::poll;
use grammers_mtsender::InvocationError;
use stand_in::accounts::ILYA;
use stand_in::phone::Phone;

use crate::client::{LinkedClient, account_of, refusal, telegram};

const EXPORT: &str = "auth.exportLoginToken";

#[tokio::test]
async fn a_planned_error_comes_as_often_as_planned() {
    let (telegram, _) = telegram().await;
    let client = LinkedClient::new(&telegram).await;
    telegram.faults().flood_wait(EXPORT, 5);
    telegram.faults().unregistered(EXPORT, 2);
    assert_eq!(refusal(client.export().await), "FLOOD_WAIT_5");
    assert_eq!(refusal(client.export().await), "AUTH_KEY_UNREGISTERED");
    assert_eq!(refusal(client.export().await), "AUTH_KEY_UNREGISTERED");
    client.show_link().await;
    assert_eq!(telegram.calls(EXPORT), 4);
}

#[tokio::test]
async fn an_import_that_finds_the_token_expired_starts_over_on_the_new_data_centre() {
    let (telegram, _) = telegram().await;
    telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    let client = LinkedClient::new(&telegram).await;
    let phone = Phone::new(&telegram, ILYA);
    phone.scan(&client.show_link().await).await.unwrap();
    telegram.faults().expire_imports(1);
    let token = client.follow().await;
    assert_eq!(refusal(client.import(token).await), "AUTH_TOKEN_EXPIRED");
    phone.scan(&client.show_link().await).await.unwrap();
    assert_eq!(account_of(client.export().await.unwrap()), ILYA);
}

#[tokio::test]
async fn silence_leaves_a_call_waiting_and_others_served() {
    let (telegram, _) = telegram().await;
    let client = LinkedClient::new(&telegram).await;
    telegram.faults().silence(EXPORT, 1);
    let mut unanswered = pin!(client.export());
    tokio::select! {
        answer = &mut unanswered => panic!("answered: {answer:?}"),
        () = telegram.wait_for_call(EXPORT, 1) => {}
    }
    client.show_link().await;
    assert!(poll!(unanswered).is_pending());
}

#[tokio::test]
async fn the_next_export_makes_up_for_a_lost_update() {
    let (telegram, _) = telegram().await;
    let mut client = LinkedClient::new(&telegram).await;
    let phone = Phone::new(&telegram, ILYA);
    telegram.faults().lose_next_update();
    phone.scan(&client.show_link().await).await.unwrap();
    assert_eq!(account_of(client.export().await.unwrap()), ILYA);
    assert!(client.updates.try_recv().is_err());
}

#[tokio::test]
async fn updates_come_late_or_twice() {
    let (telegram, _) = telegram().await;
    let mut client = LinkedClient::new(&telegram).await;
    telegram.faults().hold_updates();
    telegram.faults().double_next_update();
    Phone::new(&telegram, ILYA).scan(&client.show_link().await).await.unwrap();
    telegram.faults().release_updates();
    client.login_update().await;
    client.login_update().await;
}

#[tokio::test]
async fn a_dropped_client_comes_back_with_its_key() {
    let (telegram, _) = telegram().await;
    let mut client = LinkedClient::new(&telegram).await;
    let link = client.show_link().await;
    telegram.faults().drop_connections();
    client.connection_closed().await;
    // Nobody is there to be told.
    Phone::new(&telegram, ILYA).scan(&link).await.unwrap();
    let token = loop {
        match client.export().await {
            Ok(token) => break token,
            // The pool has not put the dead connection away yet.
            Err(InvocationError::Dropped(_) | InvocationError::Io(_)) => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(account_of(token), ILYA);
}

#[tokio::test]
async fn no_call_gets_through_in_airplane_mode() {
    let (telegram, _) = telegram().await;
    let mut client = LinkedClient::new(&telegram).await;
    let link = client.show_link().await;
    let phone = Phone::new(&telegram, ILYA);
    phone.log_in().await.unwrap();
    telegram.faults().airplane(true);
    client.connection_closed().await;
    assert!(matches!(client.export().await, Err(InvocationError::Io(_) | InvocationError::Dropped(_))));
    assert_eq!(phone.scan(&link).await.unwrap_err().name(), "AIRPLANE_MODE");
    telegram.faults().airplane(false);
    phone.scan(&link).await.unwrap();
}

#[tokio::test]
async fn a_forgotten_key_is_a_transport_error() {
    let (telegram, _) = telegram().await;
    let client = LinkedClient::new(&telegram).await;
    client.show_link().await;
    let session = client.stop().await;
    telegram.faults().forget_keys();
    let again = LinkedClient::with(session);
    // grammers then makes a new key by itself, with Telegram's own RSA keys, which the stand-in does not have.
    let error = again.export().await.unwrap_err();
    assert!(error.to_string().contains("fingerprint"), "{error}");
}
