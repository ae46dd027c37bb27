//! Tests of `network`.

use super::*;

/// 2048 bits: 2^2047 + 1.
fn modulus() -> String {
    (BigUint::from(1u8) << 2047u32 | BigUint::from(1u8)).to_string()
}

fn file(home: &str, addr: &str, n: &str, rest: &str) -> String {
    format!("{home}\n{rest}\n[[dc]]\nid = 2\naddr = {addr:?}\n[rsa]\nn = {n:?}\ne = \"65537\"\n")
}

#[test]
fn a_network_file_describes_a_server_on_this_machine() {
    let text = file("home_dc = 2", "127.0.0.1:4430", &modulus(), "page_origin = \"http://127.0.0.1:8040\"");
    let network = Network::parse(&text).unwrap();
    assert!(network.is_private());
    assert_eq!(network.page_origin(), Some("http://127.0.0.1:8040"));
    assert!(network.stamp().starts_with("private:"));
    let Network::Private(private) = network else { panic!() };
    assert_eq!(private.dcs[&2], "127.0.0.1:4430".parse().unwrap());
}

#[test]
fn the_stamp_follows_the_servers_key_and_not_its_ports() {
    let at = |addr: &str, n: &str| Network::parse(&file("home_dc = 2", addr, n, "")).unwrap().stamp();
    let other = (BigUint::from(1u8) << 2047u32 | BigUint::from(3u8)).to_string();
    assert_eq!(at("127.0.0.1:1", &modulus()), at("127.0.0.1:2", &modulus()));
    assert_ne!(at("127.0.0.1:1", &modulus()), at("127.0.0.1:1", &other));
    assert_eq!(Network::Telegram.stamp(), "telegram");
}

#[test]
fn every_mistake_is_one_line_that_names_it() {
    let n = modulus();
    let cases = [
        (file("home_dc = 2", "149.154.167.50:443", &n, ""), "149.154.167.50"),
        (file("home_dc = 2", "[::1]:443", &n, ""), "IPv4"),
        (file("home_dc = 2", "localhost:443", &n, ""), "address and port"),
        (file("home_dc = 4", "127.0.0.1:443", &n, ""), "home_dc 4"),
        (file("", "127.0.0.1:443", &n, ""), "home_dc"),
        (file("home_dc = 2", "127.0.0.1:443", "12345", ""), "14 bits"),
        (file("home_dc = 2", "127.0.0.1:443", "0x12", ""), "decimal"),
        (file("home_dc = 2", "127.0.0.1:443", &n, "homedc = 3"), "homedc"),
        (file("home_dc = 2", "127.0.0.1:443", &n, "page_origin = \"https://example.com\""), "page_origin"),
    ];
    for (text, named) in cases {
        let problem = Network::parse(&text).unwrap_err();
        assert!(problem.contains(named) && !problem.contains('\n'), "{problem}");
    }
}

#[test]
fn an_origin_is_a_loopback_host_and_nothing_more() {
    for good in ["http://127.0.0.1:8040", "http://localhost", "https://[::1]:9", "http://[::1]"] {
        assert_eq!(check_origin(good), Ok(()), "{good}");
    }
    for bad in [
        "http://127.0.0.1:8040/",
        "http://127.0.0.1; script-src *",
        "http://127.0.0.1:1 https://evil.example",
        "http://user@localhost",
        "ftp://localhost",
        "http://10.0.0.1",
        "localhost:80",
    ] {
        assert!(check_origin(bad).is_err(), "{bad}");
    }
}
