//! A small file system of its own, for tests of what happens when a disk is full.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system, mounted. It is gone when this is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many KiB on this directory, which is made. None, with the reason on stderr, where this process may not mount.
    ///
    /// # Panics
    /// The directory cannot be made.
    pub fn mount(path: &Path, kib: u32) -> Option<Self> {
        std::fs::create_dir_all(path).expect("the directory can be made");
        let options = format!("size={kib}k,mode=711");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(path).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { path: path.to_owned() }),
            refused => {
                eprintln!("not tested: no file system can be mounted here ({refused:?})");
                None
            }
        }
    }

    fn filler(&self) -> PathBuf {
        self.path.join(".filler")
    }

    /// Leaves no room.
    ///
    /// # Panics
    /// It cannot be written for another reason.
    pub fn fill(&self) {
        let mut filler = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .expect("a file can be made");
        for piece in [&[0; 65_536][..], &[0; 512], &[0]] {
            let full = loop {
                if let Err(error) = filler.write_all(piece) {
                    break error;
                }
            };
            assert_eq!(full.kind(), io::ErrorKind::StorageFull, "{full}");
        }
    }

    /// Makes room again.
    ///
    /// # Panics
    /// There was none taken.
    pub fn empty(&self) {
        std::fs::remove_file(self.filler()).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}
