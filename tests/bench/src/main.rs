//! `make bench`: each figure of the product beside its peer and beside the physical limit, measured in one run on one machine,
//! so that what counts is the ratio. All sections, or those that are named: `make bench BENCH=append`.
//!
//! A section sets up what it measures by itself, adds its figures to the [`Report`] and leaves nothing behind. The report is
//! printed, and written to `target/bench.json`.

use std::path::Path;

use anyhow::Result;
use clap::{Parser, ValueEnum};

mod figure;
mod machine;

use figure::Report;

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    /// The floor: what a commit and a confirmed write cost here.
    Machine,
}

#[derive(Debug, Parser)]
#[command(about = "Measures the product beside its peers and beside the physical limit")]
struct Arguments {
    /// What to measure; all sections where none is named.
    sections: Vec<Section>,
    /// Where the figures go as JSON.
    #[arg(long, default_value = "target/bench.json")]
    json: Box<Path>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let chosen = match arguments.sections {
        none if none.is_empty() => Section::value_variants().to_vec(),
        some => some,
    };
    let mut report = Report::default();
    for section in chosen {
        match section {
            Section::Machine => machine::measure(&mut report).await?,
        }
    }
    print!("{report}");
    report.write(&arguments.json)
}
