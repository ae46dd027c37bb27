//! `/api/docs` in a browser: the contract of the APIs, from this origin alone and under its policy.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::browser::{Browser, PageOptions};
use crate::world::World;

const OPTIONS: PageOptions = PageOptions { width: 1024, height: 768, scale: 1, dark: false, sdk: false };

#[tokio::test]
async fn a_stranger_finds_a_request_with_its_fields_and_its_scope() -> Result<()> {
    let world = World::start().await?;
    let answer = world.http.get(format!("{}/api/docs", world.base())).send().await?;
    let policy = answer.headers()["content-security-policy"].to_str()?.to_owned();
    ensure!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    ensure!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");

    let browser = Browser::launch().await?;
    let page = browser.page(OPTIONS).await?;
    page.goto(&format!("{}/api/docs", world.base())).await?;
    page.wait_until("document.getElementById('state').hidden").await?;
    let text = page.text().await?;
    for wanted in [
        "For other services",
        "/api/v1/users/{telegram_id}/subscription",
        "A person’s own page",
        "Admins: users",
    ] {
        ensure!(text.contains(wanted), "{wanted}: {text}");
    }
    // It is found, and opened.
    let find = "(() => { const find = document.getElementById('find'); find.value = 'may this person'; \
                find.dispatchEvent(new Event('input')); })()";
    page.evaluate(find).await?;
    let shown = "document.querySelectorAll('details.operation:not([hidden])').length";
    assert_eq!(page.evaluate(shown).await?, json!(1));
    page.click("#get_subscription_v1 > summary").await?;
    let text = page.text().await?;
    for wanted in
        ["Takes a key with the scope users:read.", "min_position", "expires_at", "active", "boolean"]
    {
        ensure!(text.contains(wanted), "{wanted}: {text}");
    }
    // Nothing was loaded from elsewhere, and nothing broke the policy.
    let origins =
        "[...new Set(performance.getEntriesByType('resource').map((it) => new URL(it.name).origin))].length";
    assert_eq!(page.evaluate(origins).await?, json!(1));
    ensure!(page.errors().is_empty(), "{:?}", page.errors());
    Ok(())
}
