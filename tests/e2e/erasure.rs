//! Erasing a person with `/debug_reset`: which data goes, and which stays.

use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::{AccountCommand, Tier};
use eventlog::store::{Context, Store};
use rebuild::verify::verify;
use stand_in::accounts::{ANNA, ILYA};
use stand_in::bot_api::Message;
use vault::Vault;

use crate::world::{World, WorldOptions};

/// All rows of all tables and views that contain one of these words, as text.
pub async fn rows_containing(world: &World, words: &[&str]) -> Result<Vec<String>> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', schemaname, tablename) from pg_tables
          where schemaname not in ('pg_catalog', 'information_schema')
         union all
         select format('%I.%I', schemaname, viewname) from pg_views
          where schemaname not in ('pg_catalog', 'information_schema')",
    )
    .fetch_all(world.db.pool())
    .await?;
    let mut found = Vec::new();
    for table in tables {
        let rows: Vec<String> =
            sqlx::query_scalar(&format!("select t::text from {table} t")).fetch_all(world.db.pool()).await?;
        found.extend(
            rows.into_iter()
                .filter(|row| words.iter().any(|word| row.contains(word)))
                .map(|row| format!("{table}: {row}")),
        );
    }
    Ok(found)
}

/// Waits until the database has no person with this Telegram id, no message to send, no update to handle and no retired key.
pub async fn wait_until_forgotten(world: &World, person: i64) -> Result<()> {
    let forgotten = async {
        loop {
            let left: bool = sqlx::query_scalar(
                "select exists (select from vault.subjects where telegram_id = $1)
                     or exists (select from vault.outbox where body is not null)
                     or exists (select from vault.inbox where body is not null)
                     or exists (select from vault.retired_keys)",
            )
            .bind(person)
            .fetch_one(world.db.pool())
            .await?;
            if !left {
                return anyhow::Ok(());
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), forgotten).await.context("never forgotten")?
}

/// Sends the command and presses the button that confirms. Returns the text of the question.
pub async fn confirm_reset(world: &World, presser: i64, command: &str) -> Result<String> {
    let sent = world.person(presser).send(command);
    // A message about something earlier may come first.
    let is_question = |message: &Message| message.message_id > sent && message.text.starts_with("⚠️ ");
    let question = world.person(presser).wait_for_message(is_question).await?;
    let button = question.keyboard.iter().flatten().flatten().next().context("a button")?.text.clone();
    world.person(presser).press_button(&button).await?;
    Ok(question.text)
}

#[tokio::test]
async fn after_a_reset_no_row_identifies_the_person() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    let account = account_of(&world, ILYA).await?;
    let words = ["139883458", "Ilya"];
    assert!(
        !rows_containing(&world, &words).await?.is_empty(),
        "the person is in the tables before the reset"
    );

    confirm_reset(&world, ILYA, "/debug_reset").await?;

    world.person(ILYA).wait_for_message(|message| message.text.starts_with("🗑 Готово")).await?;
    wait_until_forgotten(&world, ILYA).await?;
    assert_eq!(rows_containing(&world, &words).await?, Vec::<String>::new());
    assert!(world.telegram.mtproto.sessions_of(ILYA).iter().all(|session| session.phone));
    let files: Vec<_> = std::fs::read_dir(&world.config.sessions_dir)?.collect();
    assert!(files.is_empty(), "{files:?}");
    let ledger = std::fs::read_to_string(world.config.data.data_dir.join("erased.log"))?;
    assert_eq!(ledger, format!("{account}\n"));

    let report = verify(&world.db, |_, _| {}).await?;
    assert!(report.is_clean(), "{report:?}");
    let names = world.wait_for_event("AccountErased").await?;
    assert!(names.ends_with(&["LoggedOut".to_owned(), "AccountErased".to_owned()]), "{names:?}");
    Ok(())
}

#[tokio::test]
async fn a_second_press_or_a_redelivery_does_not_bring_an_erased_person_back() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    confirm_reset(&world, ILYA, "/debug_reset").await?;
    wait_until_forgotten(&world, ILYA).await?;

    assert!(world.telegram.bot_api.redeliver_last_update());
    world.person(ILYA).press_button("🗑 Сбросить").await.ok();
    world.person(ANNA).ask("/help").await?;

    wait_until_forgotten(&world, ILYA).await?;
    let names = world.wait_for_event("AccountErased").await?;
    assert_eq!(names.iter().filter(|name| *name == "AccountErased").count(), 1);
    assert!(rows_containing(&world, &["139883458"]).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_reset_does_not_free_a_used_invite() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite_for(Tier::Premium, 5).await?;
    let session = world.begin_login(ILYA, &code).await?;
    world.phone(ILYA).scan(&world.qr_link(ILYA, &session).await?).await?;
    world.wait_for_event("SubscriptionActivated").await?;
    confirm_reset(&world, ILYA, "/debug_reset").await?;
    wait_until_forgotten(&world, ILYA).await?;

    let answer = world.person(ILYA).ask(&format!("/login {code}")).await?;

    assert!(answer.text.starts_with("ℹ️ Вы уже использовали этот код"), "{}", answer.text);
    let other = world.invite(Tier::Basic).await?;
    world.begin_login(ILYA, &other).await?;
    Ok(())
}

#[tokio::test]
async fn a_reset_keeps_a_block_and_the_person_gets_a_message() -> Result<()> {
    let configure: fn(&mut qr_login::Config) = |config| config.admin_ids = vec![ANNA];
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    world.person(ILYA).ask("/help").await?;
    let account = account_of(&world, ILYA).await?;
    let block = AccountCommand::Block { at: world.now() };
    Store::new(&world.db).account(account, block, Context::tool("test")).await?;

    confirm_reset(&world, ANNA, "/debug_reset 139883458").await?;

    world.person(ILYA).wait_for_message(|message| message.text.starts_with("🗑 Готово")).await?;
    world.person(ANNA).wait_for_message(|message| message.text.contains(&account.to_string())).await?;
    wait_until_forgotten(&world, ILYA).await?;
    let answer = world.person(ILYA).ask("/help").await?;
    assert!(answer.text.starts_with("⛔ Доступ заблокирован"), "{}", answer.text);
    let names = world.wait_for_event("AccountErased").await?;
    assert_eq!(names.iter().filter(|name| *name == "AccountBlocked").count(), 2);
    Ok(())
}

#[tokio::test]
async fn only_an_admin_can_reset_another_person() -> Result<()> {
    let world = World::start().await?;
    world.person(ANNA).ask("/help").await?;
    let answer = world.person(ILYA).ask(&format!("/debug_reset {ANNA}")).await?;
    assert!(answer.text.starts_with("⛔"), "{}", answer.text);
    let question = world.person(ILYA).ask("/debug_reset").await?;
    let forged = format!("reset:{}", account_of(&world, ANNA).await?);
    assert!(world.person(ILYA).press(question.message_id, &forged).await.is_err(), "no such button");
    Ok(())
}

async fn account_of(world: &World, person: i64) -> Result<domain::AccountId> {
    let subject = Vault::new(&world.db).subject_of(person).await?;
    Ok(subject.context("a known person")?.account_id)
}
