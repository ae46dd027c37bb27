//! An admin has a view rebuilt: over HTTP, and in the chat while the process is killed.

use anyhow::{Context as _, Result, ensure};
use eventlog::testing;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use stand_in::accounts::{ANNA, ILYA};
use stand_in::service::{Service, Settings};
use stand_in::{Options, Telegram};

use crate::admin_acts::world;
use crate::admin_client::{AdminPage, Answer};
use crate::wait::eventually;
use crate::world::World;

/// SIGKILL ends the real binary and its private PostgreSQL in the middle of a rebuild.
#[tokio::test]
async fn a_rebuild_goes_on_after_its_process_was_killed_and_the_admin_is_told() -> Result<()> {
    // 1. A rebuild waits for a reader, with everything built. 2. The process is killed. 3. The next one carries it out, and
    // tells the admin in the same message.
    let telegram = Telegram::start(Options::default()).await?;
    let folder = tempfile::tempdir()?;
    let mut settings = Settings::new(&telegram, folder.path(), None)?.with("ADMIN_IDS", ILYA.to_string());
    settings.binary = env!("CARGO_BIN_EXE_qr-login").into();
    let service = Service::new(settings);
    service.start()?;
    service.wait_until_running().await?;
    let ilya = telegram.person(ILYA);
    telegram.person(ANNA).ask("/help").await?;
    ilya.ask("/help").await?;
    let mut reader = PgConnection::connect(&service.database_url().await?).await?;
    // A batch that is being projected would write over it.
    let at_rest = "select position = (select count(*) from events) from checkpoints where consumer = 'users'";
    while !sqlx::query_scalar::<_, bool>(at_rest).fetch_one(&mut reader).await? {
        tokio::task::yield_now().await;
    }
    assert_eq!(reader.execute("update slots.users_a set first_name = 'Eve'").await?.rows_affected(), 2);
    let begin = "begin isolation level repeatable read; select 1 from checkpoints";
    sqlx::raw_sql(begin).execute(&mut reader).await?;
    let question = ilya.ask("/admin_rebuild users").await?;
    ilya.press_button("🧱 Пересобрать").await?;
    ilya.wait_for_message(|message| message.text.contains("Журнал прочитан")).await?;

    service.kill().await;
    service.start()?;
    service.wait_until_running().await?;
    let told =
        ilya.wait_for_message(|message| message.text.starts_with("✅ Таблица users пересобрана")).await?;
    assert!(told.text.contains("Отличалось: 2 "), "{}", told.text);
    assert_eq!(told.message_id, question.message_id);
    let mut db = PgConnection::connect(&service.database_url().await?).await?;
    let (tries, forged): (i32, i64) = sqlx::query_as(
        "select tries, (select count(*) from users where first_name = 'Eve') from rebuild_runs",
    )
    .fetch_one(&mut db)
    .await?;
    assert_eq!((tries, forged), (2, 0));
    let ordered =
        service.replay(&service.database_url().await?, &["history", "--event", "RebuildOrdered"]).await?;
    assert_eq!(ordered.matches("RebuildOrdered").count(), 1, "{ordered}");
    service.stop().await;
    Ok(())
}

/// Anna is an admin; both people are shown by the views.
async fn settled() -> Result<(World, AdminPage)> {
    let world = world().await?;
    eventually("both are shown", async || {
        let shown =
            sqlx::query_scalar::<_, i64>("select count(*) from users").fetch_one(world.db.pool()).await?;
        Ok(shown == 2)
    })
    .await?;
    let page = AdminPage::open(&world, ANNA).await?;
    Ok((world, page))
}

async fn read(page: &AdminPage, path: &str) -> Result<Value> {
    let answer = page.get(path).await?;
    ensure!(answer.status == 200, "{path}: {answer:?}");
    Ok(answer.body)
}

async fn ended(page: &AdminPage, id: &str) -> Result<Value> {
    let path = format!("rebuilds/{id}");
    eventually("the rebuild ends", async || Ok(read(page, &path).await?["ended_at"].is_string())).await?;
    read(page, &path).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_has_a_view_checked_and_rebuilt_over_http_and_reads_where_each_row_parts_from_the_log()
-> Result<()> {
    let (world, page) = settled().await?;
    let overview = read(&page, "projections").await?;
    let users = overview["views"].as_array().context("views")?.iter().find(|it| it["view"] == "users");
    let users = users.context("users")?;
    assert_eq!((&users["rows"], &users["parked"], &users["rebuild"]), (&json!(2), &json!(0), &Value::Null));

    let forge = format!("delete from slots.users_a where telegram_id = {ILYA}");
    sqlx::query(&forge).execute(world.db.pool()).await?;
    for dry_run in [true, false] {
        let Answer { status, body: run } =
            page.post("projections/users/rebuild", json!({"dry_run": dry_run})).await?;
        assert_eq!((status, &run["dry_run"]), (202, &json!(dry_run)));
        // The leader may have taken it already.
        assert!(["waiting", "running"].contains(&run["status"].as_str().context("a status")?), "{run}");
        let ended = ended(&page, run["rebuild_id"].as_str().context("an id")?).await?;
        assert_eq!(ended["status"], "done", "{ended}");
        let report = &ended["report"];
        assert_eq!(
            (&report["rows"], &report["differ"], &report["missing"]),
            (&json!(2), &json!(1), &json!(1))
        );
        let row = &report["differences"][0];
        assert_eq!((&row["live"], &row["log"]["first_name"]), (&Value::Null, &json!("•••")));
        assert_eq!(row["explanation"]["kind"], "as_of");
        assert_eq!(row["explanation"]["event"], "AccountRegistered");
        assert!(row["explanation"]["position"].is_i64() && row["explanation"]["at"].is_string(), "{row}");
    }
    let latest = read(&page, "projections").await?;
    assert_eq!(latest["views"][0]["rebuild"]["dry_run"], false);

    let body = || json!({"dry_run": true});
    assert_eq!(page.post("projections/nonsense/rebuild", body()).await?.status, 404);
    assert_eq!(page.post("projections/users/rebuild", json!({})).await?.status, 400);
    let more = json!({"dry_run": true, "more": 1});
    assert_eq!(page.post("projections/users/rebuild", more).await?.status, 400);
    for path in ["rebuilds/00000000-0000-0000-0000-000000000001", "rebuilds/x"] {
        assert_eq!(page.get(path).await?.status, 404, "{path}");
        assert_eq!(page.delete(path).await?.status, 404, "{path}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_rebuild_a_view_runs_and_an_admin_stops_it_over_http() -> Result<()> {
    let (world, page) = settled().await?;
    let mut reader = testing::connection(&world.db).await;
    let begin = "begin isolation level repeatable read; select 1 from checkpoints";
    sqlx::raw_sql(begin).execute(&mut reader).await?;
    let order = || page.post("projections/users/rebuild", json!({"dry_run": false}));
    let Answer { status, body: run } = order().await?;
    assert_eq!(status, 202);
    let Answer { status, body: problem } = order().await?;
    assert_eq!((status, &problem["type"]), (409, &json!("urn:qr-login:rebuild_runs")));
    let id = run["rebuild_id"].as_str().context("an id")?;
    for _ in 0..2 {
        assert_eq!(page.delete(&format!("rebuilds/{id}")).await?.status, 202);
    }
    assert_eq!(ended(&page, id).await?["status"], "cancelled");
    drop(reader);
    let names: Vec<String> = world.events().await?.into_iter().map(|event| event.name).collect();
    let count = |name: &str| names.iter().filter(|it| *it == name).count();
    assert_eq!((count("RebuildOrdered"), count("RebuildCancelled")), (1, 1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_has_what_is_parked_folded_again_over_http_and_reads_who_did_it() -> Result<()> {
    let (world, page) = settled().await?;
    let park = "insert into parked (view, key, position, error) \
                select 'users', account_id::text, 1, 'a bug (column ' || telegram_id || ')' from users";
    sqlx::raw_sql(park).execute(world.db.pool()).await?;
    let parked = read(&page, "parked").await?;
    assert_eq!(parked["items"].as_array().map(Vec::len), Some(1), "{parked}");
    let cause = &parked["items"][0];
    assert_eq!(
        (&cause["cause"], &cause["count"], &cause["views"]),
        (&json!("a bug"), &json!(2), &json!(["users"]))
    );
    let key = cause["keys"][0]["key"].as_str().context("a key")?;

    let replay = |body: Value| page.post("parked/replay", body);
    let Answer { status, body: one } = replay(json!({"view": "users", "key": key})).await?;
    assert_eq!((status, &one["replayed"], &one["still_parked"]), (200, &json!(1), &json!(0)));
    assert_eq!(one["items"], json!([{"view": "users", "key": key, "parked": false, "error": null}]));
    let Answer { status, body: rest } = replay(json!({"view": "users", "cause": "a bug"})).await?;
    assert_eq!((status, &rest["replayed"]), (200, &json!(1)));
    assert_eq!(replay(json!({"view": "users", "cause": "a bug"})).await?.status, 404);
    assert_eq!(replay(json!({"view": "users"})).await?.status, 400);
    assert_eq!(replay(json!({"view": "users", "key": key, "cause": "a bug"})).await?.status, 400);
    assert_eq!(replay(json!({"view": "reactor", "key": key})).await?.status, 404);
    assert_eq!(read(&page, "parked").await?["items"], json!([]));

    let first = read(&page, "parked/history?limit=1").await?;
    let next = first["next"].as_str().context("a second page")?;
    let second = read(&page, &format!("parked/history?limit=1&after={next}")).await?;
    assert_eq!(second["next"], Value::Null);
    for order in [&first["items"][0], &second["items"][0]] {
        assert_eq!((&order["cause"], &order["replayed"]), (&json!("a bug"), &json!(1)));
        let by = order["by"].as_str().context("an actor")?;
        assert!(
            world
                .events()
                .await?
                .iter()
                .any(|it| it.name == "ParkedReplayOrdered" && it.metadata.actor == by)
        );
    }
    assert_eq!(page.get("parked/history?limit=0").await?.status, 400);
    Ok(())
}
