//! What every drill needs: a cluster with a prefilled log, the real processes of the service, a Telegram, and the torture's
//! people, who log in without a pause. The checks at the end are those of the torture, too.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use eventlog::Database;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgPool};
use stand_in::service::Condition;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::checks;
use crate::cluster::Cluster;
use crate::environment::Environment;
use crate::fleet::{Fleet, Shape};
use crate::people::Crowd;
use crate::prefilled::FIRST_TELEGRAM_ID;
use crate::probe::Probes;

/// How many people log in at the same time, unless `CROWD` says otherwise.
const CROWD: u64 = 8;
/// QR codes are renewed after half of this time, which fits the waits of the checks.
const TOKEN_LIFETIME: Duration = Duration::from_secs(4);
/// How long the last logins may take, after the last fault.
const LAST_LOGINS: Duration = Duration::from_secs(400);

/// How long it may take until a log that was branched is signed.
const SIGNED_WITHIN: Duration = Duration::from_secs(60);

pub struct Scene {
    pub environment: Arc<Environment>,
    pub fleet: Fleet,
    pub probes: Probes,
    crowd: Arc<Crowd>,
    people: Vec<JoinHandle<Result<()>>>,
    dir: PathBuf,
}

impl Scene {
    /// The service reaches the database by `url`, the drill through HAProxy.
    pub async fn begin(cluster: &Cluster, url: &str, dir: &Path) -> Result<Self> {
        let db = Database::connect(&cluster.url().into()).await?;
        show_only_the_crowd(&db).await?;
        let mut environment = Environment::on(db, url, TOKEN_LIFETIME).await?;
        environment.checked = pool_of_the_crowd(&cluster.url()).await?;
        let environment = Arc::new(environment);
        let mut fleet = Fleet::on(&environment)?;
        fleet.start(Shape::Several)?;
        fleet.resume_all().await?;
        let crowd = Arc::new(Crowd::new(environment.clone(), seed(), fleet.lines()));
        let people = (0..crate::number("CROWD").unwrap_or(CROWD))
            .map(|_| tokio::spawn(crowd.clone().run_people()))
            .collect();
        let probes = Probes::new(environment.clone());
        Ok(Self { environment, fleet, probes, crowd, people, dir: dir.to_owned() })
    }

    /// How many lines the service has logged.
    pub fn log_lines(&self) -> usize {
        self.fleet.lines().lock().expect("nobody panics while writing down").len()
    }

    /// Keeps what the service has logged since then, beside the logs of the cluster.
    pub fn keep_log(&self, since: usize, name: &str) -> Result<()> {
        let lines = self.fleet.lines();
        let lines = lines.lock().expect("nobody panics while writing down");
        std::fs::write(self.dir.join(name), lines[since..].join("\n")).context("the log cannot be kept")
    }

    /// Waits until all people have finished, and returns what is wrong.
    pub async fn end(&mut self, beats_committed: i64) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        for service in self.fleet.up() {
            let status = service.status();
            if status.state == Condition::Exited {
                faults.push(format!("a process ended by itself: {}", status.note.unwrap_or_default()));
            }
        }
        if let Err(error) = self.check(beats_committed, &mut faults).await {
            faults.push(format!("{error:#}"));
        }
        eprintln!("the crowd: {:?}", self.crowd.tally);
        faults.extend(self.crowd.failures());
        for fault in &mut faults {
            // Without the database there are no events to show.
            let story =
                timeout(Duration::from_secs(30), checks::events_about(&self.environment, fault)).await;
            fault.push_str(&story.unwrap_or(Ok(String::new())).unwrap_or_default());
        }
        Ok(faults)
    }

    /// Logins that people were told of and that the log does not know.
    pub async fn missing(&self) -> Result<Vec<String>> {
        let first = self.missing_now().await?;
        if first.is_empty() {
            return Ok(first);
        }
        // A login may begin after the log was read and before the chats are.
        let again = self.missing_now().await?;
        Ok(again.into_iter().filter(|login| first.contains(login)).collect())
    }

    async fn missing_now(&self) -> Result<Vec<String>> {
        let let_in_pages = self.crowd.let_in_pages.lock().expect("nobody panics while counting").clone();
        checks::missing_in_the_log(&self.environment, &let_in_pages).await
    }

    /// A gap among the positions.
    pub async fn check_positions(&self) -> Result<Vec<String>> {
        let (positions, last): (i64, i64) =
            sqlx::query_as("select count(*), coalesce(max(position), 0) from log_index")
                .fetch_one(&self.environment.checked)
                .await?;
        Ok((positions != last)
            .then(|| format!("{positions} positions, and the last one is {last}"))
            .into_iter()
            .collect())
    }

    /// `replay verify`, beside the running service.
    pub async fn verify(&self, url: &str) -> Result<()> {
        let said = self.environment.tool.replay(url, &["verify"]).await?;
        eprintln!("     replay verify: {}", said.lines().last().unwrap_or_default());
        Ok(())
    }

    /// What was signed may be lost, too. Then nothing more is signed, until an operator lets the log go on under a new name.
    pub async fn branch_log(&self, url: &str) -> Result<()> {
        let Err(error) = self.verify(url).await else { return Ok(()) };
        eprintln!("     {}", error.to_string().trim());
        let order = ["log", "branch", "--reason", "a failover lost its end"];
        self.environment.tool.tool(&order).await?;
        let until = Instant::now() + SIGNED_WITHIN;
        while let Err(error) = self.verify(url).await {
            ensure!(Instant::now() < until, "after `qr-login log branch`: {error:#}");
            sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// After the end of the log was lost, and with it logins that people were told of: the log and the views are whole all the
    /// same, and nothing is stuck. Returns what is wrong.
    pub async fn end_of_what_is_left(&mut self) -> Result<Vec<String>> {
        self.finish_people().await?;
        checks::wait_until_idle(&self.environment).await?;
        eprintln!("the crowd: {:?}", self.crowd.tally);
        let parked: Vec<String> = sqlx::query_scalar("select view || ' ' || key || ' ' || error from parked")
            .fetch_all(&self.environment.checked)
            .await?;
        let mut faults = self.check_positions().await?;
        faults.extend(parked.into_iter().map(|row| format!("something is parked: {row}")));
        Ok(faults)
    }

    async fn finish_people(&mut self) -> Result<()> {
        self.crowd.stop_disturbing();
        let until = Instant::now() + LAST_LOGINS;
        for person in &mut self.people {
            tokio::time::timeout_at(until, person).await.context("a person never finishes")???;
        }
        Ok(())
    }

    async fn check(&mut self, beats_committed: i64, faults: &mut Vec<String>) -> Result<()> {
        self.finish_people().await?;
        checks::wait_until_idle(&self.environment).await?;
        let beats: i64 = sqlx::query_scalar("select count(*) from drill.beats")
            .fetch_one(&self.environment.checked)
            .await?;
        ensure!(
            beats >= beats_committed,
            "the cluster itself lost {} committed rows",
            beats_committed - beats
        );
        let handed_over = self.crowd.handed_over.lock().expect("nobody panics").clone();
        let let_in_pages = self.crowd.let_in_pages.lock().expect("nobody panics").clone();
        faults.extend(checks::missing_in_the_log(&self.environment, &let_in_pages).await?);
        eprintln!("verifying all views against the whole log");
        faults.extend(checks::faults(&self.environment, &handed_over).await?);
        let erased = self.crowd.erased.lock().expect("nobody panics").clone();
        let lines = self.fleet.lines().lock().expect("nobody panics").clone();
        faults.extend(checks::erased::traces(&self.environment, &erased, &lines).await?);
        Ok(())
    }
}

impl Drop for Scene {
    /// Keeps the log lines, to find out why a drill failed.
    fn drop(&mut self) {
        for person in &self.people {
            person.abort();
        }
        let lines = self.fleet.lines().lock().expect("nobody panics").join("\n");
        let _ = std::fs::write(self.dir.join("service.log"), lines);
    }
}

/// The checks use table names without a schema. This schema shows them only the events of the test's people.
async fn show_only_the_crowd(db: &Database) -> Result<()> {
    let prefilled: i64 =
        sqlx::query_scalar("select coalesce(max(event_no), 0) from events").fetch_one(db.pool()).await?;
    db.pool()
        .execute(
            format!(
                "create schema crowd;
                 create view crowd.events as select * from public.events where event_no > {prefilled};
                 create view crowd.users as select * from public.users where telegram_id < {FIRST_TELEGRAM_ID};
                 create view crowd.invites as select * from public.invites i where exists (
                     select from crowd.events e where e.event_type = 'InviteCreated' and e.aggregate_id = i.invite_id::text);"
            )
            .as_str(),
        )
        .await?;
    Ok(())
}

async fn pool_of_the_crowd(url: &str) -> Result<PgPool> {
    let options: PgConnectOptions = url.parse()?;
    let options = options.options([("search_path", "crowd,public"), ("work_mem", "256MB")]);
    Ok(PgPoolOptions::new().max_connections(2).connect_lazy_with(options))
}

fn seed() -> u64 {
    let seed = crate::number("SEED").unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("SEED={seed}");
    seed
}
