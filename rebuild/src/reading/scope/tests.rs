//! The assembled selects that read the log are accepted by a migrated database, for every choice of views.

use sqlx::Executor;

use super::*;
use eventlog::testing;
use projections::views::{self, lookups};

#[tokio::test]
async fn a_migrated_database_accepts_every_select_that_a_copy_reads() {
    let db = testing::database().await.db;
    // One event with a position.
    let event = "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
                 values ('login', 'a', 1, 'LoginStarted', '1', '{}', '{}')";
    db.pool().execute(event).await.unwrap();
    eventlog::sequencer::Sequencer::take_over(&db).await.unwrap().pass().await.unwrap();
    let mut scopes: Vec<Scope> = views::all().into_iter().map(|view| Scope::of_views(&[view])).collect();
    scopes.push(Scope::of_views(&views::all()));
    let mut selects = vec![lookups::INVITERS.to_owned(), lookups::inviters_among()];
    for scope in scopes {
        let slices = scope.slices(&db, 0, 1, 1).await.unwrap();
        assert_eq!((slices.positions.len(), slices.events.len()), (1, 1));
        selects.extend(slices.positions.into_iter().chain(slices.events));
    }
    let mut connection = testing::connection(&db).await;
    for select in selects {
        connection.prepare(&select).await.unwrap_or_else(|error| panic!("{select}: {error}"));
    }
}
