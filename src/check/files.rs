//! The folders of the service: there, or to be made; for their owner alone; writable; with room.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::config::{self, Settings};
use crate::ops::Disk;

use super::report::Finding;

/// PostgreSQL writes its log in pieces of 16 MiB: with less room it may stand still soon.
const LITTLE_ROOM: u64 = 256 << 20;
const NO_ROOM: u64 = 16 << 20;

/// `DATA_DIR` and `SESSIONS_DIR`.
pub fn check(settings: &Settings) -> Vec<Finding> {
    let Ok(data_dir) = config::data_dir(&settings.data) else { return Vec::new() };
    vec![folder("DATA_DIR", &data_dir), folder("SESSIONS_DIR", &config::sessions_dir(settings, &data_dir))]
}

fn folder(part: &'static str, path: &Path) -> Finding {
    let shown = path.display();
    match path.metadata() {
        Ok(metadata) => existing(part, path, &metadata),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match path.ancestors().skip(1).find(|above| above.exists()) {
                Some(above) if may_write(above) => {
                    Finding::ok(part, format!("{shown} is made at the first start"))
                }
                _ => Finding::fault(
                    part,
                    format!("{shown} is not there, and this user may not make it"),
                    format!("make it for the service's user (install -d -m 700 {shown}), or set {part}"),
                ),
            }
        }
        Err(error) => Finding::fault(
            part,
            format!("{shown}: {error}"),
            format!("let the service's user enter it, or set {part}"),
        ),
    }
}

fn existing(part: &'static str, path: &Path, metadata: &Metadata) -> Finding {
    let shown = path.display();
    if !metadata.is_dir() {
        return Finding::fault(part, format!("{shown} is no folder"), format!("set {part} to a folder"));
    }
    if !may_write(path) {
        return Finding::fault(
            part,
            format!("this user may not write in {shown}"),
            "run the check as the service's user, or give that user the folder",
        );
    }
    if let Ok(disk) = Disk::of(path)
        && (disk.is_full() || disk.free_bytes < LITTLE_ROOM)
    {
        let (what, to_do) =
            (format!("{shown} has {} MiB left", disk.free_bytes >> 20), "make room on its disk");
        return match disk.is_full() || disk.free_bytes < NO_ROOM {
            true => Finding::fault(part, what, to_do),
            false => Finding::warning(part, what, to_do),
        };
    }
    // To enter it does no harm: the private PostgreSQL's user has to.
    if metadata.permissions().mode() & 0o066 != 0 {
        return Finding::warning(part, format!("others can read {shown}"), format!("run chmod 700 {shown}"));
    }
    Finding::ok(part, format!("{shown} is writable, and for its owner alone"))
}

/// Asks the system, and writes nothing.
fn may_write(folder: &Path) -> bool {
    let wanted = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    accessat(CWD, folder, wanted, AtFlags::EACCESS).is_ok()
}
