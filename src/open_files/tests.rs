//! Tests of `open_files`.

use super::*;

#[test]
fn what_the_system_allows_is_taken() {
    let limit = getrlimit(Resource::Nofile);
    let low = limit.maximum.map_or(1_000, |most| most.min(1_000));
    setrlimit(Resource::Nofile, Rlimit { current: Some(low), ..limit }).unwrap();
    raise(&BTreeSet::new());
    assert_eq!(getrlimit(Resource::Nofile).current, limit.maximum);
}

#[test]
fn logins_and_the_database_keep_their_files_when_all_pages_wait() {
    assert_eq!(public_connections(20_000, true), 16_384);
    assert_eq!(public_connections(8_192, true), 8_192 - 2_000 - 256 - 64);
    assert_eq!(public_connections(4_096, false), 4_096 - 256 - 64);
    assert_eq!(public_connections(1_024, true), 256);
    assert_eq!(public_connections(u64::MAX, true), 16_384);
}
