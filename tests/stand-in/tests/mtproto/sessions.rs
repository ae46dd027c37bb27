//! Sessions after they are linked.

use std::time::Duration;

use grammers_client::client::PasswordToken;
use grammers_tl_types::{enums, functions};
use stand_in::accounts::{ANNA, ILYA, Password};
use stand_in::mtproto::{Device, MtProto};
use stand_in::phone::Phone;

use crate::client::{LinkedClient, account_of, refusal, telegram};

async fn linked(telegram: &MtProto) -> LinkedClient {
    let client = LinkedClient::new(telegram).await;
    let link = client.show_link().await;
    Phone::new(telegram, ILYA).scan(&link).await.unwrap();
    assert_eq!(account_of(client.export().await.unwrap()), ILYA);
    client
}

#[tokio::test]
async fn a_key_is_still_logged_in_after_a_restart_of_the_client() {
    let (telegram, _) = telegram().await;
    let client = linked(&telegram).await;
    let again = LinkedClient::with(client.stop().await);
    assert_eq!(again.me().await.unwrap(), ILYA);
    assert_eq!(telegram.keys_in_two_places(), []);
}

#[tokio::test]
async fn a_key_used_by_two_owners_is_noticed() {
    let (telegram, _) = telegram().await;
    let first = linked(&telegram).await;
    let second = LinkedClient::with(first.session.clone());
    second.me().await.unwrap();
    assert_eq!(telegram.keys_in_two_places(), []);
    first.me().await.unwrap();
    let twice = telegram.keys_in_two_places();
    assert_eq!(twice.iter().map(|it| it.key).collect::<Vec<_>>(), [first.key(2)]);
}

#[tokio::test]
async fn a_logged_out_key_may_log_in_anew() {
    let (telegram, _) = telegram().await;
    let client = linked(&telegram).await;
    assert!(!telegram.logged_out(client.key(2)));
    client.client.sign_out().await.unwrap();
    assert!(telegram.logged_out(client.key(2)));
    assert_eq!(telegram.sessions_of(ILYA), []);
    assert_eq!(refusal(client.me().await), "AUTH_KEY_UNREGISTERED");
    assert_eq!(refusal(client.client.sign_out().await), "AUTH_KEY_UNREGISTERED");
    client.show_link().await;
}

#[tokio::test]
async fn logging_out_takes_back_an_acceptance_that_nobody_used() {
    let (telegram, _) = telegram().await;
    let client = LinkedClient::new(&telegram).await;
    let link = client.show_link().await;
    Phone::new(&telegram, ILYA).scan(&link).await.unwrap();
    assert_eq!(telegram.hanging_acceptances(), 1);
    client.client.sign_out().await.unwrap();
    assert_eq!(telegram.hanging_acceptances(), 0);
    client.show_link().await;
}

#[tokio::test]
async fn logging_out_before_the_password_ends_the_login_on_both_data_centres() {
    let (telegram, _) = telegram().await;
    telegram.accounts().update(ILYA, |ilya| (ilya.dc, ilya.password) = (4, Some(Password::new("p", ""))));
    let client = LinkedClient::new(&telegram).await;
    let link = client.show_link().await;
    Phone::new(&telegram, ILYA).scan(&link).await.unwrap();
    let token = client.follow().await;
    assert_eq!(refusal(client.import(token).await), "SESSION_PASSWORD_NEEDED");
    assert!(telegram.sessions_of(ILYA)[0].password_pending);
    let asked = client.password().await;
    client.client.sign_out().await.unwrap();
    assert_eq!(telegram.sessions_of(ILYA), []);
    assert_eq!(telegram.hanging_acceptances(), 0);
    let late = client.client.check_password(PasswordToken::new(asked), "p").await;
    assert!(late.is_err());
    assert_eq!(refusal(client.me().await), "AUTH_KEY_UNREGISTERED");
}

#[tokio::test]
async fn a_person_sees_the_session_and_ends_it() {
    let (telegram, _) = telegram().await;
    let client = linked(&telegram).await;
    let phone = Phone::new(&telegram, ILYA);
    let devices = phone.devices().await.unwrap();
    let names: Vec<_> = devices.iter().map(|device| (&device.device_model[..], device.current)).collect();
    assert!(names.contains(&("Ilya's phone", true)) && names.contains(&("qr-login", false)), "{names:?}");
    let linked = devices.iter().find(|device| !device.current).unwrap();
    assert_eq!((&linked.platform[..], linked.api_id), ("Linux", 17));
    phone.end_session(linked.hash).await.unwrap();
    assert_eq!(refusal(client.me().await), "AUTH_KEY_UNREGISTERED");
    assert_eq!(phone.end_session(linked.hash).await.unwrap_err().name(), "HASH_INVALID");
    assert_eq!(phone.devices().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_client_sees_every_session_of_its_account_as_telegram_lists_them() {
    let (telegram, clock) = telegram().await;
    let client = linked(&telegram).await;
    let device = Device { api_id: 18, model: "another".into(), ..Device::default() };
    let other = telegram.add_session(ILYA, device.clone(), 1_789_000_000);
    telegram.add_session(ANNA, device, 1_789_000_000);
    clock.advance(Duration::from_secs(60));
    let enums::account::Authorizations::Authorizations(list) =
        client.call(&functions::account::GetAuthorizations {}).await.unwrap();
    let seen = list.authorizations.iter().map(|enums::Authorization::Authorization(it)| {
        (it.hash, it.current, it.api_id, &it.device_model[..], it.date_created, it.date_active)
    });
    let expected = [
        (other, false, 18, "another", 1_789_000_000, 1_789_000_000),
        (0, true, 17, "qr-login", 1_790_000_000, 1_790_000_060),
    ];
    let phones = |model: &str| model == "Ilya's phone";
    assert_eq!(seen.filter(|it| !phones(it.3)).collect::<Vec<_>>(), expected);
    Phone::new(&telegram, ILYA).end_session(other).await.unwrap();
    assert_eq!(telegram.sessions_of(ILYA).len(), 1);
}

#[tokio::test]
async fn a_phone_follows_its_account_to_another_data_centre() {
    let (telegram, _) = telegram().await;
    let phone = Phone::new(&telegram, ILYA);
    phone.log_in().await.unwrap();
    telegram.accounts().update(ILYA, |ilya| ilya.dc = 4);
    assert_eq!(phone.devices().await.unwrap().len(), 1);
    let places: Vec<_> = telegram.authorizations().iter().map(|session| session.dc).collect();
    assert_eq!(places, [4]);
}

#[tokio::test]
async fn a_client_learns_of_itself_and_of_the_data_centres() {
    let (telegram, _) = telegram().await;
    let client = linked(&telegram).await;
    let enums::users::UserFull::Full(me) =
        client.call(&functions::users::GetFullUser { id: enums::InputUser::UserSelf }).await.unwrap();
    let enums::User::User(user) = &me.users[0] else { panic!("nobody") };
    assert_eq!((user.username.as_deref(), user.phone.as_deref()), (Some("ilya"), Some("79990000001")));
    assert_eq!(
        (user.is_self, user.first_name.as_deref(), user.last_name.as_deref()),
        (true, Some("Ilya"), None)
    );
    let enums::Config::Config(config) = client.call(&functions::help::GetConfig {}).await.unwrap();
    assert_eq!(config.this_dc, 2);
    assert_eq!(refusal(client.call(&functions::account::GetAccountTtl {}).await), "METHOD_INVALID");
}
