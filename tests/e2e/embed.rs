//! The SQL of `docs/embed.md`, run as it stands there: what the owner gives, what another service then reads, and what stays closed
//! to it.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use eventlog::testing;
use sqlx::{Executor as _, PgConnection, Row as _};
use stand_in::accounts::ILYA;

use crate::world::World;

const ROLE: &str = "digest_service";

fn document() -> Result<String> {
    Ok(std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/embed.md"))?)
}

/// The blocks of SQL, in their order: who runs it, and what.
fn statements() -> Result<Vec<(String, String)>> {
    let document = document()?;
    let blocks = document.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    let blocks = blocks.map(|block| {
        let (first, sql) = block.split_once('\n').context("an empty block")?;
        let who = first.strip_prefix("-- as ").context("a block that does not say who runs it")?;
        Ok((who.to_owned(), sql.to_owned()))
    });
    blocks.collect()
}

async fn as_the_service(world: &World) -> Result<PgConnection> {
    let mut connection = testing::connection(&world.db).await;
    connection.execute(format!("set role {ROLE}").as_str()).await?;
    Ok(connection)
}

async fn expect_refused(world: &World, statements: &[&str]) -> Result<()> {
    for refused in statements {
        let error = as_the_service(world).await?.execute(*refused).await.err();
        let error = error.with_context(|| format!("{refused} is allowed"))?;
        let code = error.as_database_error().and_then(|it| it.code()).unwrap_or_default().into_owned();
        assert_eq!(code, "42501", "{refused}: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn every_column_of_users_is_in_the_documentation() -> Result<()> {
    let test = testing::database().await;
    let columns = "select column_name::text from information_schema.columns
                    where table_schema = 'public' and table_name = 'users'";
    let columns: Vec<String> = sqlx::query_scalar(columns).fetch_all(test.db.pool()).await?;
    let document = document()?;
    let missing: Vec<_> =
        columns.iter().filter(|column| !document.contains(&format!("`{column}`"))).collect();
    assert!(columns.len() >= 19, "{columns:?}");
    assert!(missing.is_empty(), "docs/embed.md lacks {missing:?}");
    Ok(())
}

#[tokio::test]
async fn another_service_reads_what_the_documentation_gives_it_and_nothing_else() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    testing::all_in_place(&world.db).await;
    let mut statements = statements()?.into_iter();
    let mut next = |wanted: &str| {
        let (who, sql) = statements.next().context("a block is missing")?;
        ensure!(who == wanted, "{who} runs what {wanted} should: {sql}");
        Ok(sql)
    };

    // 1. The table `users`.
    world.db.pool().execute(next("the owner")?.as_str()).await?;
    let may_use = next(ROLE)?;
    let row = as_the_service(&world).await?.fetch_one(may_use.as_str()).await?;
    assert!(row.get::<bool, _>("is_authenticated"));
    assert_eq!(row.get::<String, _>("subscription_type"), "premium");

    // 2. Nothing else.
    expect_refused(
        &world,
        &[
            "select 1 from events",
            "select 1 from log_index",
            "select 1 from login_status",
            "select 1 from invites",
            "select 1 from subscriptions",
            "select 1 from slots.users_a",
            "select 1 from vault.subjects",
            "select 1 from vault.sessions",
            "update slots.users_a set is_blocked = false",
            "delete from slots.users_a",
        ],
    )
    .await?;

    // 3. The log, in its order.
    world.db.pool().execute(next("the owner")?.as_str()).await?;
    let read_log = next(ROLE)?;
    let rows = as_the_service(&world).await?.fetch_all(read_log.as_str()).await?;
    let read: Vec<_> =
        rows.iter().map(|row| (row.get::<i64, _>("position"), row.get::<String, _>("event_type"))).collect();
    let events = world.events().await?;
    let recorded: Vec<_> =
        (1..).zip(events.iter().map(|event| event.name.clone())).take(read.len()).collect();
    assert!(read.len() >= 8, "{read:?}");
    assert_eq!(read, recorded);
    expect_refused(
        &world,
        &[
            "insert into events default values",
            "select 1 from vault.sessions",
            "select 1 from vault.subjects",
        ],
    )
    .await?;

    // 4. The grant survives a rebuild.
    rebuild::rebuild(&world.db, &["users".to_owned()], |_| ()).await?;
    as_the_service(&world).await?.fetch_one(may_use.as_str()).await?;
    assert!(statements.next().is_none(), "a block of the document is not tested");
    Ok(())
}
