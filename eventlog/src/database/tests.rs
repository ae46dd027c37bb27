//! The pool with its deadlines, and the comments of the tables.

use std::time::Duration;

use domain::{AccountCommand, AccountId, Sealed};
use futures::FutureExt;
use secrecy::ExposeSecret;
use sqlx::Executor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Database, DatabaseError, PoolSettings, is_transient};
use private_postgres::PrivateCluster;

use crate::store::{Context, Store, StoreError};
use crate::testing::proxy::Proxy;
use crate::testing::{self, TestDatabase};
use crate::wake::Topic;

mod service_role;
mod statements;

#[tokio::test]
async fn closing_waits_for_connections_that_are_in_use() {
    let db = testing::database().await.db;
    let mut busy = db.pool().acquire().await.unwrap();
    let idle = [db.pool().acquire().await.unwrap(), db.pool().acquire().await.unwrap()];
    drop(idle);
    while db.pool().num_idle() < 2 {
        tokio::task::yield_now().await;
    }
    let work = async {
        sqlx::query("select pg_sleep(0.1)").execute(&mut busy).await.unwrap();
        drop(busy);
    };
    tokio::join!(db.close(), work);
    assert_eq!(db.pool().size(), 0, "a connection to a server that may stop now is still open");
}

/// The one before may be silent, and its connections open: a process whose presence is lost does not wait for it.
#[tokio::test]
async fn a_connection_outside_of_the_pool_is_made_to_the_server_that_is_the_wanted_one_now() {
    let url = testing::url().await;
    let (one, other) = (Proxy::before(&url).await, Proxy::before(&url).await);
    let text = one.url.expose_secret();
    let both = text.replace(&one.addr.to_string(), &format!("{},{}", one.addr, other.addr));
    // 1. The second one is silent. 2. The first one falls silent, and the second one answers.
    other.goes_away();
    let db = Database::connect(&both.into()).await.unwrap();
    db.direct().await.unwrap().close().await;
    one.goes_away();
    other.comes_back();
    db.direct().await.unwrap().close().await;
}

/// As by a balancer, which tries the former primary for some seconds.
#[tokio::test]
async fn a_connection_that_is_begun_too_early_does_not_hold_up_the_next() {
    let test = testing::database().await;
    let proxy = Proxy::before(&test.url).await;
    let db = Database::connect(&proxy.url).await.unwrap();
    proxy.goes_away();
    let early = tokio::spawn(async move { db.direct().await.map(drop) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    proxy.comes_back();
    early.await.unwrap().expect("another one was begun");
}

/// A future that begins a transaction may be dropped at any moment: a page is closed, a lease is lost.
#[tokio::test]
async fn a_transaction_that_nobody_waits_for_any_more_is_ended() {
    let db = testing::database().await.db;
    let mut witness = testing::connection(&db).await;
    let open = "select count(*) from pg_stat_activity
                 where datname = current_database() and state like 'idle in transaction%'";
    for polls in 1..=8 {
        let mut begun = Box::pin(db.begin("begin"));
        for _ in 0..polls {
            if (&mut begun).now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(begun);
        let ended = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            while sqlx::query_scalar::<_, i64>(open).fetch_one(&mut witness).await.unwrap() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        ended.unwrap_or_else(|_| {
            panic!("asked {polls} times, then dropped: a transaction is left that nobody ends")
        });
    }
}

#[tokio::test]
async fn every_column_of_the_log_and_the_vault_is_commented() {
    let test = testing::database().await;
    let bare: Vec<String> = sqlx::query_scalar(
        "select format('%s.%s', c.relname, a.attname)
           from pg_class c join pg_attribute a on a.attrelid = c.oid
           join pg_namespace n on n.oid = c.relnamespace
          where c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
            and (n.nspname = 'vault' or c.relname in ('events', 'log_index', 'sequencer'))
            and col_description(c.oid, a.attnum) is null",
    )
    .fetch_all(test.db.pool())
    .await
    .unwrap();
    assert!(bare.is_empty(), "columns without a comment: {bare:?}");
}

async fn behind_a_proxy(answer_within: Duration) -> (TestDatabase, Proxy, Database) {
    let test = testing::database().await;
    let proxy = Proxy::before(&test.url).await;
    let settings = PoolSettings { size: 4, answer_within };
    let db = Database::connect_with(&proxy.url, settings).await.unwrap();
    (test, proxy, db)
}

/// 1. Connections lie idle in the pool, a transaction is open, a statement is under way.
/// 2. The server falls silent; nobody closes a connection.
/// 3. Each of them gets an error, and what comes afterwards works on new connections.
#[tokio::test]
async fn a_server_that_falls_silent_costs_each_statement_its_deadline_and_no_more() {
    let (_test, proxy, db) = behind_a_proxy(Duration::from_millis(300)).await;
    let mut transaction = db.begin("begin").await.unwrap();
    let idle = [db.pool().acquire().await.unwrap(), db.pool().acquire().await.unwrap()];
    drop(idle);
    while db.pool().num_idle() < 2 {
        tokio::task::yield_now().await;
    }
    let waits = tokio::spawn({
        let db = db.clone();
        async move { sqlx::query("select pg_sleep(3600)").execute(db.pool()).await }
    });
    proxy.moves();
    let all = async {
        let error = waits.await.unwrap().unwrap_err();
        assert!(DatabaseError::from(error).is_transient());
        let error = sqlx::query("select 1").execute(&mut *transaction).await.unwrap_err();
        assert!(DatabaseError::from(error).is_transient());
        drop(transaction);
        let one: i32 = loop {
            match sqlx::query_scalar("select 1").fetch_one(db.pool()).await {
                Ok(one) => break one,
                Err(error) => assert!(DatabaseError::from(error).is_transient()),
            }
        };
        assert_eq!(one, 1);
        // All of the pool is usable again, however many statements were under way.
        let mut again = Vec::new();
        for _ in 0..4 {
            again.push(db.pool().acquire().await.unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("nobody waits for a server that is gone");
}

#[tokio::test]
async fn a_command_fails_while_the_database_is_silent_and_its_repetition_succeeds() {
    let (_test, proxy, db) = behind_a_proxy(Duration::from_millis(300)).await;
    let store = Store::new(&db);
    let (account_id, at) = (AccountId(uuid::Uuid::new_v4()), jiff::Timestamp::UNIX_EPOCH);
    let register = || {
        let (telegram_id, profile) = (Sealed("id".to_owned()), Sealed("profile".to_owned()));
        let command = AccountCommand::Register { account_id, telegram_id, profile, at };
        store.account(account_id, command, Context::system())
    };
    register().await.unwrap();
    proxy.moves();
    let all = async {
        while let Err(error) = register().await {
            let StoreError::Database(error) = error else { panic!("{error}") };
            assert!(error.is_transient(), "{error:?}");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("it goes on with new connections");
}

/// Signals of other processes are received again, though the connection on which they came was never closed.
#[tokio::test]
async fn a_listener_notices_that_its_server_is_gone() {
    let (test, proxy, db) = behind_a_proxy(Duration::from_secs(10)).await;
    let mut waker = db.wake().subscribe(Topic::Attempts);
    let listening = db.clone();
    tokio::spawn(async move { listening.wake().listen().await });
    let soon = Duration::from_secs(60);
    tokio::time::timeout(soon, waker.wait(soon * 2)).await.expect("it listens");
    proxy.moves();
    // Every topic is signalled when it listens anew.
    tokio::time::timeout(soon, waker.wait(soon * 2)).await.expect("it listens again");
    test.db.wake().notify(Topic::Attempts);
    tokio::time::timeout(soon, waker.wait(soon * 2)).await.expect("it is signalled");
}

/// 1. Two processes share a server that takes fewer connections than either may have.
/// 2. More people than connections come to each.
/// 3. Each of them gets an answer: where no new connection can be made, it takes one that has become free.
#[tokio::test]
async fn two_processes_on_a_server_of_few_connections_leave_nobody_without_an_answer() {
    let test = testing::database().await;
    for prepare in
        ["create role crowded login connection limit 4", "grant connect on database postgres to crowded"]
    {
        sqlx::query(prepare).execute(test.db.pool()).await.unwrap();
    }
    let url = test.url.expose_secret().replace("user=qr_login", "user=crowded").into();
    let processes = [Database::connect(&url).await.unwrap(), Database::connect(&url).await.unwrap()];
    // Each has one, as a process that runs does: the other one may not take all.
    for db in &processes {
        sqlx::query("select 1").execute(db.pool()).await.unwrap();
    }
    let people = processes
        .iter()
        .cycle()
        .take(200)
        .map(|db| async { sqlx::query("select pg_sleep(0.01)").execute(db.pool()).await.map(drop) });
    for answer in futures::future::join_all(people).await {
        answer.unwrap();
    }
}

/// A proxy before PostgreSQL that has no server now closes each connection, or answers as PostgreSQL never does.
#[tokio::test]
async fn a_proxy_without_a_server_behind_it_is_waited_for() {
    for answer in [&b""[..], b"HTTP/1.1 503\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgresql://someone@{}/login", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let _ = client.read(&mut [0; 64]).await;
                let _ = client.write_all(answer).await;
            }
        });
        let error = Database::connect(&url.into()).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
    }
}

/// 1. Of three servers the second takes writes.
/// 2. It becomes a standby, and the third takes writes.
/// 3. What is written goes to the third, and nothing here was started anew.
#[tokio::test]
async fn with_several_servers_the_one_that_takes_writes_is_found_again() {
    let mut servers = Vec::new();
    for _ in 0..3 {
        let cluster = PrivateCluster::start_temporary().await.unwrap();
        let direct = Database::connect(&cluster.url()).await.unwrap();
        direct.pool().execute("create table who (am_i int)").await.unwrap();
        servers.push((Proxy::before(&cluster.url()).await, direct, cluster));
    }
    // As a demotion does: connections are cut off.
    let takes_writes = async |number: usize, allowed: bool| {
        let read_only = if allowed { "off" } else { "on" };
        let set = format!("alter database qr_login set default_transaction_read_only = {read_only}");
        let cut = "select pg_terminate_backend(pid) from pg_stat_activity \
                    where datname = current_database() and pid <> pg_backend_pid()";
        let mut connection = testing::connection(&servers[number].1).await;
        for statement in ["set default_transaction_read_only = off", &*set, cut] {
            connection.execute(statement).await.unwrap();
        }
    };
    for (number, allowed) in [(0, false), (1, true), (2, false)] {
        takes_writes(number, allowed).await;
    }
    let places: Vec<String> = servers.iter().map(|(proxy, ..)| proxy.addr.to_string()).collect();
    let url = format!("postgresql://qr_login@{}/qr_login?target_session_attrs=read-write", places.join(","));
    let db = Database::connect(&url.into()).await.unwrap();
    let writes = async |number: i32| {
        let written = async {
            while let Err(error) =
                sqlx::query("insert into who values ($1)").bind(number).execute(db.pool()).await
            {
                assert!(is_transient(&error), "{error:?}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), written).await.expect("some server takes writes");
    };
    writes(1).await;
    takes_writes(1, false).await;
    takes_writes(2, true).await;
    writes(2).await;
    for (number, written) in [(0, vec![]), (1, vec![1]), (2, vec![2])] {
        let mut connection = testing::connection(&servers[number].1).await;
        let rows: Vec<i32> =
            sqlx::query_scalar("select am_i from who").fetch_all(&mut connection).await.unwrap();
        assert_eq!(rows, written, "server {number}");
    }
}
