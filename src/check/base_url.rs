//! The public address: it resolves, its certificate is good, and behind it is this service.

use std::error::Error;
use std::time::Duration;

use login_worker::Network;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use url::Url;

use crate::config::{self, Settings};

use super::report::Finding;

const PART: &str = "base URL";
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// In our page, and hardly in another one.
const IN_OUR_PAGE: &str = "/qr-auth/static/";
const LONGEST_PAGE_BYTES: usize = 256 * 1024;
const PASS_ON: &str = "let the proxy there pass /qr-auth*, /me, /admin*, /api/* and /log/* on to LISTEN_ADDR (deploy/Caddyfile)";

/// Before the service runs, nothing has to answer there; afterwards the page has to.
pub async fn check(settings: &Settings, network: Option<&Network>, is_running: bool) -> Vec<Finding> {
    let private = network.is_some_and(Network::is_private);
    let base =
        config::base_url(settings, private).ok().and_then(|base| Some((Url::parse(&base).ok()?, base)));
    let Some((url, base)) = base else { return vec![Finding::not_asked(PART)] };
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if tokio::net::lookup_host((bare, port)).await.is_err() {
        let to_do = "make a DNS record for it, or correct AUTH_BASE_URL";
        return vec![Finding::fault(PART, format!("{host} does not resolve"), to_do)];
    }
    vec![match get_page(&base).await {
        Ok((200, page)) if page.contains(IN_OUR_PAGE) => {
            Finding::ok(PART, format!("{base} answers as this service does"))
        }
        Ok((status @ 502..=504, _)) if !is_running => Finding::warning(
            PART,
            format!("{base} answers HTTP {status}"),
            "look again once the service runs",
        ),
        Ok((status, _)) => Finding::fault(
            PART,
            format!("{base} answers HTTP {status}, and not as this service does"),
            PASS_ON,
        ),
        Err(why) if why.contains("certificate") => {
            Finding::fault(PART, format!("{base}: {why}"), "give the proxy a certificate for this name")
        }
        Err(why) if is_running => Finding::fault(PART, format!("{base} does not answer: {why}"), PASS_ON),
        Err(why) => Finding::warning(
            PART,
            format!("{base} does not answer: {why}"),
            "look again once the service and its proxy run",
        ),
    }]
}

/// Status and text, or what went wrong.
async fn get_page(base: &str) -> Result<(u16, String), String> {
    let client = Client::builder().redirect(Policy::none()).timeout(ANSWERS_WITHIN).build();
    let client = client.map_err(|error| cause(&error))?;
    let asked = client.get(format!("{base}/qr-auth?session_id=check")).send().await;
    let answer = asked.map_err(|error| cause(&error.without_url()))?;
    let status = answer.status().as_u16();
    Ok((status, beginning(answer).await))
}

async fn beginning(mut answer: Response) -> String {
    let mut page = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        page.extend(piece);
        if page.len() > LONGEST_PAGE_BYTES {
            break;
        }
    }
    String::from_utf8_lossy(&page).into_owned()
}

/// The last cause: the one that says what happened.
fn cause(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(deeper) = last.source() {
        last = deeper;
    }
    last.to_string()
}
