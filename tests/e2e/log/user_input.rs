//! What people type on the page: a phone number, a login code, a 2-step password. Afterwards neither the input nor a proof made of
//! it is in the most verbose log, in an answer, or in a table.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sqlx::Connection as _;
use stand_in::accounts::{ILYA, Password};
use stand_in::mini_app::MiniApp;
use stand_in::service::{Service, Settings};
use stand_in::{Options, Telegram};

use super::{CODE, LoggedRun, TRACE_EVERYTHING, open_login_page};
use crate::password_proof::proof;

const NUMBER: &str = "+79990000001";
const PASSWORD: &str = "correct horse";
/// As long as the page allows, so that it matches no other number.
const WRONG_CODE: &str = "7351928406";
const WRONG_PASSWORD: &str = "battery staple";

/// Sends a POST of the page and keeps the body of the answer. Returns the status code.
async fn post(page: &MiniApp, path: &str, body: Value, answers: &mut Vec<String>) -> Result<u16> {
    let answer = page.post(path, body).await?;
    let status = answer.status().as_u16();
    answers.push(answer.text().await?);
    Ok(status)
}

/// Sends the proof of a password. Both parts of the proof are secrets too.
async fn submit_password(
    page: &MiniApp,
    password: &str,
    run: &mut LoggedRun,
    answers: &mut Vec<String>,
) -> Result<()> {
    let parameters: Value = page.get("/qr-auth/password", &[]).await?.error_for_status()?.json().await?;
    let proof = proof(page.session_id(), &parameters, password).await?;
    for part in ["A", "M1"] {
        let part = proof[part].as_str().context("a part")?;
        run.secrets.push(("a proof", part[..40].to_owned()));
    }
    ensure!(post(page, "/qr-auth/password", proof, answers).await? == 200, "the proof was not accepted");
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
async fn a_number_a_code_and_a_password_are_stored_and_logged_nowhere() -> Result<()> {
    let telegram = Telegram::start(Options::default()).await?;
    let password = Some(Password::new(PASSWORD, "which animal was right"));
    telegram.accounts.update(ILYA, |ilya| (ilya.password, ilya.dc) = (password, 4));
    let folder = tempfile::tempdir()?;
    let mut settings = Settings::new(&telegram, folder.path(), None)?;
    settings.binary = env!("CARGO_BIN_EXE_qr-login").into();
    settings.lines_kept = usize::MAX;
    let service = Service::new(settings.with("RUST_LOG", TRACE_EVERYTHING).with("ONE_PHONE_LOGIN", "typed"));
    service.start()?;
    service.wait_until_running().await?;
    service.tool(&["invite", "create", "--tier", "premium", "--code", CODE]).await?;
    let mut run = LoggedRun::default();
    run.secrets.extend([
        ("a phone number", "9990000001".to_owned()),
        ("a password", PASSWORD.to_owned()),
        ("a wrong password", WRONG_PASSWORD.to_owned()),
        ("a wrong code", WRONG_CODE.to_owned()),
        ("a number of a bad shape", "99900000010000001".to_owned()),
    ]);
    let mut answers = Vec::new();
    let (page, _) = open_login_page(&telegram, &mut run).await?;

    // 1. Wrong input, right input, and input in a bad format.
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
    submit_password(&page, WRONG_PASSWORD, &mut run, &mut answers).await?;
    page.wait_until(|status| status["error"].is_string()).await?;
    submit_password(&page, PASSWORD, &mut run, &mut answers).await?;
    page.wait_for_status("authorized").await?;
    telegram.person(ILYA).wait_for_message(|message| message.text.starts_with("✅ Авторизация")).await?;

    // 2. The tables after the login, then the log.
    let url = service.database_url().await?;
    let rows = rows(&url).await?;
    ensure!(rows.iter().any(|row| row.contains("AuthorizationConfirmed")), "this is not the database");
    service.stop().await;
    run.lines = service.log_after(0).into_iter().map(|line| line.line).collect();
    ensure!(run.lines.len() > 500, "only {} lines: the filter is not verbose", run.lines.len());
    run.assert_no_secret();

    // 3. The tables may hold who the person is and the launch data, but not the input.
    let user_input = ["a phone number", "a password", "a wrong password", "a wrong code", "a proof"];
    for (what, secret) in run.secrets.iter().filter(|(what, _)| user_input.contains(what)) {
        let row = rows.iter().find(|row| row.contains(secret.as_str()));
        assert_eq!(row, None, "{what} is in a table");
        let answer = answers.iter().find(|answer| answer.contains(secret.as_str()));
        assert_eq!(answer, None, "{what} is in an answer");
    }
    // Five digits may be part of another number, so the code is searched between quotes or punctuation.
    let quoted = [format!("\"{code}\""), format!("code={code}"), format!(",{code},"), format!("({code})")];
    let everywhere = rows.iter().chain(&answers).chain(&run.lines);
    for text in everywhere {
        assert!(quoted.iter().all(|code| !text.contains(code.as_str())), "the code is in {text}");
    }
    Ok(())
}
