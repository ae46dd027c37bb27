//! Login by QR code, and what a phone sees of it.

use std::time::Duration;

use stand_in::accounts::{ANNA, ILYA, Password};
use stand_in::phone::Phone;

use crate::client::{LinkedClient, account_of, refusal, telegram};

#[tokio::test]
async fn a_scan_is_pushed_and_logs_the_client_in() {
    let (telegram, _) = telegram().await;
    let mut client = LinkedClient::new(&telegram).await;
    let link = client.show_link().await;
    let device = Phone::new(&telegram, ILYA).scan(&link).await.unwrap();
    assert_eq!(device.device_model, "qr-login");
    client.login_update().await;
    assert_eq!(account_of(client.export().await.unwrap()), ILYA);
    assert_eq!(client.me().await.unwrap(), ILYA);
    assert!(client.client.is_authorized().await.unwrap());
    let sessions = telegram.sessions_of(ILYA);
    assert_eq!(sessions.len(), 1);
    assert_eq!((sessions[0].key, sessions[0].hash), (client.key(2), device.hash));
    assert_eq!(sessions[0].app(), "qr-login 0.1.0");
    assert_eq!(telegram.hanging_acceptances(), 0);
}

#[tokio::test]
async fn a_login_follows_an_account_to_its_data_centre() {
    let (telegram, _) = telegram().await;
    telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    let mut client = LinkedClient::new(&telegram).await;
    let link = client.show_link().await;
    Phone::new(&telegram, ILYA).scan(&link).await.unwrap();
    client.login_update().await;
    let token = client.follow().await;
    assert_eq!(account_of(client.import(token).await.unwrap()), ILYA);
    assert_eq!(client.me().await.unwrap(), ILYA);
    let sessions = telegram.sessions_of(ILYA);
    assert_eq!(
        sessions.iter().map(|session| (session.dc, session.key)).collect::<Vec<_>>(),
        [(4, client.key(4))]
    );
    assert_eq!(telegram.hanging_acceptances(), 0);
}

#[tokio::test]
async fn a_password_is_proved_without_being_sent() {
    let (telegram, _) = telegram().await;
    let password = Some(Password::new("correct horse", "the usual one"));
    telegram.accounts().update(ILYA, |ilya| (ilya.dc, ilya.password) = (4, password));
    let client = LinkedClient::new(&telegram).await;
    let link = client.show_link().await;
    Phone::new(&telegram, ILYA).scan(&link).await.unwrap();
    let token = client.follow().await;
    assert_eq!(refusal(client.import(token).await), "SESSION_PASSWORD_NEEDED");
    assert_eq!(refusal(client.me().await), "SESSION_PASSWORD_NEEDED");
    let asked = client.password().await;
    assert_eq!(asked.hint.as_deref(), Some("the usual one"));
    let wrong = client
        .client
        .check_password(grammers_client::client::PasswordToken::new(asked.clone()), "wrong")
        .await;
    assert!(matches!(wrong, Err(grammers_client::SignInError::InvalidPassword(_))));
    let used = client
        .client
        .check_password(grammers_client::client::PasswordToken::new(asked), "correct horse")
        .await;
    let Err(grammers_client::SignInError::Other(used)) = used else {
        panic!("a challenge was good for two tries")
    };
    assert!(used.is("SRP_ID_INVALID"));
    let fresh = grammers_client::client::PasswordToken::new(client.password().await);
    client.client.check_password(fresh, "correct horse").await.unwrap();
    assert_eq!(client.me().await.unwrap(), ILYA);
    assert_eq!(telegram.hanging_acceptances(), 0);
}

#[tokio::test]
async fn a_token_is_good_until_it_expires_also_after_the_next_one() {
    let (telegram, clock) = telegram().await;
    let client = LinkedClient::new(&telegram).await;
    let first = client.show_link().await;
    clock.advance(Duration::from_secs(28));
    let second = client.show_link().await;
    assert_ne!(first, second);
    clock.advance(Duration::from_secs(2));
    let phone = Phone::new(&telegram, ILYA);
    assert_eq!(phone.scan(&first).await.unwrap_err().name(), "AUTH_TOKEN_EXPIRED");
    let third = client.show_link().await;
    phone.scan(&second).await.unwrap();
    let again = Phone::new(&telegram, ANNA).scan(&third).await.unwrap_err();
    assert_eq!(again.name(), "AUTH_TOKEN_ALREADY_ACCEPTED");
    clock.advance(Duration::from_secs(60));
    assert_eq!(account_of(client.export().await.unwrap()), ILYA);
}

#[tokio::test]
async fn a_phone_reads_no_other_codes() {
    let (telegram, _) = telegram().await;
    let phone = Phone::new(&telegram, ILYA);
    assert_eq!(
        phone.scan("https://example.org/login?token=AAAA").await.unwrap_err().name(),
        "NOT_A_LOGIN_CODE"
    );
    let made_up = "tg://login?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(phone.scan(made_up).await.unwrap_err().name(), "AUTH_TOKEN_INVALID");
}
