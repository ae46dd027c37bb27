//! The list of people in the admin API: searched, filtered, in an order, page by page.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};

use crate::admin_acts::world;
use crate::admin_client::{AdminPage, account_of};

/// The Telegram ids on a page, and its cursor.
async fn page_of(page: &AdminPage, query: &str) -> Result<(Vec<i64>, Option<String>)> {
    let answer = page.get(&format!("users?{query}")).await?;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    let items = answer.body["items"].as_array().context("items")?;
    let ids = items.iter().filter_map(|it| it["telegram_id"].as_i64()).collect();
    Ok((ids, answer.body["next"].as_str().map(str::to_owned)))
}

#[tokio::test]
async fn people_are_found_filtered_and_turned_page_by_page() -> Result<()> {
    let world = world().await?;
    let page = AdminPage::open(&world, ANNA).await?;
    let ilya = account_of(&world, ILYA).await?;
    page.post(&format!("users/{ilya}/subscription"), json!({"tier": "basic", "days": 30})).await?;
    page.post(&format!("users/{ilya}/block"), json!({})).await?;
    world.events().await?;

    for (query, found) in [
        ("", vec![ILYA, ANNA]),
        ("sort=created_at", vec![ANNA, ILYA]),
        ("query=ily", vec![ILYA]),
        (&format!("query={ILYA}"), vec![ILYA]),
        (&format!("query={ilya}"), vec![ILYA]),
        ("query=nobody", vec![]),
        ("tier=basic", vec![ILYA]),
        ("status=active", vec![ILYA]),
        ("status=none", vec![ANNA]),
        ("role=admin", vec![ANNA]),
        ("blocked=true", vec![ILYA]),
        ("blocked=false&role=user", vec![]),
    ] {
        assert_eq!(page_of(&page, query).await?, (found, None), "{query}");
    }

    let (first, next) = page_of(&page, "limit=1").await?;
    let next = next.context("a next page")?;
    let (second, last) = page_of(&page, &format!("limit=1&after={next}")).await?;
    assert_eq!((first, second, last), (vec![ILYA], vec![ANNA], None));
    Ok(())
}

#[tokio::test]
async fn a_filter_that_is_none_is_refused() -> Result<()> {
    let world = world().await?;
    let page = AdminPage::open(&world, ANNA).await?;
    let long = format!("query={}", "a".repeat(201));
    let queries = [
        "tier=gold",
        "status=x",
        "role=king",
        "blocked=2",
        "sort=age",
        "limit=0",
        "after=x",
        "page=1",
        "query=%00",
    ];
    for query in queries.into_iter().chain([long.as_str()]) {
        let answer = page.get(&format!("users?{query}")).await?;
        assert_eq!((answer.status, &answer.body["type"]), (400, &Value::from("about:blank")), "{query}");
    }
    Ok(())
}
