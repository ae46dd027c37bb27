//! `replay prove`: proofs that events are in the signed log (C2SP tlog-proof), each with the event's canonical line.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use domain::LoginId;
use eventlog::{Database, Filter, Log};
use transparency::proof::Proof;
use transparency::{History, StoredTree, heads};

use crate::checkpoint::{Signed, last};
use crate::people;

/// Events that are read at once.
const PAGE: i64 = 1_000;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Of the event at this position; printed.
    #[arg(required_unless_present_any = ["login", "user"], conflicts_with_all = ["login", "user"])]
    position: Option<i64>,
    /// Of everything about this person, and that nothing is left out: a Telegram id or an account id. Printed, for `qr-verify person`.
    #[arg(long, value_name = "ID", conflicts_with = "login")]
    user: Option<String>,
    /// Of each event of this login; a file each, `POSITION.tlog-proof`.
    #[arg(long, value_name = "ID", requires = "folder", allow_hyphen_values = true)]
    login: Option<LoginId>,
    /// Where the files go; it has to exist.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub async fn run(db: &Database, arguments: Arguments, out: &mut impl Write) -> Result<()> {
    let state = StoredTree::new(db).state().await?;
    let signed = last(&state, &History::read(db, &state).await?)?;
    if let Some(position) = arguments.position {
        for proof in prove(db, &signed, &[position]).await? {
            write!(out, "{proof}")?;
        }
        return Ok(());
    }
    if let Some(id) = arguments.user {
        let account = people::account(db, &id).await?;
        return Ok(write!(out, "{}", heads::prove(db, account, &signed.checkpoint, &signed.note).await?)?);
    }
    let (Some(login), Some(folder)) = (arguments.login, arguments.folder) else { bail!("name a position") };
    let positions = positions_of(db, login).await?;
    ensure!(!positions.is_empty(), "no event is of this login");
    let proofs = prove(db, &signed, &positions).await?;
    for (position, proof) in positions.iter().zip(&proofs) {
        let file = folder.join(format!("{position}.tlog-proof"));
        write_file(&file, proof)?;
        writeln!(out, "{}", file.display())?;
    }
    Ok(())
}

/// The proofs of the events at these positions.
async fn prove(db: &Database, signed: &Signed, positions: &[i64]) -> Result<Vec<Proof>> {
    let size = signed.checkpoint.size;
    let (mut indexes, mut lines) = (Vec::new(), Vec::new());
    for &position in positions {
        ensure!(
            position >= 1 && position.unsigned_abs() <= size,
            "position {position} is not in the last checkpoint, which is of positions 1 to {size}"
        );
        let event = Log::new(db).stored(position - 1, 1).await?.into_iter().next();
        let event = event.filter(|event| event.position == position).context("the event is gone")?;
        indexes.push(position.unsigned_abs() - 1);
        lines.push(event.line().into_bytes());
    }
    let hashes = StoredTree::new(db).inclusions(&indexes, size).await?;
    let proof =
        |((index, line), hashes)| Proof { extra: Some(line), index, hashes, checkpoint: signed.note.clone() };
    Ok(indexes.into_iter().zip(lines).zip(hashes).map(proof).collect())
}

async fn positions_of(db: &Database, login: LoginId) -> Result<Vec<i64>> {
    let filter = Filter { login: Some(login), ..Filter::default() };
    let (mut positions, mut after) = (Vec::new(), 0);
    loop {
        let page = Log::new(db).history(&filter, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(positions) };
        after = last.position;
        positions.extend(page.iter().map(|event| event.position));
    }
}

fn write_file(file: &Path, proof: &Proof) -> Result<()> {
    fs::write(file, proof.to_string()).with_context(|| file.display().to_string())
}
