//! What every drill stands on: a cluster with a prefilled log, the real processes of the service, a Telegram, and the torture's
//! crowd, which logs in without a pause. And the checks at the end, which are the torture's, too.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use eventlog::Database;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgPool};
use stand_in::service::Condition;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::checks;
use crate::cluster::Cluster;
use crate::fleet::{Fleet, Shape};
use crate::ground::Ground;
use crate::people::Crowd;
use crate::prefilled::FIRST_TELEGRAM_ID;
use crate::probe::Probes;

/// How many people are there at any time.
const CROWD: usize = 8;
/// Codes that are renewed every two seconds: so the checks' patience fits.
const TOKEN_LIFETIME: Duration = Duration::from_secs(4);
/// How long people who are under way may take to finish, once nothing happens any more.
const LAST_LOGINS: Duration = Duration::from_secs(400);

pub struct Scene {
    pub ground: Arc<Ground>,
    pub fleet: Fleet,
    pub probes: Probes,
    crowd: Arc<Crowd>,
    people: Vec<JoinHandle<Result<()>>>,
    dir: PathBuf,
}

impl Scene {
    /// The service reaches the database by `url`; we by HAProxy.
    pub async fn begin(cluster: &Cluster, url: &str, dir: &Path) -> Result<Self> {
        let db = Database::connect(&cluster.url().into()).await?;
        show_only_the_crowd(&db).await?;
        let mut ground = Ground::on(db, url, TOKEN_LIFETIME).await?;
        ground.checked = pool_of_the_crowd(&cluster.url()).await?;
        let ground = Arc::new(ground);
        let mut fleet = Fleet::on(&ground)?;
        fleet.start(Shape::Several)?;
        fleet.leave_in_peace().await?;
        let crowd = Arc::new(Crowd::new(ground.clone(), seed(), fleet.lines()));
        let people = (0..CROWD).map(|_| tokio::spawn(crowd.clone().keep_coming())).collect();
        let probes = Probes::new(ground.clone());
        Ok(Self { ground, fleet, probes, crowd, people, dir: dir.to_owned() })
    }

    /// Lets everybody come to an end, and tells what is not as it should be.
    pub async fn end(mut self, beats_committed: i64) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        for service in self.fleet.up() {
            let status = service.status();
            if status.state == Condition::Exited {
                faults.push(format!("a process ended by itself: {}", status.note.unwrap_or_default()));
            }
        }
        if let Err(error) = self.look(beats_committed, &mut faults).await {
            faults.push(format!("{error:#}"));
        }
        eprintln!("the crowd: {:?}", self.crowd.tally);
        faults.extend(self.crowd.complaints());
        for fault in &mut faults {
            // Without the database there is no story to tell.
            let story = timeout(Duration::from_secs(30), checks::story_of(&self.ground, fault)).await;
            fault.push_str(&story.unwrap_or(Ok(String::new())).unwrap_or_default());
        }
        Ok(faults)
    }

    async fn look(&mut self, beats_committed: i64, faults: &mut Vec<String>) -> Result<()> {
        self.crowd.stop_disturbing();
        let until = Instant::now() + LAST_LOGINS;
        for person in &mut self.people {
            tokio::time::timeout_at(until, person).await.context("somebody never comes to an end")???;
        }
        checks::come_to_rest(&self.ground).await?;
        let beats: i64 =
            sqlx::query_scalar("select count(*) from drill.beats").fetch_one(&self.ground.checked).await?;
        ensure!(
            beats >= beats_committed,
            "the cluster itself lost {} committed rows",
            beats_committed - beats
        );
        let handed_over = self.crowd.handed_over.lock().expect("nobody panics").clone();
        let told_in = self.crowd.told_in.lock().expect("nobody panics").clone();
        faults.extend(checks::unknown_to_the_log(&self.ground, &told_in).await?);
        eprintln!("verifying all views against the whole log");
        faults.extend(checks::faults(&self.ground, &handed_over).await?);
        let forgotten = self.crowd.forgotten.lock().expect("nobody panics").clone();
        let lines = self.fleet.lines().lock().expect("nobody panics").clone();
        faults.extend(checks::forgotten::traces(&self.ground, &forgotten, &lines).await?);
        Ok(())
    }
}

impl Drop for Scene {
    /// What the processes said and the people did stays, to find out why.
    fn drop(&mut self) {
        for person in &self.people {
            person.abort();
        }
        let lines = self.fleet.lines().lock().expect("nobody panics").join("\n");
        let _ = std::fs::write(self.dir.join("service.log"), lines);
    }
}

/// The checks ask for people and logins by bare table names. To them the log begins where the crowd does.
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
