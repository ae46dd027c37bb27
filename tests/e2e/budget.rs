//! How many connections to PostgreSQL a process holds besides its pool, as docs/operate.md tells it.

use anyhow::Result;
use qr_login::Config;
use qr_login::config::Role;

use crate::wait::eventually;
use crate::world::{World, WorldOptions};

#[tokio::test]
async fn a_process_holds_as_many_connections_besides_its_pool_as_the_docs_say() -> Result<()> {
    type Case = (fn(&mut Config), i64);
    let held = "select count(*) from pg_stat_activity
                 where datname = current_database() and usename = 'qr_login_service'
                   and (query like '%vault.announce%' or query ilike 'listen %')";
    let cases: [Case; 4] = [
        (|config| config.roles = [Role::Api].into(), 1),
        (|config| config.roles = [Role::Bot].into(), 1 + 3),
        (|config| config.roles = [Role::Projector].into(), 1 + 3),
        (|_| {}, 1 + 3 + 3),
    ];
    for (configure, wanted) in cases {
        let world =
            World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
        let roles = world.config.roles.clone();
        eventually(&format!("{roles:?} hold {wanted}"), async || {
            Ok(sqlx::query_scalar::<_, i64>(held).fetch_one(world.db.pool()).await? == wanted)
        })
        .await?;
    }
    Ok(())
}
