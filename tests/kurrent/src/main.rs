//! A node to try `replay mirror` with by hand: prints its address, and the end of each stream.

use std::io::Write;

use kurrent::{Node, Settings};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let node = Node::start(Settings::default()).await;
    let mut out = std::io::stdout();
    writeln!(out, "esdb://{}?tls=false", node.address())?;
    let mut told = Vec::new();
    loop {
        node.until(|streams| streams.ends() != told).await;
        told = node.streams().ends();
        for (stream, events) in &told {
            writeln!(out, "{stream}: {events} events")?;
        }
    }
}
