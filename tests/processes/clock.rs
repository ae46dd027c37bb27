//! The clock of the machine is set back while people log in (libfaketime).

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tokio::time::Instant;

use crate::checks;
use crate::resources::Machine;
use crate::visitors::Visitors;

/// 1. A code is on the screen. The machine's clock is set back by 20 s; Telegram's, the phones' and PostgreSQL's are right.
/// 2. The code that is shown then logs in, and people who come after it get in.
/// 3. The clock is set right again.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_clock_was_set_back_people_get_in() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    let library = libfaketime()?;
    let dir = tempfile::tempdir()?;
    let shift = dir.path().join("shift");
    std::fs::write(&shift, "+0\n")?;
    let machine = Machine::with(&format!(
        "export LD_PRELOAD='{}' FAKETIME_TIMESTAMP_FILE='{}' FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1",
        library.display(),
        shift.display()
    ))
    .await?;
    let came = Instant::now();
    let visitors = Visitors::come(&machine.environment, Duration::from_millis(500), None);
    visitors.wait_for(2, came).await?;
    for set_to in ["-20\n", "+0\n"] {
        std::fs::write(&shift, set_to)?;
        let set = Instant::now();
        if let Err(error) = visitors.wait_for(3, set).await {
            let lines = machine.process.service.log_after(0);
            let lines: Vec<_> = lines.into_iter().map(|line| line.line).collect();
            bail!("the clock shows {}: {error:#}\n{}", set_to.trim(), lines.join("\n"));
        }
        eprintln!("clock {}: {:?}", set_to.trim(), visitors.longest_since(set));
    }
    let (lost, let_in) = visitors.end().await;
    ensure!(lost.is_empty(), "{}", lost.join("\n"));
    let missing = checks::missing_in_the_log(&machine.environment, &let_in).await?;
    ensure!(missing.is_empty(), "{missing:?}");
    machine.expect_no_fault().await
}

fn libfaketime() -> Result<PathBuf> {
    for folder in std::fs::read_dir("/usr/lib")? {
        let library = folder?.path().join("faketime/libfaketime.so.1");
        if library.is_file() {
            return Ok(library);
        }
    }
    bail!("libfaketime is missing: apt-get install faketime")
}
