//! Files as Telethon writes them, and files that must not be taken.

use std::fs::{self, FileTimes, OpenOptions};
use std::time::SystemTime;

use tempfile::TempDir;

use super::*;

const ILYA: i64 = 139_883_458;
const KEY: AuthKey = [7; 256];

/// A folder with one file of Ilya's, which was written an hour ago.
struct Folder {
    place: TempDir,
    now: Timestamp,
}

impl Folder {
    fn new() -> Self {
        let folder = Self {
            place: tempfile::tempdir().unwrap(),
            now: Timestamp::try_from(SystemTime::now()).unwrap(),
        };
        write::write_new(&folder.path(), 2, "127.0.0.1:443".parse().unwrap(), &KEY).unwrap();
        folder.written_before(3_600);
        folder
    }

    fn path(&self) -> PathBuf {
        self.place.path().join(file_name(ILYA))
    }

    /// So many seconds ago.
    fn written_before(&self, seconds: i64) {
        let at = SystemTime::from(self.now - SignedDuration::from_secs(seconds));
        let file = OpenOptions::new().write(true).open(self.path()).unwrap();
        file.set_times(FileTimes::new().set_modified(at)).unwrap();
    }

    fn change(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
        self.written_before(3_600);
    }

    fn read(&self) -> Result<TelethonSession, Refused> {
        read(self.place.path(), ILYA, &in_use::OpenFiles::look(), self.now)
    }

    fn refused(&self) -> String {
        self.read().err().expect("it is refused").to_string()
    }
}

#[test]
fn a_session_is_read_and_its_file_stays_as_it_is() {
    let folder = Folder::new();
    let (before, written_at) =
        (fs::read(folder.path()).unwrap(), fs::metadata(folder.path()).unwrap().modified().unwrap());
    let session = folder.read().unwrap();
    assert_eq!((session.dc_id, *session.key, session.account), (2, KEY, None));
    assert_eq!(fs::read(folder.path()).unwrap(), before);
    assert_eq!(fs::metadata(folder.path()).unwrap().modified().unwrap(), written_at);
    assert_eq!(fs::read_dir(folder.place.path()).unwrap().count(), 1, "and nothing lies beside it");
    assert_eq!(telegram_ids(folder.place.path()).unwrap(), [ILYA]);
}

#[test]
fn layout_8_is_read_and_an_unknown_one_is_not() {
    let folder = Folder::new();
    folder.change("alter table sessions add column tmp_auth_key blob; update version set version = 8");
    assert!(folder.read().is_ok());
    folder.change("update version set version = 9");
    assert!(folder.refused().starts_with("the file has layout 9"), "{}", folder.refused());
}

#[test]
fn a_file_that_names_another_account_is_somebody_elses() {
    let folder = Folder::new();
    folder.change(&format!("insert into entities (id, hash) values (0, {ILYA})"));
    assert_eq!(folder.read().unwrap().account, Some(ILYA));
    folder.change("update entities set hash = 5 where id = 0");
    assert_eq!(folder.refused(), "the file is the session of another account (5)");
}

#[test]
fn a_file_without_a_key_is_told() {
    let folder = Folder::new();
    folder.change("update sessions set auth_key = null");
    assert!(matches!(folder.read(), Err(Refused::NoKey)));
    folder.change("update sessions set auth_key = x'00'");
    assert!(matches!(folder.read(), Err(Refused::NoSession)));
    folder.change("delete from sessions");
    assert!(matches!(folder.read(), Err(Refused::NoKey)));
}

#[test]
fn a_missing_an_empty_and_a_foreign_file_are_told_apart() {
    let folder = Folder::new();
    fs::write(folder.path(), "").unwrap();
    folder.written_before(3_600);
    assert!(matches!(folder.read(), Err(Refused::Empty)));
    fs::write(folder.path(), "1BVtsOK8Bu7").unwrap();
    folder.written_before(3_600);
    assert!(matches!(folder.read(), Err(Refused::NoSession)));
    fs::remove_file(folder.path()).unwrap();
    assert_eq!(folder.refused(), "there is no file user_139883458.session");
    fs::create_dir(folder.path()).unwrap();
    assert!(matches!(folder.read(), Err(Refused::NoFile)));
}

#[test]
fn a_file_that_was_just_written_is_refused_and_so_is_one_from_the_future() {
    let folder = Folder::new();
    folder.written_before(59);
    assert!(matches!(folder.read(), Err(Refused::JustWritten)));
    folder.written_before(60);
    assert!(folder.read().is_ok());
    folder.written_before(-3_600);
    assert!(matches!(folder.read(), Err(Refused::WrittenLater)));
}

#[test]
fn a_broken_off_transaction_is_not_looked_over() {
    let folder = Folder::new();
    fs::write(folder.place.path().join("user_139883458.session-journal"), "x").unwrap();
    assert!(folder.refused().starts_with("user_139883458.session-journal lies beside the file"));
}

#[test]
fn a_file_that_another_process_has_open_or_locked_is_refused() {
    let folder = Folder::new();
    let hold = |script: &str| {
        let mut command = std::process::Command::new("python3");
        command.args(["-c", script]).arg(folder.path());
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
        assert_eq!(line, "held\n");
        child
    };
    let mut open = hold(
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('select * from version').fetchall(); print('held', flush=True); sys.stdin.read()",
    );
    assert!(folder.refused().contains("has the file open: stop it"), "{}", folder.refused());
    open.kill().unwrap();
    open.wait().unwrap();
    let mut locked = hold(
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('begin immediate'); print('held', flush=True); sys.stdin.read()",
    );
    let pid = locked.id();
    assert_eq!(
        folder.refused(),
        format!(
            "another process ({pid}) has locked the file: stop the program that uses it, and import again"
        )
    );
    locked.kill().unwrap();
    locked.wait().unwrap();
    folder.written_before(3_600);
    assert!(folder.read().is_ok());
}

#[test]
fn a_file_that_is_there_is_never_overwritten() {
    let folder = Folder::new();
    let before = fs::read(folder.path()).unwrap();
    assert!(write::write_new(&folder.path(), 2, "127.0.0.1:443".parse().unwrap(), &[9; 256]).is_err());
    assert_eq!(fs::read(folder.path()).unwrap(), before);
}
