//! Projections in the app: a row that parts from the log is explained and repaired, and parked rows are replayed by their cause.

use anyhow::{Result, ensure};
use stand_in::accounts::{ANNA, ILYA};

use super::acts::{actors, admin};
use super::app::{AdminApp, fixture};
use crate::pages::client::Screen;

#[tokio::test]
async fn a_row_that_parts_from_the_log_is_explained_and_parked_rows_are_replayed() -> Result<()> {
    let fixture = fixture().await?;
    let world = &fixture.world;
    world.person(ANNA).ask("/start").await?;
    world.events().await?;
    let forge = format!("delete from slots.users_a where telegram_id = {ANNA}");
    sqlx::query(&forge).execute(world.db.pool()).await?;
    let app = AdminApp::open(&fixture, ILYA, Screen { width: 320, sdk: false, ..Screen::DEFAULT }).await?;

    // 1. A check changes nothing, and names the event at which the row parts from the log.
    app.go("KeyP", "Проекции").await?;
    app.evaluate("document.querySelector('button.row.go').click()").await?;
    app.press("Только проверить").await?;
    app.wait_for_text("Отличается 1 строка").await?;
    app.wait_for_text("Новый человек · #").await?;
    app.check("difference").await?;
    let left: i64 = sqlx::query_scalar("select count(*) from users").fetch_one(world.db.pool()).await?;
    ensure!(left == 1, "the check has changed the view");

    // 2. A rebuild asks first, and repairs it.
    app.press("Пересобрать").await?;
    app.wait_for_text("Проекция будет собрана заново").await?;
    app.check("rebuild-asks").await?;
    app.press("Пересобрать").await?;
    app.wait_for_text("Пересборка · вы").await?;
    let repaired: i64 = sqlx::query_scalar("select count(*) from users").fetch_one(world.db.pool()).await?;
    ensure!(repaired == 2, "the row is not back");
    let admin = admin(world).await?;
    ensure!(actors(world, "RebuildOrdered").await? == [admin.as_str(), admin.as_str()]);

    // 3. Rows that stand still for one reason are replayed together, and the page says who did it.
    let park = "insert into parked (view, key, position, error) \
                select 'users', account_id::text, 1, 'a bug (column ' || telegram_id || ')' from users";
    sqlx::raw_sql(park).execute(world.db.pool()).await?;
    app.go("KeyP", "Проекции").await?;
    app.wait_for_text("a bug").await?;
    app.check("parked").await?;
    app.press("Повторить 2 строки").await?;
    app.wait_for_text("Их события будут учтены заново").await?;
    app.press("Повторить").await?;
    app.wait_for_text("Ничего не отложено").await?;
    app.wait_for_text("Кто и когда исправил").await?;
    ensure!(actors(world, "ParkedReplayOrdered").await? == [admin.as_str()]);
    app.app.expect_no_errors()
}
