//! The numbers of the admin API after real logins: the dashboard and what happened over time, the same as `/admin_stats` tells.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use stand_in::accounts::{ANNA, ILYA};

use crate::admin_acts::world;
use crate::admin_client::{AdminPage, account_of};

#[tokio::test]
async fn an_admin_reads_how_everything_stands_and_what_happened() -> Result<()> {
    let world = world().await?;
    let page = AdminPage::open(&world, ANNA).await?;
    world.log_in(ILYA).await?;
    world.wait_for_event("SubscriptionActivated").await?;
    let code = world.invite(domain::Tier::Basic).await?;
    world.begin_login(ANNA, &code).await?;
    world.person(ANNA).ask("/cancel").await?;
    world.wait_for_event("LoginCancelled").await?;

    let told = page.get("summary").await?;
    assert_eq!(told.status, 200, "{told:?}");
    let it = &told.body;
    assert_eq!(
        (&it["people"], &it["authenticated"], &it["blocked"]),
        (&json!(2), &json!(1), &json!(0)),
        "{it}"
    );
    assert_eq!((&it["live_logins"], &it["open_invites"]), (&json!(0), &json!(1)), "{it}");
    assert_eq!(it["subscriptions"], json!([{"tier": "premium", "active": 1}]));
    assert_eq!(it["expiring"], json!({"in_1_day": 0, "in_7_days": 0}));
    let logins = json!({"authorized": 1, "expired": 0, "cancelled": 1, "rejected": 0, "failed": 0});
    assert_eq!(it["today"], json!({"registered": 2, "logins": logins, "invites_used": 1}));
    assert_eq!((&it["parked"], &it["alarms"]), (&json!(0), &json!([])), "{it}");

    let told = page.get("statistics").await?;
    assert_eq!((told.status, &told.body["bucket"]), (200, &json!("day")), "{told:?}");
    let days = told.body["buckets"].as_array().context("buckets")?;
    assert_eq!(days.len(), 30);
    let today = days.last().context("today")?;
    assert_eq!(today["registered"], 2);
    let logins =
        json!({"started": 2, "authorized": 1, "expired": 0, "cancelled": 1, "rejected": 0, "failed": 0});
    assert_eq!((&today["logins"], &today["ways"]), (&logins, &json!({"qr": 1, "phone": 0})));
    assert_eq!(today["subscriptions"], json!({"started": {"premium": 1}, "ended": 0}));
    assert_eq!(today["seconds_to_log_in"]["count"], 1);
    assert_eq!(days[0]["seconds_to_log_in"], json!(null));

    let message = world.person(ANNA).ask("/admin_stats").await?.text;
    assert!(
        message.contains("👥 2 people: 1 linked, 0 blocked\n💎 Active subscriptions: premium 1\n"),
        "{message}"
    );
    assert!(message.contains("✅ Logged in: 1 (1 by QR code, 0 by phone number)\n"), "{message}");
    assert!(message.contains("🚫 Not logged in: cancelled 1\n"), "{message}");

    // A person who is forgotten is no longer counted among the people, and stays counted in their hour.
    let forgotten = account_of(&world, ILYA).await?;
    page.post(&format!("users/{forgotten}/reset"), json!({})).await?;
    world.wait_for_event("AccountErased").await?;
    let it = page.get("summary").await?.body;
    assert_eq!(
        (&it["people"], &it["authenticated"], &it["subscriptions"]),
        (&json!(1), &json!(0), &json!([]))
    );
    assert_eq!(it["today"]["registered"], 2);
    Ok(())
}

#[tokio::test]
async fn a_stretch_of_time_is_asked_for_by_days_or_times_and_what_is_none_is_refused() -> Result<()> {
    let world = world().await?;
    let page = AdminPage::open(&world, ANNA).await?;
    for (asked, buckets) in [
        ("from=2026-11-02&to=2026-11-03&bucket=hour", 48),
        ("from=2026-11-02T10:30:00Z&to=2026-11-02T12:00:00Z&bucket=hour", 2),
        ("from=2026-11-01&to=2026-11-15&bucket=week", 3),
        ("from=2026-11-15&to=2026-11-15", 1),
    ] {
        let told = page.get(&format!("statistics?{asked}")).await?;
        assert_eq!(told.status, 200, "{asked}: {told:?}");
        assert_eq!(told.body["buckets"].as_array().context("buckets")?.len(), buckets, "{asked}");
    }
    for asked in [
        "from=2026-11-03&to=2026-11-02",
        "from=yesterday",
        "bucket=year",
        "from=2020-01-01",
        "since=2026-11-01",
    ] {
        assert_eq!(page.get(&format!("statistics?{asked}")).await?.status, 400, "{asked}");
    }
    Ok(())
}

#[tokio::test]
async fn what_stands_still_is_an_alarm_in_the_admins_language() -> Result<()> {
    let world = world().await?;
    let page = AdminPage::open(&world, ANNA).await?;
    sqlx::query("insert into parked (view, key, position, error) values ('users', 'somebody', 1, 'a test')")
        .execute(world.db.pool())
        .await?;
    let alarms =
        tokio::time::timeout(Duration::from_secs(60), page.get("summary")).await??.body["alarms"].clone();
    assert_eq!(alarms[0]["kind"], "parked");
    assert_eq!(alarms[0]["text"], "An event could not be processed. Parked: 1 row.");
    Ok(())
}
