//! Which rebuild may write the idle slot. The other tests are in `tests/read_side`.

use super::{RebuildError, slot};
use eventlog::testing;
use projections::views;

#[tokio::test]
async fn a_rebuild_that_was_taken_over_writes_nothing_more() {
    // 1. One rebuild fills the slot. 2. Its connection is lost, and another one empties the slot. 3. The first goes on.
    let test = testing::database().await;
    let users = views::named("users").unwrap();
    let first = slot::Building::begin(&test.db, users, 0).await.unwrap();
    slot::clean(&test.db, users, None, &mut |_| {}).await.unwrap();
    assert!(matches!(first.begin_fenced().await, Err(RebuildError::Fenced("users"))));
    let second = slot::Building::begin(&test.db, users, 0).await.unwrap();
    assert!(matches!(first.begin_fenced().await, Err(RebuildError::Fenced("users"))));
    slot::clean(&test.db, users, Some(first.epoch), &mut |_| {}).await.unwrap();
    second.begin_fenced().await.expect("the first one's end is none of its business");
}
