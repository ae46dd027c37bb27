//! Metrics, alert rules, runbooks and the dashboard, against what a running service prints and against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stand_in::accounts::ILYA;
use telemetry::catalogue::{Kind, METRICS, Metric};

use crate::wait::eventually;
use crate::world::{World, WorldOptions};

const RENEW: &str = "RENEW=1 cargo test -p qr-login --test e2e telemetry";
const RULES: &str = "deploy/prometheus/qr-login.rules.yml";
const RULE_TESTS: &str = "deploy/prometheus/tests.yml";
const DASHBOARD: &str = "deploy/grafana/qr-login.json";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| path.to_owned())
}

const fn kind_of(metric: &Metric) -> &'static str {
    match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    }
}

/// In the table of docs/operate.md.
fn row_of(metric: &Metric) -> String {
    let labels: Vec<_> = metric.labels.iter().map(|(name, _)| format!("`{name}`")).collect();
    format!("| `{}` | {} | {} | {} |", metric.name, kind_of(metric), labels.join(", "), metric.help)
}

/// promtool of Debian's Prometheus, which is installed where it is missing.
fn promtool(arguments: &[&str], input: Option<&str>) -> Result<()> {
    let need = Command::new(root().join("scripts/need")).arg("prometheus").output()?;
    ensure!(need.status.success(), "{}", String::from_utf8_lossy(&need.stderr));
    let mut tool = Command::new("promtool");
    let tool = tool.args(arguments).current_dir(root()).stdin(Stdio::piped());
    let mut tool = tool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = tool.stdin.take().context("a pipe")?;
    stdin.write_all(input.unwrap_or_default().as_bytes())?;
    drop(stdin);
    let output = tool.wait_with_output()?;
    let said =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).join("");
    ensure!(output.status.success(), "promtool {}: {said}", arguments.join(" "));
    Ok(())
}

/// Names of metrics in a text, without what histograms add.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("qrlogin_"));
    let bare = |name: &str| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let base =
            base.filter(|base| METRICS.iter().any(|it| it.name == *base && kind_of(it) == "histogram"));
        base.unwrap_or(name).to_owned()
    };
    names.map(bare).collect()
}

fn assert_known(names: &BTreeSet<String>, place: &str) {
    let known: BTreeSet<_> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    let unknown: Vec<_> = names.difference(&known).collect();
    assert!(unknown.is_empty(), "{place} names metrics that do not exist: {unknown:?}");
}

#[tokio::test]
async fn a_running_service_prints_what_is_listed_and_what_prometheus_likes() -> Result<()> {
    let world = World::start().await?;
    world.wait_for_readiness("ready\n").await?;
    world.log_in(ILYA).await?;
    eventually("the reactor has counted the login", async || {
        Ok(world.metrics().await?.value("qrlogin_logins_total{way=\"qr\",outcome=\"authorized\"}")
            >= Some(1.0))
    })
    .await?;
    let scrape = world.metrics().await?;
    let printed: BTreeMap<_, _> = scrape.families().into_iter().map(|it| (it.name.clone(), it)).collect();
    assert_eq!(printed.len(), scrape.families().len(), "a family is printed twice");
    for metric in METRICS {
        let family = printed.get(metric.name).with_context(|| format!("{} is not printed", metric.name))?;
        let labels: BTreeSet<_> = metric.labels.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!((&*family.kind, &*family.help), (kind_of(metric), metric.help), "{}", metric.name);
        // A view that was never parked has no series.
        if metric.name != "qrlogin_rows_parked_total" {
            assert_eq!(family.labels, labels, "{}", metric.name);
        }
    }
    assert_known(&printed.into_keys().collect(), "/metrics");
    promtool(&["check", "metrics"], Some(&scrape.0))?;

    for phase in ["first_qr", "confirm", "link", "page"] {
        let count = scrape.value(&format!("qrlogin_login_phase_seconds_count{{phase=\"{phase}\"}}"));
        assert!(count >= Some(1.0), "{phase}: {count:?}");
    }
    let page = "qrlogin_http_requests_total{route=\"/qr-auth-status\",method=\"GET\",status=\"2xx\"}";
    assert!(scrape.value(page) >= Some(1.0), "{page}");
    assert!(scrape.value("qrlogin_lease_held{lease=\"leader\"}") >= Some(1.0));
    // Neither whose login it was, nor by which key.
    let accounts: Vec<String> =
        sqlx::query_scalar("select account_id::text from users").fetch_all(world.db.pool()).await?;
    for secret in accounts.iter().map(String::as_str).chain([&*ILYA.to_string(), "session_id"]) {
        assert!(!scrape.0.contains(secret), "{secret} is in the metrics");
    }
    Ok(())
}

#[tokio::test]
async fn how_a_login_ends_is_counted_by_way_and_outcome_and_telegrams_errors_by_kind() -> Result<()> {
    let world = World::with(WorldOptions::default()).await?;
    let outcome = |outcome: &str| format!("qrlogin_logins_total{{way=\"qr\",outcome=\"{outcome}\"}}");
    let flood = "qrlogin_telegram_errors_total{api=\"mtproto\",kind=\"flood_wait\"}";
    let wait = "qrlogin_telegram_flood_wait_seconds_sum{api=\"mtproto\"}";
    let before = world.metrics().await?;
    // Other tests of this process count as well: their numbers only grow.
    let grown = async |series: &str, by: f64| {
        let now = world.metrics().await?.value(series).context("a series")?;
        anyhow::Ok(now >= before.value(series).unwrap_or_default() + by)
    };
    world.telegram.mtproto.faults().flood_wait("auth.exportLoginToken", 1);
    let code = world.invite(domain::Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    world.qr_link(ILYA, &session).await?;
    assert!(grown(flood, 1.0).await? && grown(wait, 1.0).await?);
    world.post_as(ILYA, "/qr-auth/cancel", &serde_json::json!({"session_id": session})).send().await?;
    eventually("a cancelled login is counted", async || grown(&outcome("cancelled"), 1.0).await).await?;
    world.log_in(ILYA).await?;
    eventually("a login is counted", async || grown(&outcome("authorized"), 1.0).await).await
}

/// A metric that is not in the list has no HELP, and one that nobody sets shows nothing.
#[test]
fn every_metric_of_the_sources_is_in_the_list_as_what_it_is() -> Result<()> {
    let mut set = BTreeMap::<String, BTreeSet<&str>>::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !["target", "tests", "node_modules", ".git", "data"].contains(&&*name) {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path)?;
                for kind in ["counter", "gauge", "histogram"] {
                    for call in text.split(&format!("{kind}!(")).skip(1) {
                        let Some(name) = call.trim_start().strip_prefix('"') else { continue };
                        let name = name.split('"').next().unwrap_or_default();
                        set.entry(name.to_owned()).or_default().insert(kind);
                    }
                }
            }
        }
    }
    let listed = METRICS.iter().map(|metric| (metric.name.to_owned(), BTreeSet::from([kind_of(metric)])));
    assert_eq!(set, listed.collect());
    Ok(())
}

#[test]
fn the_documentation_lists_every_metric() -> Result<()> {
    let path = root().join("docs/operate.md");
    let text = std::fs::read_to_string(&path)?;
    let is_row = |line: &str| line.starts_with("| `qrlogin_");
    let rows: Vec<_> = METRICS.iter().map(row_of).collect();
    let documented: Vec<_> = text.lines().filter(|line| is_row(line)).collect();
    if std::env::var_os("RENEW").is_some() {
        let first = text.lines().position(is_row).context("no row")?;
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let (before, after) = (&lines[..first], &lines[first + documented.len()..]);
        std::fs::write(path, [before, &rows, after].concat().join("\n") + "\n")?;
        return Ok(());
    }
    assert_eq!(documented, rows, "renew it: {RENEW}");
    for document in ["docs/webhooks.md", "ARCHITECTURE.md"] {
        assert_known(&names_in(&read(document)?), document);
    }
    Ok(())
}

/// One alert of the rules.
#[derive(Debug, Default)]
struct Alert {
    name: String,
    runbook: String,
}

fn alerts() -> Result<Vec<Alert>> {
    let mut alerts: Vec<Alert> = Vec::new();
    for line in read(RULES)?.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- alert: ") {
            alerts.push(Alert { name: name.to_owned(), ..Alert::default() });
        } else if let Some(runbook) = line.strip_prefix("runbook_url: ") {
            alerts.last_mut().context("an alert")?.runbook = runbook.to_owned();
        }
    }
    ensure!(alerts.len() > 20, "only {} alerts were found", alerts.len());
    Ok(alerts)
}

#[test]
fn each_alert_fires_where_it_has_to_and_is_quiet_elsewhere() -> Result<()> {
    promtool(&["check", "rules", RULES], None)?;
    promtool(&["check", "config", "--syntax-only", "deploy/prometheus/prometheus.yml"], None)?;
    promtool(&["test", "rules", RULE_TESTS], None)?;
    let tests = read(RULE_TESTS)?;
    for Alert { name, .. } in alerts()? {
        for case in ["fires", "is quiet"] {
            assert!(
                tests.lines().any(|line| line.trim() == format!("- name: {name} {case}")),
                "{name} {case}"
            );
        }
    }
    assert_known(&names_in(&read(RULES)?), RULES);
    assert_known(&names_in(&tests), RULE_TESTS);
    Ok(())
}

#[test]
fn each_alert_has_its_runbook_and_each_runbook_its_alert() -> Result<()> {
    let mut of_runbooks = BTreeMap::<String, BTreeSet<String>>::new();
    for Alert { name, runbook } in alerts()? {
        of_runbooks.entry(runbook).or_default().insert(name);
    }
    let folder = root().join("docs/runbooks");
    let files: BTreeSet<_> = std::fs::read_dir(&folder)?
        .map(|entry| Ok(format!("docs/runbooks/{}", entry?.file_name().to_string_lossy())))
        .collect::<Result<_>>()?;
    assert_eq!(files, of_runbooks.keys().cloned().collect());
    for (runbook, alerts) in of_runbooks {
        let text = read(&runbook)?;
        let line =
            text.lines().find_map(|line| line.strip_prefix("Alerts: ")).context("no line of alerts")?;
        let named: BTreeSet<_> = line.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert_eq!(named, alerts, "{runbook}");
        for heading in
            ["## Symptom", "## What people see", "## Find the cause", "## Mend it", "## It is over when"]
        {
            assert!(text.lines().any(|line| line == heading), "{runbook} lacks {heading}");
        }
        // Some are looked for by their beginning.
        for name in names_in(&text) {
            assert!(METRICS.iter().any(|metric| metric.name.starts_with(&name)), "{runbook}: {name}");
        }
    }
    Ok(())
}

#[test]
fn the_dashboard_shows_metrics_that_exist_in_panels_that_do_not_overlap() -> Result<()> {
    let text = read(DASHBOARD)?;
    let dashboard: Value = serde_json::from_str(&text)?;
    assert!(dashboard["schemaVersion"].as_u64() >= Some(39), "{}", dashboard["schemaVersion"]);
    let names = names_in(&text);
    assert_known(&names, DASHBOARD);
    let missing: Vec<_> = METRICS.iter().filter(|metric| !names.contains(metric.name)).collect();
    assert!(missing.is_empty(), "not on the dashboard: {missing:?}");
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for panel in dashboard["panels"].as_array().context("panels")? {
        let number = |name: &str| panel["gridPos"][name].as_u64().context("a place");
        assert!(ids.insert(panel["id"].as_u64()), "two panels have one id");
        assert!(number("x")? + number("w")? <= 24, "{}", panel["title"]);
        for (x, y) in (number("x")?..number("x")? + number("w")?)
            .flat_map(|x| (0..number("h").unwrap_or(0)).map(move |y| (x, y)))
        {
            assert!(cells.insert((x, number("y")? + y)), "{} lies over another panel", panel["title"]);
        }
        if panel["type"] == "row" {
            continue;
        }
        for target in panel["targets"].as_array().context("targets")? {
            let expr = target["expr"].as_str().context("an expression")?;
            let expr = expr.replace("$__rate_interval", "5m");
            rules += &format!("      - record: panel{}:expr\n        expr: '{expr}'\n", rules.len());
        }
    }
    // As rules, so that promtool reads them.
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), rules)?;
    promtool(&["check", "rules", "--lint=none", file.path().to_str().context("a path of letters")?], None)
}
