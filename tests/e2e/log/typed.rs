//! What people type in the page: a phone number, a login code, a 2-step password. None of it, nor what is made of it, stands
//! anywhere afterwards: not in the log at its loudest, not in an answer, not in any table.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sqlx::Connection as _;
use stand_in::accounts::{ILYA, Password};
use stand_in::mini_app::MiniApp;
use stand_in::service::{Service, Settings};
use stand_in::{Options, Telegram};

use super::{CODE, LOUD, Told, begin};
use crate::password::proof;

const NUMBER: &str = "+79990000001";
const PASSWORD: &str = "correct horse";
/// As long as the page allows, so that no other number looks like it.
const WRONG_CODE: &str = "7351928406";
const WRONG_PASSWORD: &str = "battery staple";

/// A POST of the page; what it answered is kept.
async fn post(page: &MiniApp, path: &str, body: Value, answers: &mut Vec<String>) -> Result<u16> {
    let answer = page.post(path, body).await?;
    let status = answer.status().as_u16();
    answers.push(answer.text().await?);
    Ok(status)
}

/// Types a password; the two parts of the proof are secrets as well.
async fn prove(page: &MiniApp, password: &str, told: &mut Told, answers: &mut Vec<String>) -> Result<()> {
    let parameters: Value = page.get("/qr-auth/password", &[]).await?.error_for_status()?.json().await?;
    let proof = proof(page.session_id(), &parameters, password).await?;
    for part in ["A", "M1"] {
        let part = proof[part].as_str().context("a part")?;
        told.secrets.push(("a proof", part[..40].to_owned()));
    }
    ensure!(post(page, "/qr-auth/password", proof, answers).await? == 200, "the proof was not taken");
    Ok(())
}

/// Every row of every table, as text.
async fn rows(url: &str) -> Result<Vec<String>> {
    let mut connection = sqlx::PgConnection::connect(url).await?;
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', schemaname, tablename) from pg_tables
          where schemaname not in ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&mut connection)
    .await?;
    let mut rows = Vec::new();
    for table in tables {
        let sql = format!("select '{table} ' || t::text from {table} t");
        rows.extend(sqlx::query_scalar::<_, String>(&sql).fetch_all(&mut connection).await?);
    }
    Ok(rows)
}

#[tokio::test]
async fn a_number_a_code_and_a_password_are_nowhere_after_the_login() -> Result<()> {
    let telegram = Telegram::start(Options::default()).await?;
    let password = Some(Password::new(PASSWORD, "which animal was right"));
    telegram.accounts.update(ILYA, |ilya| (ilya.password, ilya.dc) = (password, 4));
    let folder = tempfile::tempdir()?;
    let mut how = Settings::new(&telegram, folder.path(), None)?;
    how.binary = env!("CARGO_BIN_EXE_qr-login").into();
    how.lines_kept = usize::MAX;
    let service = Service::new(how.with("RUST_LOG", LOUD));
    service.start()?;
    service.wait_until_running().await?;
    service.tool(&["invite", "create", "--tier", "premium", "--code", CODE]).await?;
    let mut told = Told { lines: Vec::new(), secrets: Vec::new() };
    told.secrets.extend([
        ("a phone number", "9990000001".to_owned()),
        ("a password", PASSWORD.to_owned()),
        ("a wrong password", WRONG_PASSWORD.to_owned()),
        ("a wrong code", WRONG_CODE.to_owned()),
        ("a number of a bad shape", "99900000010000001".to_owned()),
    ]);
    let mut answers = Vec::new();
    let (page, _) = begin(&telegram, &mut told).await?;

    // 1. Wrong, right, and in a shape that is refused at once.
    let bad = json!({"phone": "8 99900000010000001"});
    assert_eq!(post(&page, "/qr-auth/phone", bad, &mut answers).await?, 400);
    assert_eq!(post(&page, "/qr-auth/phone", json!({"phone": NUMBER}), &mut answers).await?, 200);
    page.wait_for_status("code_required").await?;
    assert_eq!(post(&page, "/qr-auth/phone", json!({"phone": NUMBER}), &mut answers).await?, 429);
    let code = telegram.mtproto.last_code(NUMBER).context("a code")?;
    assert_eq!(post(&page, "/qr-auth/code", json!({"code": [WRONG_CODE]}), &mut answers).await?, 400);
    assert_eq!(post(&page, "/qr-auth/code", json!({"code": WRONG_CODE}), &mut answers).await?, 200);
    page.wait_until(|status| status["error"].is_string()).await?;
    assert_eq!(post(&page, "/qr-auth/code", json!({"code": code}), &mut answers).await?, 200);
    page.wait_for_status("password_required").await?;
    prove(&page, WRONG_PASSWORD, &mut told, &mut answers).await?;
    page.wait_until(|status| status["error"].is_string()).await?;
    prove(&page, PASSWORD, &mut told, &mut answers).await?;
    page.wait_for_status("authorized").await?;
    telegram.person(ILYA).wait_for_message(|message| message.text.starts_with("✅ Авторизация")).await?;

    // 2. The tables once all is said and done; then the log.
    let url = service.database_url().await?;
    let rows = rows(&url).await?;
    ensure!(rows.iter().any(|row| row.contains("AuthorizationConfirmed")), "this is not the database");
    service.stop().await;
    told.lines = service.log_after(0).into_iter().map(|line| line.line).collect();
    ensure!(told.lines.len() > 500, "only {} lines: this was to be all", told.lines.len());
    told.holds_no_secret();

    // 3. Who asked may be in the tables, and the launch data's word for it; what was typed may not.
    let typed = ["a phone number", "a password", "a wrong password", "a wrong code", "a proof"];
    for (what, secret) in told.secrets.iter().filter(|(what, _)| typed.contains(what)) {
        let row = rows.iter().find(|row| row.contains(secret.as_str()));
        assert_eq!(row, None, "{what} stands in a table");
        let answer = answers.iter().find(|answer| answer.contains(secret.as_str()));
        assert_eq!(answer, None, "{what} stands in an answer");
    }
    // Five digits may be any number; a code would stand alone.
    let quoted = [format!("\"{code}\""), format!("code={code}"), format!(",{code},"), format!("({code})")];
    let everywhere = rows.iter().chain(&answers).chain(&told.lines);
    for text in everywhere {
        assert!(quoted.iter().all(|code| !text.contains(code.as_str())), "the code stands in {text}");
    }
    Ok(())
}
