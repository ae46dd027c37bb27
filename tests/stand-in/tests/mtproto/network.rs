//! The file that tells a service the addresses of the stand-in.

use crate::client::telegram;

#[tokio::test]
async fn the_network_file_names_every_data_centre_and_the_key() {
    let (telegram, _) = telegram().await;
    let text = telegram.network_toml(Some("http://127.0.0.1:8000"));
    let file: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(file["home_dc"].as_integer(), Some(2));
    assert_eq!(file["page_origin"].as_str(), Some("http://127.0.0.1:8000"));
    let places: Vec<_> =
        file["dc"].as_array().unwrap().iter().map(|dc| dc["addr"].as_str().unwrap()).collect();
    let listening = [2, 4].map(|dc| telegram.address(dc).unwrap().to_string());
    assert_eq!(places, listening);
    let (n, e) = telegram.rsa_key();
    assert_eq!((file["rsa"]["n"].as_str(), file["rsa"]["e"].as_str()), (Some(n), Some(e)));
    assert!(!telegram.network_toml(None).contains("page_origin"));
}
