//! `/qr-auth-status` of the real service with 10,000 live logins, at 64 connections: for strangers, who get only the status,
//! and for owners, who send their launch data.
//!
//! Beside it, with the same load in the same run: an axum handler that always says the same, with a body of the same size
//! (the limit); one point select a request; and FastAPI with Redis. All share two cores with the load generator, as nothing is
//! pinned; so the processor time of a request is told, too, which the load generator has no part in. Rounds go
//! through all of them in turn, and the median counts.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use stand_in::mini_app::MiniApp;

use crate::environment::{Environment, Person};
use crate::figure::{Figure, Goal, Report};
use crate::process::cpu_seconds;

mod load;
pub mod peers;
mod python;

use load::{Answered, CONNECTIONS, Questions};
use peers::Peer;
use python::PythonWay;

const LIVE: usize = 10_000;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(4);

/// The results of one server in each round.
#[derive(Default)]
struct Rounds {
    answered: Vec<Answered>,
    cpu_micros: Vec<f64>,
}

impl Rounds {
    async fn add(&mut self, questions: &Questions, addr: SocketAddr, pid: Option<u32>) -> Result<()> {
        let before = pid.map(cpu_seconds).transpose()?;
        let answered = questions.ask(addr, ROUND).await?;
        if let (Some(pid), Some(before)) = (pid, before) {
            self.cpu_micros.push((cpu_seconds(pid)? - before) * 1e6 / answered.requests);
        }
        self.answered.push(answered);
        Ok(())
    }

    fn per_second(&self) -> f64 {
        median(self.answered.iter().map(|it| it.per_second))
    }

    fn p99_ms(&self) -> f64 {
        median(self.answered.iter().map(|it| it.p99_ms))
    }

    fn cpu_micros(&self) -> f64 {
        median(self.cpu_micros.iter().copied())
    }
}

/// Requests a second of each server, in one round.
pub async fn measure(report: &mut Report) -> Result<()> {
    let environment = Environment::set_up("api,projector").await?;
    let people = environment.people(LIVE).await?;
    environment.settle().await?;
    let bare = answer(&environment, &people[0], false).await?;
    let whole = answer(&environment, &people[0], true).await?;

    let service = environment.service.settings().listen;
    let pid = environment.pid()?;
    let same_bare = Peer::Static { body: bare.clone() }.start(None).await?;
    let same_whole = Peer::Static { body: whole }.start(None).await?;
    let point_select = Peer::PointSelect.start(Some(environment.database_url())).await?;
    let statuses: Vec<_> = people.iter().map(|it| (it.login_id.to_string(), bare.clone())).collect();
    let python = PythonWay::prepare(environment.dir.path(), &statuses).await?;

    let strangers = Questions::of_strangers(&people, environment.dir.path())?;
    let owners = Questions::of_owners(&people, environment.dir.path())?;
    let (mut limit, mut ours): (Rounds, Rounds) = Default::default();
    let (mut owners_limit, mut ours_for_owners): (Rounds, Rounds) = Default::default();
    let (mut select, mut one_worker, mut two_workers): (Rounds, Rounds, Rounds) = Default::default();
    for _ in 0..ROUNDS {
        limit.add(&strangers, same_bare.addr, Some(same_bare.pid)).await?;
        ours.add(&strangers, service, Some(pid)).await?;
        owners_limit.add(&owners, same_whole.addr, Some(same_whole.pid)).await?;
        ours_for_owners.add(&owners, service, Some(pid)).await?;
        select.add(&strangers, point_select.addr, None).await?;
        for (workers, rounds) in [(1, &mut one_worker), (2, &mut two_workers)] {
            let served = python.serve(workers).await?;
            rounds.add(&strangers, served.addr, None).await?;
            served.end().await?;
        }
    }
    // The logins must have been live to the end of the measurement.
    for person in [&people[0], &people[LIVE - 1]] {
        ensure!(
            answer(&environment, person, true).await?.contains("\"waiting\""),
            "the logins have ended meanwhile"
        );
    }
    environment.clear().await;

    let what = |who: &str| format!("status for {who}, {LIVE} live logins, {CONNECTIONS} connections");
    let per_second = |who: &str, ours: &Rounds, peer: &str, theirs: &Rounds| {
        Figure::new(what(who), ours.per_second(), "requests/s", peer, theirs.per_second())
    };
    let always_the_same = "an axum handler that always says the same";
    report.add(per_second("strangers", &ours, always_the_same, &limit).with_goal(Goal::AtLeast(0.8)));
    report.add(
        per_second("owners", &ours_for_owners, always_the_same, &owners_limit).with_goal(Goal::AtLeast(0.8)),
    );
    report.add(per_second("strangers", &ours, "a point select a request", &select));
    report.add(
        per_second("strangers", &ours, "FastAPI and Redis, 1 worker", &one_worker)
            .with_goal(Goal::AtLeast(10.0)),
    );
    report.add(
        per_second("strangers", &ours, "FastAPI and Redis, 2 workers", &two_workers)
            .with_goal(Goal::AtLeast(10.0)),
    );
    for (who, ours, limit) in [("strangers", &ours, &limit), ("owners", &ours_for_owners, &owners_limit)] {
        let (p99, cpu) = (format!("{}, p99", what(who)), format!("{}, processor time a request", what(who)));
        report.add(Figure::new(p99, ours.p99_ms(), "ms", always_the_same, limit.p99_ms()));
        report.add(Figure::new(cpu, ours.cpu_micros(), "µs", always_the_same, limit.cpu_micros()));
    }
    Ok(())
}

/// What the service says, which is also what its peers say.
async fn answer(environment: &Environment, person: &Person, owner: bool) -> Result<String> {
    let url = format!("{}/qr-auth?session_id={}", environment.service.url(), person.login_id);
    let page = MiniApp::open(&url, owner.then(|| person.init_data.clone()))?;
    let answer = page.wait_until(|status| status["status"] == "waiting").await?;
    ensure!(
        answer.get("token").is_some_and(|it| it.is_string()) == owner,
        "the wrong status: {}",
        answer["status"]
    );
    let text = page.get("/qr-auth-status", &[]).await?.text().await?;
    Ok(text)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_round_does_not_count() {
        assert_eq!(median([3.0, 1.0, 900.0].into_iter()), 3.0);
        assert!(median(std::iter::empty()).is_nan());
    }
}
