//! Invites through the admin API: one is made, used and shown with who used it; many are made at once; one is taken back.

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};

use crate::admin_acts::world;
use crate::admin_client::{AdminPage, account_of, send};

fn order(count: u32) -> Value {
    json!({
        "tier": "premium", "max_uses": 1, "valid_days": 30, "subscription_days": 30,
        "note": "for the fair", "count": count,
    })
}

#[tokio::test]
async fn an_invite_is_made_used_and_shown_with_who_used_it() -> Result<()> {
    let world = world().await?;
    let page = AdminPage::open(&world, ANNA).await?;
    let made = page.post("invites", order(1)).await?;
    assert_eq!(made.status, 201, "{made:?}");
    let invite = made.body["items"][0].clone();
    let (id, code) =
        (invite["invite_id"].as_str().context("an id")?, invite["code"].as_str().context("a code")?);
    let link = format!("https://t.me/{}?start={code}", world.telegram.bot_api.username());
    assert_eq!((&invite["state"], &invite["link"]), (&json!("open"), &json!(link)));
    assert_eq!(page.get(&format!("invites/{id}")).await?.body["note"], "for the fair");

    let session = world.begin_login(ILYA, code).await?;
    let shown = page.get(&format!("invites/{id}")).await?.body;
    assert_eq!((&shown["reserved"], &shown["redemptions"][0]["used"]), (&json!(1), &json!(false)), "{shown}");
    world.phone(ILYA).scan(&world.qr_link(ILYA, &session).await?).await?;
    world.wait_for_event("InviteUsed").await?;

    let shown = page.get(&format!("invites/{id}")).await?.body;
    assert_eq!((&shown["state"], &shown["used"], &shown["reserved"]), (&json!("used"), &json!(1), &json!(0)));
    let by = &shown["redemptions"][0];
    assert_eq!(by["account_id"], json!(account_of(&world, ILYA).await?));
    assert!(by["name"].as_str().is_some_and(|name| name.starts_with("Ilya")), "{by}");
    assert_eq!((&by["used"], &by["login_id"]), (&json!(true), &json!(session)));
    Ok(())
}

#[tokio::test]
async fn many_invites_are_made_once_listed_by_pages_and_taken_back() -> Result<()> {
    let world = world().await?;
    let page = AdminPage::open(&world, ANNA).await?;
    let mut told = Vec::new();
    for _ in 0..2 {
        let request = page.request(Method::POST, "invites").json(&order(5));
        let answer = send(request.header("Idempotency-Key", "five")).await?;
        assert_eq!(answer.status, 201, "{answer:?}");
        let items = answer.body["items"].as_array().context("items")?.clone();
        told.push(items.iter().map(|it| it["code"].clone()).collect::<Vec<_>>());
    }
    assert_eq!(told[0], told[1], "the same order gives the same invites");
    assert_eq!(told[0].len(), 5);
    world.events().await?;

    let (mut listed, mut after) = (Vec::new(), String::new());
    loop {
        let answer = page.get(&format!("invites?limit=2{after}")).await?;
        let items = answer.body["items"].as_array().context("items")?.clone();
        assert!(items.len() <= 2);
        listed.extend(items);
        match answer.body["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let mut codes: Vec<_> = listed.iter().map(|it| it["code"].to_string()).collect();
    codes.sort();
    codes.dedup();
    assert_eq!((listed.len(), codes.len()), (5, 5), "{listed:?}");

    let id = listed[0]["invite_id"].as_str().context("an id")?;
    for _ in 0..2 {
        let revoked = page.post(&format!("invites/{id}/revoke"), json!({})).await?;
        assert_eq!((revoked.status, &revoked.body["state"]), (200, &json!("revoked")), "{revoked:?}");
    }
    let of = async |state: &str| {
        let answer = page.get(&format!("invites?state={state}")).await?;
        anyhow::Ok(answer.body["items"].as_array().context("items")?.len())
    };
    assert_eq!(
        [of("open").await?, of("revoked").await?, of("used").await?, of("expired").await?],
        [4, 1, 0, 0]
    );
    let by: Vec<_> = world.events().await?.into_iter().filter(|event| event.stream == "invite").collect();
    assert_eq!(by.len(), 6);
    assert!(by.iter().all(|event| event.metadata.actor == page.account_id));
    Ok(())
}

#[tokio::test]
async fn an_invite_that_makes_no_sense_is_not_made() -> Result<()> {
    let world = world().await?;
    let page = AdminPage::open(&world, ANNA).await?;
    for (field, value) in [
        ("tier", json!("free")),
        ("max_uses", json!(0)),
        ("max_uses", json!(1_000_001)),
        ("valid_days", json!(0)),
        ("subscription_days", json!(36_501)),
        ("note", json!("a".repeat(201))),
        ("note", json!("\0")),
        ("count", json!(0)),
        ("count", json!(101)),
        ("code", json!("3HBP4Z3ECICZ")),
    ] {
        let mut body = order(1);
        body[field] = value;
        let answer = page.post("invites", body).await?;
        assert_eq!(answer.status, 400, "{field}: {answer:?}");
    }
    for path in
        ["invites?limit=0", "invites?limit=201", "invites?state=lost", "invites?after=x", "invites?page=2"]
    {
        assert_eq!(page.get(path).await?.status, 400, "{path}");
    }
    assert_eq!(page.get("invites/00000000-0000-4000-8000-000000000001").await?.status, 404);
    assert_eq!(page.get("invites/3HBP4Z3ECICZ").await?.status, 404);
    assert_eq!(world.event_names_of("invite").await?, Vec::<String>::new());
    Ok(())
}
