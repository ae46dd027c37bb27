//! What `/metrics` printed at one moment.

use std::collections::BTreeSet;

/// The text, in the format of Prometheus.
pub struct Scrape(pub String);

/// A family of series: what its comments say, and which labels they have.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family {
    pub name: String,
    pub kind: String,
    pub help: String,
    pub labels: BTreeSet<String>,
}

impl Scrape {
    /// The value of a series, with its labels as they are printed.
    pub fn value(&self, series: &str) -> Option<f64> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok())
    }

    /// Whether there is a series of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.lines().filter_map(|line| line.strip_prefix(name)).any(|rest| rest.starts_with(['{', ' ']))
    }

    /// Everything that was printed.
    pub fn families(&self) -> Vec<Family> {
        let kinds = self.0.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        kinds.map(|(name, kind)| self.family(name, kind)).collect()
    }

    fn family(&self, name: &str, kind: &str) -> Family {
        let help = self.0.lines().find_map(|line| line.strip_prefix(&format!("# HELP {name} ")));
        let series = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            ["_bucket{", "_sum{", "_count{", "{"].iter().find_map(|end| rest.strip_prefix(end))
        });
        let labels = series.flat_map(|labels| {
            let names = labels.split("=\"").filter_map(|part| part.rsplit(['{', ',']).next());
            // What follows the last value is no name.
            let count = labels.matches("=\"").count();
            names.take(count).filter(|name| *name != "le").map(str::to_owned).collect::<Vec<_>>()
        });
        Family {
            name: name.to_owned(),
            kind: kind.to_owned(),
            help: help.unwrap_or_default().to_owned(),
            labels: labels.collect(),
        }
    }
}
