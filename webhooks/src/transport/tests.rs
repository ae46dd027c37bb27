//! One try against a receiver on loopback.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::address::system_lookup;
use crate::tests::receiver::{Receiver, Reply};

fn attempt(url: &str) -> Attempt<'_> {
    Attempt {
        url,
        message_id: "msg_1",
        sent_at: Timestamp::constant(1_700_000_000, 0),
        signature: "v1,x".to_owned(),
        body: "{}".to_owned(),
    }
}

async fn answer(receiver: &Receiver, reply: Reply) -> Answer {
    receiver.answers(move |_| reply.clone());
    let transport = Transport::new(Policy::PublicAndLoopback, &system_lookup());
    transport.send(attempt(&receiver.url())).await
}

fn why_of(answer: &Answer) -> &'static str {
    match answer {
        Answer::Failed { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_status_says_whether_a_message_was_taken() {
    let receiver = Receiver::start().await;
    for status in [200, 201, 202, 204] {
        assert!(matches!(answer(&receiver, Reply::Status(status)).await, Answer::Taken(_)), "{status}");
    }
    assert_eq!(answer(&receiver, Reply::Status(410)).await, Answer::Gone);
    for status in [400, 401, 404, 409, 429, 500, 503] {
        assert!(matches!(answer(&receiver, Reply::Status(status)).await, Answer::Failed { .. }), "{status}");
    }
    let asked = answer(&receiver, Reply::With(503, "retry-after", "120".to_owned())).await;
    assert!(
        matches!(asked, Answer::Failed { retry_after: Some(wait), .. } if wait == Duration::from_secs(120)),
        "{asked:?}"
    );
    assert_eq!(why_of(&answer(&receiver, Reply::HangUp).await), "the connection was lost");
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    for status in [301, 302, 303, 307, 308] {
        let redirect = answer(&receiver, Reply::With(status, "location", elsewhere.url())).await;
        assert_eq!(why_of(&redirect), "answered with a redirect, which is not followed", "{status}");
    }
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn a_long_answer_is_not_read_to_its_end() {
    let receiver = Receiver::start().await;
    for length in [1, 64 * 1024, 8 * 1024 * 1024] {
        let taken = answer(&receiver, Reply::Long(200, length)).await;
        assert!(matches!(taken, Answer::Taken(_)), "{length}");
    }
}

#[tokio::test]
async fn no_connection_goes_inside() {
    let receiver = Receiver::start().await;
    let port = receiver.addr.port();
    let inside: Lookup = Arc::new(|_| Box::pin(std::future::ready(Ok(vec![IpAddr::from([127, 0, 0, 1])]))));
    let transport = Transport::new(Policy::Public, &inside);
    for (url, why) in [
        (format!("https://example.org:{port}/"), "the address is not public"),
        (format!("https://127.0.0.1:{port}/"), "the address is not public"),
        (format!("https://2130706433:{port}/"), "the address is not public"),
        (format!("https://[::ffff:127.0.0.1]:{port}/"), "the address is not public"),
        (format!("https://localhost:{port}/"), "the address is not public"),
        (format!("http://example.org:{port}/"), "the address is not allowed"),
        (format!("https://user:password@example.org:{port}/"), "the address is not allowed"),
    ] {
        assert_eq!(why_of(&transport.send(attempt(&url)).await), why, "{url}");
    }
    assert!(receiver.received().is_empty());
}

/// 1. The guard resolves the name and takes the address. 2. The connection goes to it; a second look would lead elsewhere.
#[tokio::test]
async fn a_connection_goes_to_the_address_that_was_looked_at() {
    let (receiver, asked) = (Receiver::start().await, Arc::new(AtomicUsize::new(0)));
    let counter = asked.clone();
    let rebinding: Lookup = Arc::new(move |_| {
        let last = if counter.fetch_add(1, Ordering::Relaxed) == 0 { 1 } else { 2 };
        Box::pin(std::future::ready(Ok(vec![IpAddr::from([127, 0, 0, last])])))
    });
    let transport = Transport::new(Policy::PublicAndLoopback, &rebinding);
    let url = format!("http://rebinding.example:{}/", receiver.addr.port());
    for _ in 0..3 {
        assert!(matches!(transport.send(attempt(&url)).await, Answer::Taken(_)));
    }
    assert_eq!(receiver.received().len(), 3);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "a connection that is open is not made again");
}

#[tokio::test]
async fn a_failure_is_told_without_the_address() {
    let transport = Transport::new(Policy::PublicAndLoopback, &system_lookup());
    // Nobody listens on a port that was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}/secret");
    let refused = transport.send(attempt(&url)).await;
    assert_eq!(why_of(&refused), "the connection was refused");
    let nowhere: Lookup = Arc::new(|_| Box::pin(std::future::ready(Ok(Vec::new()))));
    let transport = Transport::new(Policy::Public, &nowhere);
    let unknown = transport.send(attempt("https://nowhere.example/")).await;
    assert_eq!(why_of(&unknown), "no connection could be made");
}
