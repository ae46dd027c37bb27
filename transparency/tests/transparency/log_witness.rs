//! This installation as a witness of other logs: what it signs, what it refuses, and that it takes nothing back.

use std::fs;

use ed25519_dalek::SigningKey;
use eventlog::Clock;
use eventlog::testing::{self, TestDatabase};
use tempfile::TempDir;
use transparency::add_checkpoint::AddCheckpoint;
use transparency::log_witness::{hash_of, public_key};
use transparency::merkle::{Hash, consistency_ranges, empty_root, leaf_hash, root};
use transparency::note::NoteSignature;
use transparency::{Checkpoint, LogWitness, NoWitness, Note, NoteKey, Refusal, WitnessSettings};

const ORIGIN: &str = "login.example.net/qr-login/6f1d0c2b9a7e4853";

/// A log of somebody else, in memory.
struct OtherLog {
    key: SigningKey,
    leaves: Vec<Hash>,
}

impl OtherLog {
    fn of(size: u64) -> Self {
        let leaves = (0..size).map(|number| leaf_hash(&number.to_be_bytes())).collect();
        Self { key: SigningKey::from_bytes(&[5; 32]), leaves }
    }

    /// The same up to this size, and then another history.
    fn forked_at(&self, size: usize) -> Self {
        let mut leaves = self.leaves.clone();
        leaves[size..].iter_mut().for_each(|leaf| *leaf = leaf_hash(leaf));
        Self { key: self.key.clone(), leaves }
    }

    fn vkey(&self) -> NoteKey {
        NoteKey::of_log(ORIGIN, self.key.verifying_key())
    }

    fn note(&self, size: usize) -> Note {
        let root = root(&self.leaves[..size]);
        Checkpoint { origin: ORIGIN.to_owned(), size: size as u64, root }.sign(&self.key)
    }

    fn request(&self, old_size: usize, size: usize) -> AddCheckpoint {
        let ranges = consistency_ranges(old_size as u64, size as u64);
        let hash = |(start, end): &(u64, u64)| root(&self.leaves[*start as usize..*end as usize]);
        let proof = ranges.iter().map(hash).collect();
        AddCheckpoint { old_size: old_size as u64, proof, checkpoint: self.note(size) }
    }
}

/// An installation that is a witness.
struct Installation {
    test: TestDatabase,
    folder: TempDir,
    logs: Vec<NoteKey>,
}

impl Installation {
    async fn of(log: &OtherLog) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { test: testing::database().await, folder, logs: vec![log.vkey()] }
    }

    async fn open(&self) -> Result<LogWitness, NoWitness> {
        let (data_dir, logs) = (self.folder.path().to_owned(), self.logs.clone());
        let settings = WitnessSettings { host: "login.example.com".to_owned(), data_dir, logs };
        LogWitness::open(&self.test.db, &Clock::system(), settings).await
    }

    async fn witness(&self) -> LogWitness {
        self.open().await.expect("it opens")
    }

    async fn run(&self, sql: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(sql).execute(self.test.db.pool()).await.map(drop)
    }
}

/// The status that each answer has.
fn status(answer: &Result<String, Refusal>) -> (u16, Option<u64>) {
    match answer {
        Ok(_) => (200, None),
        Err(Refusal::Malformed) => (400, None),
        Err(Refusal::NotSigned) => (403, None),
        Err(Refusal::UnknownLog) => (404, None),
        Err(Refusal::OtherSize(size)) => (409, Some(*size)),
        Err(Refusal::NotConsistent) => (422, None),
        Err(Refusal::Database(_) | Refusal::Disk(_)) => (503, None),
    }
}

async fn send(witness: &LogWitness, request: &AddCheckpoint) -> (u16, Option<u64>) {
    status(&witness.add_checkpoint(&request.to_string()).await)
}

#[test]
fn the_example_of_the_protocol_is_read_as_it_is_written() {
    let body = "old 20852014\n\
        PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
        jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
        5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
        /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n\
        example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        \u{2014} example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";
    let request = AddCheckpoint::parse(body).unwrap();
    assert_eq!((request.old_size, request.proof.len()), (20_852_014, 4));
    assert_eq!(request.to_string(), body);
    for malformed in [
        "",
        "old 0",
        &body.replace("old 2", "old 02"),
        &body.replace("old 2", "old -2"),
        &body.replace("old ", "size "),
        &body.replace("PlRN", "Pl!N"),
        &body.replace("\n\nexample", "\nexample"),
        &body.replacen(
            "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n",
            &"PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n".repeat(61),
            1,
        ),
    ] {
        assert_eq!(AddCheckpoint::parse(malformed), None, "{malformed}");
    }
}

#[tokio::test]
async fn it_signs_what_extends_the_last_one_and_refuses_the_rest_by_the_letter() {
    let log = OtherLog::of(700);
    let installation = Installation::of(&log).await;
    let witness = installation.witness().await;

    // The first one, from nothing.
    let request = log.request(0, 300);
    let answer = witness.add_checkpoint(&request.to_string()).await.unwrap();
    let signature = NoteSignature::parse(answer.strip_suffix('\n').unwrap()).unwrap();
    assert!(witness.key().has_signed(&request.checkpoint.text, &signature));
    assert!(signature.time().unwrap().abs_diff(Clock::system().now().as_second().unsigned_abs()) < 60);
    assert!(witness.key().name.starts_with("login.example.com/qr-login/"));

    // From another size than it has; the same again; and on from there.
    assert_eq!(send(&witness, &log.request(0, 300)).await, (409, Some(300)));
    assert_eq!(send(&witness, &log.request(299, 700)).await, (409, Some(300)));
    assert_eq!(send(&witness, &log.request(300, 300)).await, (200, None));
    assert_eq!(send(&witness, &log.request(300, 513)).await, (200, None));

    // A proof that proves nothing; another history; a smaller size than the old one.
    let mut request = log.request(513, 700);
    request.proof[0] = [0; 32];
    assert_eq!(send(&witness, &request).await, (422, None));
    request.proof.clear();
    assert_eq!(send(&witness, &request).await, (422, None));
    let fork = log.forked_at(500);
    assert_eq!(send(&witness, &fork.request(513, 513)).await, (422, None), "another root of the same size");
    assert_eq!(send(&witness, &fork.request(513, 700)).await, (422, None), "a fork");
    assert_eq!(send(&witness, &log.request(600, 513)).await, (400, None));

    // A log that nobody trusts here; and one whose key has not signed.
    let mut other = log.request(513, 700);
    other.checkpoint.text = other.checkpoint.text.replace("example.net", "example.org");
    assert_eq!(send(&witness, &other).await, (404, None));
    let mut forged = log.request(513, 700);
    forged.checkpoint.text = forged.checkpoint.text.replace("\n700\n", "\n701\n");
    assert_eq!(send(&witness, &forged).await, (403, None));
    let mut unsigned = log.request(513, 700);
    unsigned.checkpoint.signatures[0].blob[0] ^= 1;
    assert_eq!(send(&witness, &unsigned).await, (403, None));
    assert_eq!(status(&witness.add_checkpoint("old 0\n").await), (400, None));

    // All that has changed nothing.
    assert_eq!(send(&witness, &log.request(513, 700)).await, (200, None));
    let kept = witness.checkpoint(&hash_of(ORIGIN)).await.unwrap().unwrap();
    let kept = Note::parse(&kept).unwrap();
    assert!(kept.is_signed_by(witness.key()));
    assert_eq!(kept.checkpoint(&log.vkey()).map(|it| it.size), Some(700));
    assert_eq!(witness.checkpoint(&hash_of("another")).await.unwrap(), None);
}

#[tokio::test]
async fn an_empty_tree_has_one_root_and_both_keys_of_a_log_count_while_it_changes_them() {
    let mut log = OtherLog::of(3);
    let mut installation = Installation::of(&log).await;
    let empty = Checkpoint { origin: ORIGIN.to_owned(), size: 0, root: empty_root() };
    let of = |checkpoint: Note| AddCheckpoint { old_size: 0, proof: Vec::new(), checkpoint };
    let witness = installation.witness().await;
    let other_root = Checkpoint { root: [1; 32], ..empty.clone() }.sign(&log.key);
    assert_eq!(send(&witness, &of(other_root)).await, (422, None));
    assert_eq!(send(&witness, &of(empty.sign(&log.key))).await, (200, None));
    let mut with_proof = log.request(0, 3);
    with_proof.proof.push([0; 32]);
    assert_eq!(send(&witness, &with_proof).await, (422, None));
    assert_eq!(send(&witness, &log.request(0, 2)).await, (200, None));

    log.key = SigningKey::from_bytes(&[6; 32]);
    assert_eq!(send(&witness, &log.request(2, 3)).await, (403, None));
    installation.logs.push(log.vkey());
    assert_eq!(send(&installation.witness().await, &log.request(2, 3)).await, (200, None));
}

/// 1. Two checkpoints come at once, both from the size that was signed last. 2. One of them is signed. 3. The other one is not: it
/// does not extend that one.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_checkpoints_at_once_one_is_signed() {
    let log = OtherLog::of(200);
    let installation = Installation::of(&log).await;
    let (one, other) = (installation.witness().await, installation.witness().await);
    let mut size = 0;
    for round in 1..=20 {
        let (shorter, longer) = (round * 10 - 5, round * 10);
        let (short, long) = (log.request(size, shorter), log.request(size, longer));
        let answers = tokio::join!(send(&one, &short), send(&other, &long));
        size = match answers {
            ((200, None), (409, Some(seen))) if seen == shorter as u64 => shorter,
            ((409, Some(seen)), (200, None)) if seen == longer as u64 => longer,
            other => panic!("{other:?}"),
        };
    }
}

#[tokio::test]
async fn it_takes_nothing_back_where_the_database_or_the_disk_is_an_earlier_one() {
    let log = OtherLog::of(100);
    let fork = log.forked_at(30);
    let installation = Installation::of(&log).await;
    let witness = installation.witness().await;
    assert_eq!(send(&witness, &log.request(0, 40)).await, (200, None));
    let refused = installation.run("update witnessed_logs set size = 39").await.unwrap_err().to_string();
    assert!(
        refused.contains("has signed login.example.net/qr-login/6f1d0c2b9a7e4853 at size 40 already"),
        "{refused}"
    );
    assert!(installation.run("update witnessed_logs set root = sha256('')").await.is_err());

    // The database of an earlier moment: the file knows more.
    installation.run("delete from witnessed_logs").await.unwrap();
    assert_eq!(send(&witness, &fork.request(0, 50)).await, (409, Some(40)));
    assert_eq!(send(&witness, &fork.request(40, 50)).await, (422, None));
    assert_eq!(send(&witness, &log.request(40, 50)).await, (200, None));

    // The disk of an earlier moment: the database knows more.
    fs::remove_dir_all(installation.folder.path().join("witnessed")).unwrap();
    assert_eq!(send(&witness, &log.request(40, 60)).await, (409, Some(50)));
    assert_eq!(send(&witness, &log.request(50, 60)).await, (200, None));

    // A file that is none hides something: nothing is signed.
    let file = installation.folder.path().join("witnessed").join(hash_of(ORIGIN));
    let whole = fs::read_to_string(&file).unwrap();
    for broken in ["", &fork.note(60).to_string()] {
        fs::write(&file, broken).unwrap();
        assert_eq!(send(&witness, &log.request(60, 70)).await, (503, None), "{broken}");
    }
    fs::write(&file, whole).unwrap();
    assert_eq!(send(&witness, &log.request(60, 70)).await, (200, None));
}

#[tokio::test]
async fn the_key_is_made_once_and_every_machine_needs_it() {
    let log = OtherLog::of(1);
    let mut installation = Installation::of(&log).await;
    assert_eq!(public_key(&installation.test.db).await.unwrap(), None);
    let key = installation.witness().await.key().clone();
    assert_eq!(installation.witness().await.key(), &key);
    assert_eq!(public_key(&installation.test.db).await.unwrap(), Some(key.clone()));
    assert_eq!(NoteKey::parse(&key.to_string()), Some(key.clone()));

    let first = std::mem::replace(&mut installation.folder, tempfile::tempdir().unwrap());
    assert!(matches!(installation.open().await, Err(NoWitness::Key(error)) if error.is_missing()));
    fs::write(installation.folder.path().join("witness.key"), "x").unwrap();
    let told = installation.open().await.unwrap_err().to_string();
    assert!(told.starts_with("the key of the witness: ") && !told.contains("CHECKPOINT_KEY_FILE"), "{told}");
    fs::copy(first.path().join("witness.key"), installation.folder.path().join("witness.key")).unwrap();
    assert_eq!(installation.witness().await.key(), &key);
}
