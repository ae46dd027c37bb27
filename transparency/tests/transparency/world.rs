//! A log in a real PostgreSQL, a keeper for it, and a folder for what was signed.

use std::time::Duration;

use eventlog::testing::{self, TestDatabase};
use eventlog::{Clock, Sequencer};
use tempfile::TempDir;
use transparency::keeper::KeeperError;
use transparency::stored::State;
use transparency::{History, Keeper, KeeperSettings, Kept, Note, StoredTree, TreeError};

pub struct World {
    pub test: TestDatabase,
    pub folder: TempDir,
    pub settings: KeeperSettings,
    appended: u32,
}

impl World {
    pub async fn new() -> Self {
        Self::on(testing::database().await, tempfile::tempdir().expect("a folder"))
    }

    /// The same machine, with this database.
    pub fn on(test: TestDatabase, folder: TempDir) -> Self {
        let settings = KeeperSettings {
            host: "login.example.com".to_owned(),
            key_file: folder.path().join("checkpoint.key"),
            kept: Kept::of_data_dir(folder.path()),
            witnesses: None,
        };
        Self { test, folder, settings, appended: 0 }
    }

    /// Appends so many events, which get positions.
    pub async fn append(&mut self, count: u32) {
        let first = self.appended + 1;
        self.appended += count;
        self.run(&format!(
            "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
             select 'login', 'login-' || n, 1, 'Made', '1', json_build_object('Made', json_build_object('n', n)), \
                    '{{\"actor\":\"system\"}}' from generate_series({first}, {}) n",
            self.appended
        ))
        .await;
        self.sequence().await;
    }

    pub async fn sequence(&self) {
        let sequencer = Sequencer::take_over(&self.test.db).await.expect("the database answers");
        while sequencer.pass().await.expect("the database answers") > 0 {}
    }

    pub async fn run(&self, sql: &str) {
        sqlx::raw_sql(sql).execute(self.test.db.pool()).await.expect("PostgreSQL takes it");
    }

    /// As the owner of the database: nothing refuses.
    pub async fn tamper(&self, sql: &str) {
        self.run(&format!("begin; set local session_replication_role = replica; {sql}; commit")).await;
    }

    pub async fn keeper(&self) -> Keeper {
        Keeper::take_over(&self.test.db, &Clock::system(), &self.settings).await.expect("it takes over")
    }

    /// A keeper that has made one pass, as after a start.
    pub async fn kept_once(&self) -> Keeper {
        let mut keeper = self.keeper().await;
        self.pass(&mut keeper).await.expect("a pass");
        keeper
    }

    pub async fn pass(&self, keeper: &mut Keeper) -> Result<(), KeeperError> {
        tokio::time::timeout(Duration::from_secs(60), keeper.pass()).await.expect("it ends")
    }

    pub fn tree(&self) -> StoredTree {
        StoredTree::new(&self.test.db)
    }

    pub async fn state(&self) -> State {
        self.tree().state().await.expect("the tree can be read")
    }

    pub async fn history(&self) -> History {
        History::read(&self.test.db, &self.state().await).await.expect("it has begun")
    }

    /// The last checkpoint, verified.
    pub async fn checkpoint(&self) -> transparency::Checkpoint {
        let (state, history) = (self.state().await, self.history().await);
        let note = Note::parse(&state.checkpoint.expect("one was signed")).expect("a note");
        note.checkpoint(&history.key).expect("signed by the log's key")
    }
}

pub fn is_too_small(error: &TreeError) -> bool {
    matches!(error, TreeError::TooSmall { .. })
}
