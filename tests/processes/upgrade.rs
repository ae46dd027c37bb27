//! A rolling upgrade: processes of one version on one database, replaced one after the other by those of the version after it, while
//! people log in. No request fails, and no login is lost.
//!
//! The usual test replaces each process by one of the same version. With `OLD_BINARY` the first ones are of that version, and so
//! are the tables, until the first process of this version starts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use eventlog::Database;
use private_postgres::PrivateCluster;
use secrecy::ExposeSecret as _;
use stand_in::mini_app::MiniApp;
use stand_in::service::Service;
use tokio::time::Instant;

use crate::checks;
use crate::deployment::{Deployment, Front};
use crate::environment::Environment;
use crate::requests::Requests;
use crate::visitors::Visitors;

/// Between two visitors.
const EVERY: Duration = Duration::from_millis(400);
/// So many who came after a process was replaced have to be in before the next one is.
const VISITORS: usize = 2;
/// The usual time: no code is replaced while a process is.
const TOKEN_LIFETIME: Duration = Duration::from_secs(30);
/// For all visitors.
const INVITE: &str = "RELEASE00001";
/// The number of the person whose page is asked for all the time.
const WATCHED: u64 = 7;

#[tokio::test(flavor = "multi_thread")]
async fn processes_are_replaced_one_after_the_other_and_no_request_fails() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    // Of the version before, or as they are now.
    let old = std::env::var_os("OLD_BINARY").map(PathBuf::from);
    let cluster = PrivateCluster::start_temporary().await?;
    let url = cluster.create_database("upgrade").await?;
    let db = Database::connect(&url).await?;
    let front = Front::reserve()?;
    let mut environment = Environment::on(db, url.expose_secret(), TOKEN_LIFETIME).await?;
    environment.origin.clone_from(&front.origin);
    let environment = Arc::new(environment);
    let mut deployment = Deployment::start(&environment, front, url.expose_secret(), old.as_deref()).await?;
    let new = environment.settings().binary;

    let mut of_the_version_before = environment.settings();
    of_the_version_before.binary = old.clone().unwrap_or_else(|| new.clone());
    let tool = Service::new(of_the_version_before);
    let order = ["invite", "create", "--tier", "premium", "--code", INVITE, "--max-uses", "10000"];
    tool.tool(&order).await?;
    let watched = environment.person(WATCHED, false);
    let card = environment.telegram.person(watched).ask_for_card(&format!("/login {INVITE}")).await?;
    let page = MiniApp::open(card.web_app_url().context("a card")?, None)?;
    let requests = Requests::begin(&environment.origin, page.session_id())?;
    let visitors = Visitors::come(&environment, EVERY, Some(INVITE.to_owned()));
    visitors.wait_for(VISITORS, Instant::now()).await?;

    for index in 0..deployment.processes.len() {
        let name = deployment.processes[index].name;
        requests.during(format!("{name} was replaced"));
        let began = Instant::now();
        deployment.replace(index, &new).await?;
        let replaced = began.elapsed();
        visitors.wait_for(VISITORS, began).await.with_context(|| format!("after {name}"))?;
        let waits = visitors.longest_since(began).into_iter();
        let waits: Vec<_> =
            waits.map(|(wait, longest)| format!("{} {:.1} s", wait.name(), longest.as_secs_f64())).collect();
        eprintln!("{name} replaced in {:.1} s; longest wait: {}", replaced.as_secs_f64(), waits.join(", "));
    }

    let (answered, failed) = requests.end()?;
    let (mut faults, let_in) = visitors.end().await;
    eprintln!("{answered} requests answered, {} failed; {} visitors in", failed.len(), visitors.in_all());
    faults.extend(failed);
    faults.extend(deployment.ended_by_themselves());
    environment.telegram.person(watched).send("/cancel");
    checks::wait_until_idle(&environment).await?;
    faults.extend(checks::faults(&environment, &[]).await?);
    faults.extend(checks::missing_in_the_log(&environment, &let_in).await?);
    if let Ok(path) = std::env::var("PROCESSES_LOG") {
        std::fs::write(path, deployment.lines.lock().unwrap().join("\n"))?;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}
