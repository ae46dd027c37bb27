//! The real processes: one that does everything, or two for the bot beside one for the rest; killed, frozen, started.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use eventlog::Clock;
use stand_in::service::{Condition, Service};
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::ground::Ground;

/// How long a process may take to be running before it is killed all the same.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// Who runs.
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
    /// Who is frozen, and until when.
    frozen: Vec<(Service, Instant)>,
    pub kills: u64,
    pub freezes: u64,
    lines: Lines,
    clock: Clock,
}

/// Everything that the processes have said.
pub type Lines = Arc<Mutex<Vec<String>>>;

impl Fleet {
    /// Nobody runs yet.
    pub fn on(ground: &Ground) -> Result<Self> {
        let whole = ground.settings();
        let front = whole.clone().with("ROLE", "api,projector");
        let bots = [whole.beside()?.with("ROLE", "bot"), whole.beside()?.with("ROLE", "bot")];
        let lines = Lines::default();
        let named = |name: &'static str, settings| {
            let service = Service::new(settings);
            tokio::spawn(write_down(name, service.clone(), lines.clone()));
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

    /// Starts whoever belongs to this shape and does not run. A process that ended by itself is a defect.
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

    /// One disturb: mostly a kill, at times a freeze, now and then another shape. At times before anybody has come up.
    pub async fn disturb(&mut self, dice: &mut Dice) -> Result<()> {
        if dice.percent(75) {
            self.run_for(dice.millis(50..2_500)).await;
        } else {
            sleep(dice.millis(50..1_000)).await;
        }
        self.thaw_due(Instant::now());
        match self.shape {
            Shape::Several if dice.percent(30) => self.freeze(dice),
            // Nobody takes over from the only one; it wakes up before it is killed.
            Shape::One if dice.percent(15) => {
                self.freeze(dice);
                while !self.frozen.is_empty() {
                    sleep(Duration::from_millis(50)).await;
                    self.thaw_due(Instant::now());
                }
                self.run_for(dice.millis(50..2_500)).await;
            }
            _ => {}
        }
        let turns = dice.percent(15);
        let all = turns || dice.percent(20);
        let up = self.up();
        let chosen = usize::try_from(dice.within(0..up.len() as u64)).expect("three");
        let killed: Vec<_> =
            up.into_iter().enumerate().filter(|(n, _)| all || *n == chosen).map(|(_, it)| it).collect();
        for service in killed {
            self.note(&format!("kills {}", service.url()));
            service.kill().await;
            self.kills += 1;
            self.frozen.retain(|(frozen, _)| frozen.url() != service.url());
        }
        if dice.percent(40) {
            sleep(dice.millis(0..1500)).await;
        }
        self.start(match (self.shape, turns) {
            (Shape::One, true) | (Shape::Several, false) => Shape::Several,
            (Shape::Several, true) | (Shape::One, false) => Shape::One,
        })
    }

    /// Once everybody runs, for as long as this: on a busy machine that is a while.
    async fn run_for(&mut self, time: Duration) {
        let began = Instant::now();
        let runs = |service: &Service| service.status().state == Condition::Running;
        while !self.up().iter().all(runs) && began.elapsed() < START_PATIENCE {
            sleep(Duration::from_millis(50)).await;
            self.thaw_due(Instant::now());
        }
        sleep(time).await;
    }

    fn freeze(&mut self, dice: &mut Dice) {
        let up = self.up();
        let chosen = &up[usize::try_from(dice.within(0..up.len() as u64)).expect("three")];
        self.note(&format!("freezes {}", chosen.url()));
        chosen.freeze();
        self.freezes += 1;
        // Shorter and longer than any lease.
        self.frozen.push((chosen.clone(), Instant::now() + dice.millis(100..9_000)));
    }

    /// Writes down who is disturbed, among what they say.
    fn note(&self, what: &str) {
        let line = format!("fleet {} {what}", self.clock.now());
        self.lines.lock().expect("nobody panics while writing down").push(line);
    }

    /// Lets go on whose time has come.
    pub fn thaw_due(&mut self, now: Instant) {
        self.frozen.retain(|(service, until)| {
            let still = *until > now;
            if !still {
                service.thaw();
            }
            still
        });
    }

    /// Everybody runs, and nobody disturbances them any more.
    pub async fn leave_in_peace(&mut self) -> Result<()> {
        self.thaw_due(Instant::now() + Duration::from_secs(3600));
        self.start(self.shape)?;
        for service in self.up() {
            service.wait_until_running().await?;
        }
        Ok(())
    }
}

async fn write_down(name: &'static str, service: Service, lines: Lines) {
    let mut changes = service.changes();
    let mut seen = 0;
    while changes.changed().await.is_ok() {
        let said = service.log_after(seen);
        seen = said.last().map_or(seen, |line| line.n);
        let mut lines = lines.lock().expect("nobody panics while writing down");
        lines.extend(said.into_iter().map(|line| format!("{name:5} {}", line.line)));
    }
}
