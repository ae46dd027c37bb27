//! `qr-login import`, rehearsed: the tables of the Python system, and session files that Telethon itself has written with the stand-in
//! Telegram. Afterwards the people's sessions work here, their subscriptions are what they were, and their codes mean the same.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, Account, ILYA};

use crate::wait::eventually;
use crate::world::{World, WorldOptions};

mod kills;
mod large;
mod parent;
mod telethon;

use parent::{PythonSystem, settle};
use telethon::Telethon;

/// The last request of a key exchange, as the stand-in counts it.
const KEY_EXCHANGE: &str = "set_client_DH_params";
const BORIS: i64 = 300_000_001;
const VERA: i64 = 300_000_002;

/// A service that checks sessions at once, and a Telegram with a few more people.
async fn checking_world() -> Result<World> {
    let configure: fn(&mut qr_login::Config) =
        |config| config.session_check_interval = Duration::from_secs(1);
    world(Some(configure)).await
}

async fn world(configure: Option<fn(&mut qr_login::Config)>) -> Result<World> {
    let world = World::with(WorldOptions { configure, ..WorldOptions::default() }).await?;
    for (id, name, phone) in [(BORIS, "Boris", "+79990000003"), (VERA, "Vera", "+79990000004")] {
        world.telegram.accounts.insert(Account::new(id, name, phone, 2));
    }
    Ok(world)
}

/// Telethon logs people in for the Python system, which is then stopped.
async fn logged_in(world: &World, system: &PythonSystem, people: &[(i64, Telethon)]) -> Result<()> {
    for (person, telethon) in people {
        telethon.log_in(world, *person, &system.file(*person)).await?;
        system.settle(*person)?;
    }
    Ok(())
}

async fn flags(world: &World, person: i64) -> Result<(bool, bool)> {
    world.events().await?;
    let sql = "select is_authenticated, is_blocked from users where telegram_id = $1";
    Ok(sqlx::query_as(sql).bind(person).fetch_one(world.db.pool()).await?)
}

async fn alive(world: &World) -> Result<i64> {
    let sql = "select count(*) from vault.sessions where alive_at is not null";
    Ok(sqlx::query_scalar(sql).fetch_one(world.db.pool()).await?)
}

fn taken(report: &Value, kind: &str) -> (u64, u64, u64) {
    let of = |what: &str| report["totals"][kind][what].as_u64().unwrap_or_default();
    (of("taken"), of("here_before"), of("not_taken"))
}

/// How often each event is in the log.
async fn counts(world: &World) -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    // A login that goes on renews its QR code.
    for event in world.events().await?.into_iter().filter(|event| event.name != "QrIssued") {
        *counts.entry(event.name).or_default() += 1;
    }
    Ok(counts)
}

fn moscow_day(at: Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::get("Europe/Moscow").unwrap()).strftime("%d.%m.%Y").to_string()
}

#[tokio::test]
async fn the_people_of_a_python_system_live_on_here() -> Result<()> {
    let world = checking_world().await?;
    let mut system = PythonSystem::new().await?;
    logged_in(&world, &system, &[(ILYA, Telethon::Old), (ANNA, Telethon::New)]).await?;
    system
        .run(&format!(
            "insert into users (id, telegram_id, username, first_name, phone_number, api_hash, is_authenticated, role,
                                subscription_type, subscription_started_at, subscription_expires, max_channels, invited_by)
             values (1, {ILYA}, 'ilya', 'Ilya', '+79990000001', 'a-hash-that-nobody-reads', true, 'user',
                     'premium', now() - interval '10 days', now() + interval '20 days', 77, 2),
                    (2, {ANNA}, null, null, null, null, true, 'user',
                     'basic', now() - interval '40 days', now() - interval '10 days', null, 99),
                    (3, {BORIS}, 'boris', 'Boris', null, null, false, 'user', 'gold', null, null, null, null),
                    (4, {BORIS}, 'boris', 'Boris', null, null, false, 'user', 'free', null, null, null, null),
                    (5, null, 'nobody', null, null, null, false, 'user', 'free', null, null, null, null),
                    (6, {VERA}, 'vera', 'Vera', null, null, true, 'user', 'free', null, null, null, null);
             update users set is_blocked = true, block_expires = now() + interval '9 days' where id = 6;
             insert into invite_codes (code, created_by, used_by, used_at, expires_at, max_uses, uses_count, default_subscription,
                                       default_trial_days)
             values ('3HBP4Z3ECICZ', 1, 1, now() - interval '10 days', now() + interval '30 days', 3, 2, 'premium', 14),
                    ('3hbp4z3ecicz', 1, null, null, now() + interval '30 days', 9, 0, 'premium', 14),
                    ('USEDUPUSEDUP', 1, 2, now(), now() + interval '30 days', 1, 1, 'basic', 30),
                    ('SHORT', 1, null, null, null, 1, 0, 'basic', 30);
             insert into subscription_history (user_id, action, old_type, new_type, changed_by, changed_at, notes)
             values (1, 'created', null, 'basic', 2, now() - interval '60 days', 'a friend of Anna'),
                    (1, 'upgraded', 'basic', 'premium', 2, now() - interval '10 days', null),
                    (77, 'created', null, 'basic', null, now(), null);"
        ))
        .await?;
    let before =
        (system.content().await?, std::fs::read(system.file(ILYA))?, std::fs::read(system.file(ANNA))?);
    let keys = world.telegram.mtproto.calls(KEY_EXCHANGE);

    let report = system.import(&world, &[]).await?;

    // What the operator reads.
    assert_eq!(taken(&report, "people"), (4, 0, 2), "{report:#}");
    assert_eq!(taken(&report, "sessions"), (2, 0, 1), "{report:#}");
    assert_eq!(taken(&report, "subscriptions"), (2, 0, 1), "{report:#}");
    assert_eq!(taken(&report, "history"), (2, 0, 1), "{report:#}");
    assert_eq!(taken(&report, "invites"), (2, 0, 2), "{report:#}");
    assert_eq!(taken(&report, "blocks"), (1, 0, 0), "{report:#}");
    let said: Vec<_> = report["not_taken"]
        .as_array()
        .context("rows")?
        .iter()
        .map(|entry| entry["why"].as_str().unwrap())
        .collect();
    for why in [
        "the row with id 3 has the same Telegram id, and was taken",
        "telegram_id is empty: nobody knows who this is",
        "subscription_type is \"gold\", which is no tier here: they have no subscription",
        "no row of users has this user_id",
        "a code has 12 letters A-Z and digits here",
        "not linked: there is no file user_300000002.session",
    ] {
        assert!(said.contains(&why), "{why} is missing in {said:#?}");
    }

    // Their sessions work here, with the keys that Telethon made.
    eventually("both sessions are seen alive", async || Ok(alive(&world).await? == 2)).await?;
    assert_eq!(world.telegram.mtproto.calls(KEY_EXCHANGE), keys, "no new key");
    assert!(world.telegram.mtproto.keys_in_two_places().is_empty());
    assert_eq!((flags(&world, ILYA).await?, flags(&world, VERA).await?), ((true, false), (false, true)));
    for person in [ILYA, ANNA] {
        assert!(world.config.sessions_dir.join(format!("user_{person}.session")).exists());
    }
    let row: (String, String, i32, Option<uuid::Uuid>, Option<uuid::Uuid>) = sqlx::query_as(
        "select first_name, subscription_type, max_channels, invited_by, (select account_id from users where telegram_id = $2)
           from users where telegram_id = $1",
    )
    .bind(ILYA)
    .bind(ANNA)
    .fetch_one(world.db.pool())
    .await?;
    assert_eq!((row.0.as_str(), row.1.as_str(), row.2), ("Ilya", "premium", 77));
    assert!(row.3.is_some() && row.3 == row.4, "Anna has invited Ilya");

    // Their subscriptions are what they were, and nobody was told of anything.
    assert!(world.person(ILYA).from_bot().is_empty() && world.person(ANNA).from_bot().is_empty());
    let card = world.person(ILYA).ask("/subscription").await?.text;
    let (begun, end) = (world.now() - days(10), world.now() + days(20));
    for part in [
        "Тариф: Premium",
        "✅ Активна",
        "Каналов: 77",
        "Постов/день: 1000",
        &moscow_day(begun),
        &moscow_day(end),
    ] {
        assert!(card.contains(part), "{part} is missing in {card}");
    }
    let card = world.person(ANNA).ask("/subscription").await?.text;
    assert!(card.contains("Basic") && card.contains("Expired"), "{card}");
    assert_eq!(
        world.person(VERA).ask("/subscription").await?.text.lines().next(),
        Some("⛔ Доступ заблокирован")
    );

    // Codes mean the same.
    let answer = world.person(ILYA).ask("/login 3HBP4Z3ECICZ").await?.text;
    assert!(answer.starts_with("ℹ️ Вы уже использовали этот код"), "{answer}");
    let answer = world.person(BORIS).ask("/login USEDUPUSEDUP").await?.text;
    assert!(answer.starts_with("❌ Инвайт код уже использован"), "{answer}");
    world.begin_login(BORIS, "3hbp-4z3e-cicz").await?;
    let code = "select max_uses, used, reserved from invites join vault.invite_codes using (invite_id) where code = '3HBP4Z3ECICZ'";
    let left =
        async || -> Result<(i32, i32, i32)> { Ok(sqlx::query_as(code).fetch_one(world.db.pool()).await?) };
    // The view is a moment behind the bot's answer.
    eventually("one use is reserved", async || Ok(left().await?.2 > 0)).await?;
    assert_eq!(left().await?, (2, 1, 1), "of three, one was used by somebody whom nobody knows");

    // The events name who caused them, and nothing of a person. The other system is as it was.
    let imported: Vec<_> =
        world.events().await?.into_iter().filter(|event| event.metadata.actor == "import").collect();
    assert!(imported.len() > 10 && imported.iter().all(|event| event.envelope["run_by"].is_string()));
    for event in &imported {
        for private in ["139883458", "Ilya", "friend", "3HBP4Z3ECICZ", "a-hash", "7999"] {
            assert!(!event.payload.to_string().contains(private), "{private} is in {}", event.payload);
        }
    }
    assert_eq!(system.content().await?, before.0);
    assert_eq!((std::fs::read(system.file(ILYA))?, std::fs::read(system.file(ANNA))?), (before.1, before.2));

    // A second import adds what is new, and nothing else.
    let counted = counts(&world).await?;
    let again = system.import(&world, &[]).await?;
    assert_eq!(taken(&again, "people"), (0, 4, 2), "{again:#}");
    assert_eq!((taken(&again, "sessions"), taken(&again, "invites")), ((0, 2, 1), (0, 2, 2)), "{again:#}");
    assert_eq!(counts(&world).await?, counted);
    system
        .run("insert into subscription_history (user_id, action, new_type, changed_at) values (2, 'revoked', 'basic', now())")
        .await?;
    let again = system.import(&world, &[]).await?;
    assert_eq!(taken(&again, "history"), (1, 2, 1), "{again:#}");
    let difference: usize = counts(&world).await?.values().sum::<usize>() - counted.values().sum::<usize>();
    assert_eq!(difference, 1);

    // Who logs out here is logged out at Telegram, and no import brings the session back.
    let answer = world.person(ANNA).ask("/logout").await?.text;
    assert!(answer.starts_with("🔌"), "{answer}");
    world.telegram.mtproto.wait_until(|it| it.sessions_of(ANNA).is_empty()).await;
    assert_eq!(taken(&system.import(&world, &[]).await?, "sessions"), (0, 2, 1));
    assert!(!flags(&world, ANNA).await?.0);
    Ok(())
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_taken_and_changes_nothing() -> Result<()> {
    let world = world(None).await?;
    let mut system = PythonSystem::new().await?;
    logged_in(&world, &system, &[(ILYA, Telethon::Old)]).await?;
    system
        .run(&format!(
            "insert into users (telegram_id, first_name, is_authenticated, role, subscription_type, is_blocked)
             values ({ILYA}, 'Ilya', true, 'admin', 'premium', false), ({ANNA}, 'Anna', true, 'user', 'free', true);
             insert into invite_codes (code) values ('3HBP4Z3ECICZ');
             insert into subscription_history (user_id, action, new_type) values (1, 'created', 'premium')"
        ))
        .await?;
    let tables = async || -> Result<Vec<i64>> {
        let mut counts = Vec::new();
        for table in [
            "events",
            "users",
            "vault.subjects",
            "vault.sessions",
            "vault.invite_codes",
            "vault.imported_people",
            "vault.imported_invites",
            "vault.imported_sessions",
            "vault.timed_blocks",
        ] {
            let sql = format!("select count(*) from {table}");
            counts.push(sqlx::query_scalar(&sql).fetch_one(world.db.pool()).await?);
        }
        Ok(counts)
    };
    let before = tables().await?;

    let would = system.import(&world, &["--dry-run"]).await?;

    assert_eq!(tables().await?, before);
    assert_eq!(would["dry_run"], true);
    let does = system.import(&world, &[]).await?;
    assert_eq!(does["totals"], would["totals"], "{would:#}");
    assert_eq!(does["not_taken"], would["not_taken"]);
    Ok(())
}

#[tokio::test]
async fn a_session_that_nobody_has_used_here_goes_back_and_works_there() -> Result<()> {
    let world = world(None).await?;
    let mut system = PythonSystem::new().await?;
    logged_in(&world, &system, &[(ILYA, Telethon::New), (ANNA, Telethon::Old), (BORIS, Telethon::Old)])
        .await?;
    system
        .run(&format!(
            "insert into users (telegram_id, is_authenticated) values ({ILYA}, true), ({ANNA}, true), ({BORIS}, true)"
        ))
        .await?;
    assert_eq!(taken(&system.import(&world, &[]).await?, "sessions"), (3, 0, 0));
    // Anna's was used here, and Boris's file is lost.
    let vault = vault::Vault::new(&world.db);
    let anna = vault.subject_of(ANNA).await?.context("Anna")?.account_id;
    let vault::Taken::Free(borrowed) = vault.take_linked(anna).await? else { panic!("it is free") };
    vault.release_linked(&borrowed).await?;
    std::fs::remove_file(system.file(BORIS))?;
    let kept = std::fs::read(system.file(ILYA))?;

    let report = system.import(&world, &["--undo"]).await?;

    assert_eq!(taken(&report, "sessions"), (2, 0, 1), "{report:#}");
    let why = report["not_taken"][0]["why"].as_str().unwrap_or_default();
    assert!(why.starts_with("it was used here on") && why.contains("it stays here"), "{why}");
    assert_eq!(report["changed"][0]["why"], "the file was gone: it is written anew, with the key alone");
    assert_eq!(
        (flags(&world, ILYA).await?.0, flags(&world, ANNA).await?.0, flags(&world, BORIS).await?.0),
        (false, true, false)
    );
    assert!(!world.config.sessions_dir.join(format!("user_{ILYA}.session")).exists());
    assert_eq!(std::fs::read(system.file(ILYA))?, kept);
    assert_eq!(counts(&world).await?.get("SessionReturned"), Some(&2));
    assert_eq!(Telethon::New.uses(&world, &system.file(ILYA)).await?, "in");
    assert_eq!(Telethon::New.uses(&world, &system.file(BORIS)).await?, "in");

    // Once more there and back: nothing is left to return, and both can be taken again.
    let again = system.import(&world, &["--undo"]).await?;
    assert_eq!(taken(&again, "sessions"), (0, 0, 1), "{again:#}");
    settle(&system.file(ILYA))?;
    settle(&system.file(BORIS))?;
    assert_eq!(taken(&system.import(&world, &[]).await?, "sessions"), (2, 1, 0));
    assert!(flags(&world, ILYA).await?.0);
    assert!(world.telegram.mtproto.keys_in_two_places().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_session_of_another_account_is_dropped_at_its_first_use_and_told() -> Result<()> {
    let world = checking_world().await?;
    let mut system = PythonSystem::new().await?;
    // An older Telethon does not note whose session it is; somebody has copied Anna's file.
    Telethon::Old.log_in(&world, ANNA, &system.file(BORIS)).await?;
    system.settle(BORIS)?;
    system.run(&format!("insert into users (telegram_id, is_authenticated) values ({BORIS}, true)")).await?;
    world.person(BORIS).ask("/help").await?;

    let report = system.import(&world, &[]).await?;
    assert_eq!(taken(&report, "sessions"), (1, 0, 0));
    let known = "they had written here before: their name stays as it is here";
    assert_eq!(report["changed"][0]["why"], known);

    world.wait_for_event("SessionRejected").await?;
    world
        .person(BORIS)
        .wait_for_message(|message| message.text.starts_with("⚠️ Перенесённая сессия не ваша"))
        .await?;
    assert!(!flags(&world, BORIS).await?.0);
    let kept: i64 =
        sqlx::query_scalar("select count(*) from vault.sessions").fetch_one(world.db.pool()).await?;
    assert_eq!(kept, 0);
    let copy = world.config.sessions_dir.join(format!("user_{BORIS}.session"));
    eventually("the copy is gone", async || Ok(!copy.exists())).await?;
    assert_eq!(world.telegram.mtproto.sessions_of(ANNA).len(), 1, "Anna stays logged in");
    Ok(())
}

#[tokio::test]
async fn a_session_that_may_still_be_in_use_is_left_alone() -> Result<()> {
    let world = world(None).await?;
    let mut system = PythonSystem::new().await?;
    Telethon::Old.log_in(&world, ILYA, &system.file(ILYA)).await?;
    Telethon::New.log_in(&world, ANNA, &system.file(ANNA)).await?;
    system.settle(ANNA)?;
    std::fs::copy(system.file(ANNA), system.file(BORIS))?;
    system.settle(BORIS)?;
    system
        .run(&format!(
            "insert into users (telegram_id, is_authenticated) values ({ILYA}, true), ({BORIS}, true);
             insert into users (telegram_id, is_authenticated, first_name) values ({VERA}, false, 'Vera')"
        ))
        .await?;
    let report = system.import(&world, &[]).await?;
    let said: Vec<_> =
        report["not_taken"].as_array().context("rows")?.iter().map(|entry| entry["why"].clone()).collect();
    let wanted = [
        "not linked: the file was written less than a minute ago: stop the program that uses it, wait a minute, and import again".to_owned(),
        format!("not linked: the file is the session of another account ({ANNA})"),
        "no row of users that was taken has this Telegram id".to_owned(),
    ];
    assert_eq!(json!(said), json!(wanted));
    assert_eq!(flags(&world, ILYA).await?, (false, false));
    // A minute later it comes.
    system.settle(ILYA)?;
    assert_eq!(taken(&system.import(&world, &[]).await?, "sessions"), (1, 0, 2));
    assert!(flags(&world, ILYA).await?.0);
    Ok(())
}

#[tokio::test]
async fn a_person_who_was_erased_here_is_not_taken_again() -> Result<()> {
    let world = world(None).await?;
    let mut system = PythonSystem::new().await?;
    system.run(&format!("insert into users (telegram_id, first_name) values ({ILYA}, 'Ilya')")).await?;
    system.import(&world, &[]).await?;
    crate::erasure::confirm_reset(&world, ILYA, "/debug_reset").await?;
    crate::erasure::wait_until_forgotten(&world, ILYA).await?;

    let report = system.import(&world, &[]).await?;

    assert_eq!(taken(&report, "people"), (0, 0, 1));
    let why = "they were taken over before, and erased here since: they stay erased";
    assert_eq!(report["not_taken"][0]["why"], why);
    assert_eq!(world.count_rows("users").await?, 0);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_imported_is_one_line_that_says_what_to_do() -> Result<()> {
    let world = world(None).await?;
    let system = PythonSystem::new().await?;
    let refused = async |arguments: &[&str]| -> Result<String> {
        let output = crate::export::qr_login(&world, &[&["import"][..], arguments].concat()).await?;
        assert!(!output.status.success() && output.stdout.is_empty());
        Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    };
    let url = secrecy::ExposeSecret::expose_secret(&system.url).to_owned();
    let ours = world.config.data.database_url.as_ref().context("a database")?;
    let ours = secrecy::ExposeSecret::expose_secret(ours);
    let line = refused(&["--from", ours]).await?;
    assert!(line.contains("--from names the database of a qr-login"), "{line}");
    let line = refused(&["--from", "postgres://ilya:hunter2@127.0.0.1:1/parent"]).await?;
    assert!(
        line.contains("the database that --from names cannot be connected to") && !line.contains("hunter2"),
        "{line}"
    );
    let line = refused(&["--from", "hunter2"]).await?;
    assert!(
        line.contains("--from is no address of a PostgreSQL database") && !line.contains("hunter2"),
        "{line}"
    );
    let line = refused(&["--from", &url, "--sessions", "/nowhere"]).await?;
    assert!(line.contains("--sessions /nowhere: the folder cannot be read"), "{line}");
    std::fs::create_dir_all(&world.config.sessions_dir)?;
    let own = world.config.sessions_dir.display().to_string();
    let line = refused(&["--from", &url, "--sessions", &own]).await?;
    assert!(line.contains("is SESSIONS_DIR of this service"), "{line}");
    let line = refused(&[]).await?;
    assert!(line.contains("--from is missing"), "{line}");
    let line = refused(&["--undo"]).await?;
    assert!(line.contains("--sessions"), "{line}");
    Ok(())
}
