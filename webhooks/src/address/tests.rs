//! What a hostile owner of a webhook tries.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

fn refusal(text: &str) -> Option<BadAddress> {
    Policy::Public.check(text).err()
}

#[test]
fn a_public_https_address_is_taken() {
    for good in [
        "https://example.org/hooks/7f3a?x=1",
        "https://example.org:8443/",
        "https://93.184.215.14/",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
        "HTTPS://EXAMPLE.ORG",
    ] {
        assert_eq!(refusal(good), None, "{good}");
    }
}

#[test]
fn every_spelling_of_an_address_inside_is_refused() {
    for inside in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "0",
        "0.0.0.0",
        "１２７.0.0.1",
        "%31%32%37.0.0.1",
        "10.0.0.8",
        "10.8",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "0xc0a80101",
        "169.254.169.254",
        "2852039166",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "198.18.0.1",
        "192.88.99.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:8.8.8.8]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::8.8.8.8]",
        "[64:ff9b:1::1]",
        "[2002:7f00:1::]",
        "[2002:808:808::1]",
        "[2001::1]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[fc00::1]",
        "[fd12:3456::1]",
        "[fe80::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[100::1]",
        "[5f00::1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
    ] {
        assert_eq!(refusal(&format!("https://{inside}/")), Some(BadAddress::NotPublic), "{inside}");
    }
}

#[test]
fn another_scheme_a_password_and_a_fragment_are_refused() {
    for (text, why) in [
        ("http://example.org/", BadAddress::Scheme),
        ("ftp://example.org/", BadAddress::Scheme),
        ("file:///etc/passwd", BadAddress::Scheme),
        ("unix:/run/x.sock", BadAddress::Scheme),
        ("https://user:password@example.org/", BadAddress::Credentials),
        ("https://user@example.org/", BadAddress::Credentials),
        ("https://:password@example.org/", BadAddress::Credentials),
        ("https://@example.org/", BadAddress::Credentials),
        ("https:example.org@127.0.0.1/", BadAddress::Credentials),
        ("https://example.org/#x", BadAddress::Fragment),
        ("https://", BadAddress::Malformed),
        ("example.org", BadAddress::Malformed),
        ("", BadAddress::Malformed),
        ("https://exa mple.org/", BadAddress::Malformed),
        ("https://[fe80::1%25eth0]/", BadAddress::Malformed),
    ] {
        assert_eq!(refusal(text), Some(why), "{text}");
    }
    let long = format!("https://example.org/{}", "x".repeat(LONGEST_URL));
    assert_eq!(refusal(&long), Some(BadAddress::Malformed));
}

#[test]
fn a_private_network_reaches_loopback_and_no_other_address_inside() {
    let check = |text: &str| Policy::PublicAndLoopback.check(text).err();
    for good in [
        "http://127.0.0.1:9000/x",
        "https://localhost/",
        "http://[::1]/",
        "http://localhost:1/",
        "https://example.org/",
    ] {
        assert_eq!(check(good), None, "{good}");
    }
    for inside in
        ["https://10.0.0.1/", "http://192.168.0.1/", "http://8.8.8.8/", "https://[::ffff:127.0.0.1]/"]
    {
        assert_eq!(check(inside), Some(BadAddress::NotPublic), "{inside}");
    }
}

#[test]
fn the_network_of_the_database_decides() {
    assert_eq!(Policy::of_network(Some("telegram")), Policy::Public);
    assert_eq!(Policy::of_network(None), Policy::Public);
    assert_eq!(Policy::of_network(Some("5f3a…")), Policy::PublicAndLoopback);
}

#[tokio::test]
async fn a_name_with_one_address_inside_leads_nowhere() {
    for (addresses, good) in [
        (vec!["93.184.215.14"], true),
        (vec!["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"], true),
        (vec!["93.184.215.14", "127.0.0.1"], false),
        (vec!["::ffff:93.184.215.14"], false),
        (vec!["169.254.169.254"], false),
        (vec![], false),
    ] {
        let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
        let answer = addresses.clone();
        let guard =
            Guard::new(Reach::Public, Arc::new(move |_| Box::pin(std::future::ready(Ok(answer.clone())))));
        assert_eq!(guard.addresses("example.org").await.is_ok(), good, "{addresses:?}");
    }
}

/// 1. The name had a public address when the webhook was made. 2. Now it has one inside.
#[tokio::test]
async fn a_name_that_leads_inside_later_is_refused_then() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let rebinding: Lookup = Arc::new(move |_| {
        let address =
            if counter.fetch_add(1, Ordering::Relaxed) == 0 { "93.184.215.14" } else { "127.0.0.1" };
        Box::pin(std::future::ready(Ok(vec![address.parse().unwrap()])))
    });
    let guard = Guard::new(Reach::Public, rebinding);
    assert!(guard.addresses("example.org").await.is_ok());
    assert_eq!(guard.addresses("example.org").await.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
}

proptest! {
    /// Whatever stands in IPv6 for an IPv4 address is not public, whichever address that is.
    #[test]
    fn no_ipv6_form_of_an_ipv4_address_is_public(bits: u32) {
        let [a, b, c, d] = Ipv4Addr::from(bits).octets().map(u16::from);
        let (high, low) = (a << 8 | b, c << 8 | d);
        for form in [
            [0, 0, 0, 0, 0, 0xffff, high, low],
            [0, 0, 0, 0, 0, 0, high, low],
            [0, 0, 0, 0, 0xffff, 0, high, low],
            [0x64, 0xff9b, 0, 0, 0, 0, high, low],
            [0x64, 0xff9b, 1, 0, 0, 0, high, low],
            [0x2002, high, low, 0, 0, 0, 0, 1],
            [0x2001, 0, high, low, 0, 0, 0, 0],
        ] {
            prop_assert!(!is_public(IpAddr::V6(form.into())));
        }
    }

    #[test]
    fn no_host_that_is_taken_is_an_address_inside(host in "[0-9a-fxA-F.:\\[\\]%@]{1,24}") {
        if let Ok(url) = Policy::Public.check(&format!("https://{host}/")) {
            match url.host() {
                Some(Host::Ipv4(address)) => prop_assert!(is_public_v4(address)),
                Some(Host::Ipv6(address)) => prop_assert!(is_public_v6(address)),
                Some(Host::Domain(_)) | None => {}
            }
        }
    }
}
