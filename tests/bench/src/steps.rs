//! Where the time from a phone's confirmation to its page goes, step by step, with 1 and 1,000 live logins in one process: the
//! service's own traces, as a collector gets them. Otherwise as in [`confirmation`](crate::confirmation).

use anyhow::{Context as _, Result, ensure};
use eventlog::Clock;
use stand_in::traces::{Collector, SentSpan};

use crate::confirmation::{CONFIRMED, Taken, Waiting, begin, crowd, invites, quantile};
use crate::environment::Environment;
use crate::figure::{Figure, Report};
use crate::process::raise_open_files;

const LIVE: [usize; 2] = [1, 1_000];
/// In the order in which they happen. Together they are the whole.
const STEPS: [&str; 8] = [
    "the phone's request, until the worker hears of it",
    "the worker asks Telegram who it was",
    "the person is let in",
    "the invite is used, and the session sealed and kept",
    "the confirmation is appended",
    "it gets its position and is read",
    "the page's login is brought up to date",
    "the page is answered",
];
/// As much as a collector may miss.
const MISSED: usize = CONFIRMED / 10;

/// One confirmation, by the clock of the bench.
struct Confirmed {
    session_id: String,
    /// In nanoseconds since 1970.
    began: u64,
    ended: u64,
}

/// Both crowds, one after the other.
pub async fn measure(report: &mut Report) -> Result<()> {
    raise_open_files()?;
    let mut alone: Option<Vec<f64>> = None;
    for live in LIVE {
        let steps = taken(live).await?;
        let of_one = alone.take();
        let mut medians = Vec::with_capacity(steps.len());
        for (number, (name, mut values)) in steps.into_iter().enumerate() {
            let (p50, p99) = (quantile(&mut values, 0.5), quantile(&mut values, 0.99));
            let (reference, value) = match &of_one {
                Some(of_one) => ("1 live login, p50", of_one[number]),
                None => ("a millisecond", 1.0),
            };
            for (which, measured) in [("p50", p50), ("p99", p99)] {
                let name = format!("{name}, {live} live logins, {which}");
                report.add(Figure::new(name, measured, "ms", reference, value));
            }
            medians.push(p50);
        }
        alone = Some(medians);
    }
    Ok(())
}

/// How long each step took in each confirmation, in milliseconds, and the whole.
async fn taken(live: usize) -> Result<Vec<(&'static str, Vec<f64>)>> {
    let collector = Collector::start().await?;
    let traced = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url), ("OTEL_BSP_MAX_QUEUE_SIZE", "65536")];
    let environment = Environment::with("api,bot,projector", &traced).await?;
    let invites = invites(&environment);
    let mut confirmed = Vec::with_capacity(CONFIRMED);
    if live == 1 {
        for number in 0..CONFIRMED {
            confirmed.push(confirm(begin(&environment, &invites, number).await?).await?);
        }
    } else {
        let mut everybody = crowd(&environment, &invites, live + CONFIRMED).await?;
        for one in everybody.split_off(live) {
            confirmed.push(confirm(one).await?);
        }
        everybody.iter().for_each(Waiting::leave);
    }
    // It sends what it has before it ends.
    environment.clear().await;
    let spans = collector.spans()?;
    let mut steps: Vec<_> = STEPS.into_iter().chain(["the whole"]).map(|name| (name, Vec::new())).collect();
    for one in &confirmed {
        let Some(moments) = moments(one, &spans) else { continue };
        let whole = (moments[0], moments[STEPS.len()]);
        let pairs = moments.windows(2).map(|pair| (pair[0], pair[1])).chain([whole]);
        for ((_, values), (from, to)) in steps.iter_mut().zip(pairs) {
            values.push((to as f64 - from as f64) / 1e6);
        }
    }
    let traced = steps[0].1.len();
    ensure!(traced + MISSED >= confirmed.len(), "only {traced} of {} have a whole trace", confirmed.len());
    Ok(steps)
}

async fn confirm(one: Waiting) -> Result<Confirmed> {
    let session_id = one.session_id().to_owned();
    let mut taken = Taken::default();
    let began = u64::try_from(Clock::system().now().as_nanosecond())?;
    one.confirm(&mut taken).await?;
    let whole = taken.whole.pop().context("it was measured")?;
    Ok(Confirmed { session_id, began, ended: began + (whole * 1e6) as u64 })
}

/// When each step began, and when the last one ended. None: a span is missing, as where no poll waited
/// just then.
fn moments(one: &Confirmed, spans: &[SentSpan]) -> Option<[u64; STEPS.len() + 1]> {
    let is_of_login = |span: &&SentSpan| {
        span.attributes.get("login.id").is_some_and(|id| one.session_id.starts_with(&**id))
    };
    let first = spans.iter().filter(|span| span.name == "confirm login").find(is_of_login)?;
    let below = |name: &str| spans.iter().find(|span| span.parent == first.id && span.name == name);
    let ended = |name: &str| below(name).map(|span| span.ended);
    Some([
        one.began,
        first.began,
        ended("auth.exportLoginToken")?,
        ended("check account")?,
        ended("use invite")?.max(ended("link session")?),
        ended("record confirmation")?,
        below("wake page")?.began,
        ended("wake page")?,
        one.ended,
    ])
}
