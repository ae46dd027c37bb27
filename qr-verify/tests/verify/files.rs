//! Files as the service gives them, made of a log in memory, and what the two verifiers say of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ed25519_dalek::SigningKey;
use tempfile::TempDir;
use transparency::merkle::{Hash, inclusion_ranges, leaf_hash, root};
use transparency::note::{Checkpoint, NoteKey};
use transparency::tiles::{Edge, TilePath, needed, roots};

pub const ORIGIN: &str = "login.example.com/qr-login/6f1d0c2b9a7e4853";

/// A folder with files of one log.
pub struct Files {
    pub folder: TempDir,
    pub key: SigningKey,
    pub lines: Vec<String>,
}

/// What a verifier has said.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub code: i32,
    pub text: String,
}

impl Files {
    pub fn new(lines: Vec<String>) -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), key: SigningKey::from_bytes(&[5; 32]), lines }
    }

    /// With so many events.
    pub fn of(count: u64) -> Self {
        Self::new((1..=count).map(|position| line(position, position)).collect())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("the folder can be written");
        path
    }

    pub fn vkey(&self) -> String {
        NoteKey::of_log(ORIGIN, self.key.verifying_key()).to_string()
    }

    pub fn export(&self, lines: &[String]) -> PathBuf {
        self.write("export.jsonl", &lines.iter().map(|line| format!("{line}\n")).collect::<String>())
    }

    /// The signed checkpoint of the first events.
    pub fn note(&self, size: usize) -> String {
        let leaves: Vec<Hash> = self.lines[..size].iter().map(|line| leaf_hash(line.as_bytes())).collect();
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: size as u64, root: root(&leaves) };
        checkpoint.sign(&self.key).to_string()
    }

    pub fn checkpoint(&self, size: usize) -> PathBuf {
        self.write(&format!("checkpoint-{size}"), &self.note(size))
    }

    /// The proof that the event of this position is in the tree of this size.
    pub fn inclusion(&self, position: usize, size: usize) -> Vec<Hash> {
        let (mut edge, mut full) = (Edge::default(), Vec::new());
        self.lines[..size].iter().for_each(|line| edge.push(leaf_hash(line.as_bytes()), &mut full));
        let ranges = inclusion_ranges(position as u64 - 1, size as u64);
        let mut tiles = std::collections::HashMap::new();
        for id in needed(&ranges) {
            let found = full.iter().find(|tile| tile.id == id).map(|tile| tile.hashes.clone());
            tiles.insert(id, found.unwrap_or_else(|| edge.tile(id.level).concat()));
        }
        roots(&ranges, &tiles).expect("every tile is there")
    }

    /// The tiles of leaves, as files.
    pub fn tiles(&self, size: usize) -> PathBuf {
        let folder = self.path("tile");
        for (index, lines) in (0..).zip(self.lines[..size].chunks(256)) {
            let path = folder.join(TilePath { level: Some(0), index, width: lines.len() as u64 }.to_string());
            fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
            let hashes: Vec<u8> = lines.iter().flat_map(|line| leaf_hash(line.as_bytes())).collect();
            fs::write(path, hashes).expect("it can be written");
        }
        folder
    }

    /// What `qr-verify` says.
    pub fn verify_alone(&self, arguments: &[&str]) -> Said {
        said(Command::new(env!("CARGO_BIN_EXE_qr-verify")).arg(self.vkey()).args(arguments))
    }

    /// The same; in the first rounds of a drill, and in each hundredth, also that the verifier in Python says the same: it is slow.
    pub fn verify_in(&self, round: usize, arguments: &[&str]) -> Said {
        match round < 3 || round.is_multiple_of(100) {
            true => self.verify(arguments),
            false => self.verify_alone(arguments),
        }
    }

    /// The same, and that the verifier in Python says the same.
    pub fn verify(&self, arguments: &[&str]) -> Said {
        verify_with(&self.vkey(), arguments)
    }
}

/// What both verifiers say with this key, or file with keys.
pub fn verify_with(key: &str, arguments: &[&str]) -> Said {
    let ours = said(Command::new(env!("CARGO_BIN_EXE_qr-verify")).arg(key).args(arguments));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/qr_verify.py");
    let other = said(Command::new("python3").arg(script).arg(key).args(arguments));
    assert_eq!((ours.code, ours.place()), (other.code, other.place()), "{arguments:?}: {ours:?} {other:?}");
    ours
}

impl Said {
    /// The verdict, and the position that is named first.
    fn place(&self) -> (Option<&str>, Option<&str>) {
        let mut parts = self.text.split(": ");
        (parts.next(), parts.next().filter(|place| place.starts_with("position")).filter(|_| self.code == 1))
    }
}

fn said(command: &mut Command) -> Said {
    let output = command.output().expect("it can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Said { code: output.status.code().expect("it ends by itself"), text }
}

/// A line as the log writes it.
pub fn line(position: u64, number: u64) -> String {
    format!(
        "{{\"position\":{position},\"at\":\"2026-11-29T12:00:00Z\",\"stream\":\"login\",\"stream_id\":\"l{number}\",\"version\":1,\
         \"event\":\"Made\",\"actor\":\"system\",\"account_id\":null,\"payload\":{{\"n\":{number}}},\"event_version\":\"1\"}}"
    )
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
