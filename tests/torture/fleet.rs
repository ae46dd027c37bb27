//! The real processes: one that does everything, or two for the bot beside one for the rest; killed, frozen, started.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use eventlog::Clock;
use stand_in::service::{Condition, Service};
use tokio::time::{Instant, sleep};

use crate::environment::Environment;
use crate::random::Random;

/// How long to wait until a process runs, before it is killed in any case.
const START_MAX_WAIT: Duration = Duration::from_secs(20);

/// Which processes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One process that does everything.
    One,
    /// Two for the bot and one for the rest.
    Several,
}

pub struct Fleet {
    one: Service,
    several: Vec<Service>,
    shape: Shape,
    /// The frozen processes, and until when.
    frozen: Vec<(Service, Instant)>,
    pub kills: u64,
    pub freezes: u64,
    lines: Lines,
    clock: Clock,
}

/// All log lines of the processes.
pub type Lines = Arc<Mutex<Vec<String>>>;

impl Fleet {
    /// No process runs yet.
    pub fn on(environment: &Environment) -> Result<Self> {
        let whole = environment.settings();
        let front = whole.clone().with("ROLE", "api,projector");
        let bots = [whole.beside()?.with("ROLE", "bot"), whole.beside()?.with("ROLE", "bot")];
        let lines = Lines::default();
        let named = |name: &'static str, settings| {
            let service = Service::new(settings);
            tokio::spawn(collect_lines(name, service.clone(), lines.clone()));
            service
        };
        let several: Vec<_> =
            ["bot1", "bot2"].into_iter().zip(bots).map(|(name, bot)| named(name, bot)).collect();
        let several = several.into_iter().chain([named("front", front)]).collect();
        let one = named("one", whole);
        Ok(Self {
            one,
            several,
            shape: Shape::One,
            frozen: Vec::new(),
            kills: 0,
            freezes: 0,
            lines,
            clock: Clock::system(),
        })
    }

    pub fn lines(&self) -> Lines {
        self.lines.clone()
    }

    pub fn up(&self) -> Vec<Service> {
        match self.shape {
            Shape::One => vec![self.one.clone()],
            Shape::Several => self.several.clone(),
        }
    }

    /// Starts the processes of this shape that do not run. A process that ended by itself is a defect.
    pub fn start(&mut self, shape: Shape) -> Result<()> {
        self.shape = shape;
        for service in self.up() {
            let status = service.status();
            if status.state == Condition::Exited && status.starts > 0 {
                anyhow::bail!("a process ended by itself: {}", status.note.unwrap_or_default());
            }
            if status.pid.is_none() {
                service.start()?;
            }
        }
        Ok(())
    }

    /// One disturbance: mostly a kill, sometimes a freeze or another shape. It may come before the processes have started.
    pub async fn disturb(&mut self, random: &mut Random) -> Result<()> {
        if random.percent(75) {
            self.run_for(random.millis(50..2_500)).await;
        } else {
            sleep(random.millis(50..1_000)).await;
        }
        self.thaw_due(Instant::now());
        match self.shape {
            Shape::Several if random.percent(30) => self.freeze(random),
            // No other process can take over; so it wakes up before it is killed.
            Shape::One if random.percent(15) => {
                self.freeze(random);
                while !self.frozen.is_empty() {
                    sleep(Duration::from_millis(50)).await;
                    self.thaw_due(Instant::now());
                }
                self.run_for(random.millis(50..2_500)).await;
            }
            _ => {}
        }
        let turns = random.percent(15);
        let all = turns || random.percent(20);
        let up = self.up();
        let chosen = usize::try_from(random.within(0..up.len() as u64)).expect("three");
        let killed: Vec<_> =
            up.into_iter().enumerate().filter(|(n, _)| all || *n == chosen).map(|(_, it)| it).collect();
        for service in killed {
            self.note(&format!("kills {}", service.url()));
            service.kill().await;
            self.kills += 1;
            self.frozen.retain(|(frozen, _)| frozen.url() != service.url());
        }
        if random.percent(40) {
            sleep(random.millis(0..1500)).await;
        }
        self.start(match (self.shape, turns) {
            (Shape::One, true) | (Shape::Several, false) => Shape::Several,
            (Shape::Several, true) | (Shape::One, false) => Shape::One,
        })
    }

    /// Waits until all processes run, and then for this time. On a busy machine starting takes long.
    async fn run_for(&mut self, time: Duration) {
        let began = Instant::now();
        let runs = |service: &Service| service.status().state == Condition::Running;
        while !self.up().iter().all(runs) && began.elapsed() < START_MAX_WAIT {
            sleep(Duration::from_millis(50)).await;
            self.thaw_due(Instant::now());
        }
        sleep(time).await;
    }

    fn freeze(&mut self, random: &mut Random) {
        let up = self.up();
        let chosen = &up[usize::try_from(random.within(0..up.len() as u64)).expect("three")];
        self.note(&format!("freezes {}", chosen.url()));
        chosen.freeze();
        self.freezes += 1;
        // Shorter and longer than any lease.
        self.frozen.push((chosen.clone(), Instant::now() + random.millis(100..9_000)));
    }

    /// Adds a line about a disturbance to the log lines.
    fn note(&self, what: &str) {
        let line = format!("fleet {} {what}", self.clock.now());
        self.lines.lock().expect("nobody panics while writing down").push(line);
    }

    /// Resumes the processes that were frozen until now.
    pub fn thaw_due(&mut self, now: Instant) {
        self.frozen.retain(|(service, until)| {
            let still = *until > now;
            if !still {
                service.thaw();
            }
            still
        });
    }

    /// Resumes and starts all processes, at the end of the disturbances.
    pub async fn resume_all(&mut self) -> Result<()> {
        self.thaw_due(Instant::now() + Duration::from_secs(3600));
        self.start(self.shape)?;
        for service in self.up() {
            service.wait_until_running().await?;
        }
        Ok(())
    }
}

/// Adds the log lines of a process to those of all, until it is dropped.
pub async fn collect_lines(name: &'static str, service: Service, lines: Lines) {
    let mut changes = service.changes();
    let mut seen = 0;
    while changes.changed().await.is_ok() {
        let said = service.log_after(seen);
        seen = said.last().map_or(seen, |line| line.n);
        let mut lines = lines.lock().expect("nobody panics while writing down");
        lines.extend(said.into_iter().map(|line| format!("{name:5} {}", line.line)));
    }
}
