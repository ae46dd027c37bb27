//! `replay checkpoint`: the last signed tree of the log, the key that it is checked with, and the tree's tiles as files.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use eventlog::Database;
use transparency::stored::State;
use transparency::tiles::{TilePath, WIDTH};
use transparency::{Checkpoint, History, Note, StoredTree};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print the key that checkpoints are checked with, instead of a checkpoint: NAME+ID+KEY (C2SP signed-note).
    #[arg(long, conflicts_with = "tiles")]
    key: bool,
    /// Write the tree's tiles into this folder as well (C2SP tlog-tiles), so that qr-verify can name a position.
    #[arg(long, value_name = "FOLDER")]
    tiles: Option<PathBuf>,
}

/// The last checkpoint: as signed, and what it says.
pub struct Signed {
    pub note: Note,
    pub checkpoint: Checkpoint,
}

pub async fn run(db: &Database, arguments: Arguments, out: &mut impl Write) -> Result<()> {
    let state = StoredTree::new(db).state().await?;
    let history = History::read(db, &state).await?;
    if arguments.key {
        return Ok(writeln!(out, "{}", history.key)?);
    }
    let signed = last(&state, &history)?;
    if let Some(folder) = arguments.tiles {
        write_tiles(db, &state, signed.checkpoint.size, &folder).await?;
    }
    Ok(write!(out, "{}", signed.note)?)
}

/// The last checkpoint, with the signatures of witnesses where there are enough.
pub fn last(state: &State, history: &History) -> Result<Signed> {
    // Witnesses may have signed one of the key before.
    let served = state.served.as_deref().and_then(Note::parse);
    if let Some((checkpoint, note)) = served.and_then(|note| Some((note.checkpoint(&history.key)?, note))) {
        return Ok(Signed { note, checkpoint });
    }
    let text = state.checkpoint.as_deref().context("no checkpoint was signed yet")?;
    let note = Note::parse(text).context("the checkpoint in the database is damaged")?;
    let checkpoint = note.checkpoint(&history.key);
    let checkpoint = checkpoint.context("the checkpoint in the database is not signed by the log's key")?;
    Ok(Signed { note, checkpoint })
}

async fn write_tiles(db: &Database, state: &State, size: u64, folder: &Path) -> Result<()> {
    ensure!(size <= state.edge.size(), "the tree is shorter than the checkpoint");
    let tree = StoredTree::new(db);
    for level in 0..8_u8 {
        let hashes = size >> (8 * u32::from(level));
        for index in 0..hashes.div_ceil(WIDTH) {
            let path = TilePath { level: Some(level), index, width: WIDTH.min(hashes - index * WIDTH) };
            let tile = tree.tile(&state.edge, path).await?.context("a tile is missing")?;
            let file = folder.join(path.to_string());
            let parent = file.parent().context("a tile's path has a folder")?;
            fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
            fs::write(&file, tile).with_context(|| file.display().to_string())?;
        }
    }
    Ok(())
}
