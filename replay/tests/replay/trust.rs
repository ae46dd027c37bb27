//! What an auditor does with the signed log: checkpoints, proofs, exports. `docs/qr_verify.py`, which shares no code with the service,
//! checks what the commands print.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use eventlog::{Clock, Context};
use serde_json::json;
use tempfile::TempDir;
use transparency::note::NoteSignature;
use transparency::{Keeper, KeeperSettings, Kept, Note, NoteKey, heads};

use crate::past::{Past, text};

struct Auditor {
    past: Past,
    folder: TempDir,
}

impl Auditor {
    /// A past whose log is signed.
    async fn of_signed_past() -> Self {
        let auditor = Self { past: Past::make().await, folder: tempfile::tempdir().unwrap() };
        auditor.sign().await;
        auditor
    }

    async fn sign(&self) {
        let settings = KeeperSettings {
            host: "login.example.com".to_owned(),
            key_file: self.folder.path().join("checkpoint.key"),
            kept: Kept::of_data_dir(self.folder.path()),
            witnesses: None,
        };
        let mut keeper = Keeper::take_over(&self.past.test.db, &Clock::system(), &settings).await.unwrap();
        keeper.pass().await.unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the command prints, in a file.
    fn print(&self, arguments: &[&str], name: &str) -> PathBuf {
        let output = self.past.replay(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        fs::write(self.file(name), output.stdout).unwrap();
        self.file(name)
    }

    fn verify(&self, arguments: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/qr_verify.py");
        let key = self.print(&["checkpoint", "--key"], "key");
        Command::new("python3").arg(script).arg(key).args(arguments).output().expect("python3 can be run")
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn an_auditor_keeps_a_checkpoint_and_checks_the_log_and_an_export_against_it() {
    let auditor = Auditor::of_signed_past().await;
    let tiles = auditor.file("tile");
    let checkpoint = auditor.print(&["checkpoint", "--tiles", shown(&tiles)], "checkpoint");
    let verified = auditor.past.replay(&["verify", "--checkpoint", shown(&checkpoint)]);
    assert!(verified.status.success(), "{}", text(&verified));
    assert!(text(&verified).contains("tree: 11 leaves, 0 faults\n"), "{}", text(&verified));
    assert!(text(&verified).contains(": extends what was signed at position 11\n"), "{}", text(&verified));

    let export = auditor.print(&["export"], "export.jsonl");
    let against = ["export", shown(&export), "--checkpoint", shown(&checkpoint), "--tiles", shown(&tiles)];
    let said = auditor.verify(&against);
    assert!(
        text(&said).starts_with("holds: positions 1 to 11 are the history that login.example.com/"),
        "{}",
        text(&said)
    );

    // Somebody who owns the database changes an event.
    let change = "begin; set local session_replication_role = replica; \
                  update events set metadata = '{\"actor\":\"system\"}' \
                   where event_no = (select event_no from log_index where position = 5); commit";
    auditor.past.run(change).await;
    let verified = auditor.past.replay(&["verify", "--checkpoint", shown(&checkpoint)]);
    assert_eq!(verified.status.code(), Some(1));
    let told = "position 5: the event is not the one that is in the tree\n";
    assert!(text(&verified).contains(told), "{}", text(&verified));
    auditor.print(&["export"], "export.jsonl");
    let said = auditor.verify(&against);
    assert_eq!(said.status.code(), Some(1));
    assert!(text(&said).starts_with("does not hold: position 5: "), "{}", text(&said));
}

#[tokio::test]
async fn an_event_is_proven_to_whoever_has_the_key() {
    let auditor = Auditor::of_signed_past().await;
    let proof = auditor.print(&["prove", "3"], "3.tlog-proof");
    let said = auditor.verify(&["proof", shown(&proof)]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said));
    assert!(text(&said).contains("\"position\":3,"), "{}", text(&said));

    let login = auditor.past.logins[0].to_string();
    let folder = shown(auditor.folder.path()).to_owned();
    let output = auditor.past.replay(&["prove", "--login", &login, "--folder", &folder]);
    let files: Vec<String> = text(&output).lines().map(str::to_owned).collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in &files {
        assert_eq!(auditor.verify(&["proof", file]).status.code(), Some(0), "{file}");
    }
    let unsigned = auditor.past.replay(&["prove", "12"]);
    assert_eq!(unsigned.status.code(), Some(1));
    let told = String::from_utf8_lossy(&unsigned.stderr).into_owned();
    assert!(told.contains("positions 1 to 11"), "{told}");
}

#[tokio::test]
async fn what_enough_witnesses_have_signed_is_what_auditors_get() {
    let auditor = Auditor::of_signed_past().await;
    let plain = fs::read_to_string(auditor.print(&["checkpoint"], "checkpoint")).unwrap();
    let note = Note::parse(&plain).unwrap();
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let mut cosigned = note.clone();
    cosigned.signatures.push(NoteSignature::cosign(&note.text, "witness.example.com", &key, 1_764_000_000));
    let store = |note: &str, size: u64| {
        format!("update log_tree set cosigned = '{note}', cosigned_size = {size}, witnesses_due_since = null")
    };
    auditor.past.run(&store(&cosigned.to_string(), 11)).await;
    assert_eq!(
        fs::read_to_string(auditor.print(&["checkpoint"], "checkpoint")).unwrap(),
        cosigned.to_string()
    );
    let proof = auditor.print(&["prove", "3"], "3.tlog-proof");
    assert!(fs::read_to_string(&proof).unwrap().ends_with(&cosigned.to_string()));
    let witness = NoteKey::of_witness("witness.example.com", key.verifying_key());
    let log = fs::read_to_string(auditor.print(&["checkpoint", "--key"], "key")).unwrap();
    fs::write(auditor.file("keys"), format!("{log}1 of\n{witness}\n")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/qr_verify.py");
    let said =
        Command::new("python3").arg(script).arg(auditor.file("keys")).args(["proof", shown(&proof)]).output();
    assert_eq!(said.unwrap().status.code(), Some(0));

    // One that witnesses signed of another log, or of an earlier size while nobody waits for them, is not given.
    for (note, size) in [
        (cosigned.to_string().replace("login.example.com", "login.example.net"), 11),
        (cosigned.to_string(), 10),
    ] {
        auditor.past.run(&store(&note, size)).await;
        assert_eq!(fs::read_to_string(auditor.print(&["checkpoint"], "checkpoint")).unwrap(), plain);
    }
}

#[tokio::test]
async fn the_tree_as_it_was_has_the_root_that_was_signed_then() {
    let auditor = Auditor::of_signed_past().await;
    let signed = fs::read_to_string(auditor.print(&["checkpoint"], "checkpoint")).unwrap();
    let signed: Vec<&str> = signed.lines().collect();
    auditor.past.run(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
         values ('login', 'later', 1, 'Made', '1', '{}', '{}')",
    ).await;
    auditor.past.project().await;
    auditor.sign().await;
    let row = &auditor.past.lines(&["as-of", "11", "tree"])[0];
    assert_eq!(
        (&row["position"], &row["origin"], &row["root"]),
        (&json!(11), &json!(signed[0]), &json!(signed[2]))
    );
    assert_ne!(auditor.past.lines(&["as-of", "12", "tree"])[0]["root"], row["root"]);
    let csv = text(&auditor.past.replay(&["as-of", "2100-01-01", "tree", "--format", "csv"]));
    assert!(csv.starts_with("position,origin,root\r\n12,login.example.com/"), "{csv}");
    for refused in [&["as-of", "13", "tree"][..], &["as-of", "11", "tree", "--key", "x"]] {
        assert_eq!(auditor.past.replay(refused).status.code(), Some(1));
    }
}

/// An erasure deletes the person's key, and no event: what was proven before is proven after.
#[tokio::test]
async fn an_erasure_leaves_every_proof_valid() {
    let auditor = Auditor::of_signed_past().await;
    let checkpoint = auditor.print(&["checkpoint"], "checkpoint");
    let proofs: Vec<PathBuf> = (1..=11)
        .map(|position: u32| {
            auditor.print(&["prove", &position.to_string()], &format!("{position}.tlog-proof"))
        })
        .collect();
    let before = auditor.past.lines(&["export", "--names"]);
    assert_eq!(before[0]["payload"]["profile"]["first_name"], "Ilya");

    auditor.past.run("delete from vault.subjects").await;
    auditor.past.run(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
         select 'account', aggregate_id, 2, 'AccountErased', '1', '{\"AccountErased\":{\"at\":\"2026-11-29T10:00:00Z\"}}', \
                '{\"actor\":\"system\"}' from events where event_type = 'AccountRegistered'",
    ).await;
    auditor.past.project().await;
    auditor.sign().await;
    for proof in &proofs {
        assert_eq!(auditor.verify(&["proof", shown(proof)]).status.code(), Some(0), "{}", proof.display());
    }
    let verified = auditor.past.replay(&["verify", "--checkpoint", shown(&checkpoint)]);
    assert!(text(&verified).contains("tree: 13 leaves, 0 faults\n"), "{}", text(&verified));
    assert!(text(&verified).contains(": extends what was signed at position 11\n"), "{}", text(&verified));
    let after = auditor.past.lines(&["export", "--names"]);
    assert!(after[0]["payload"]["profile"].is_string(), "what was sealed stays sealed: {}", after[0]);
}

#[tokio::test]
async fn without_a_signed_log_the_commands_say_so() {
    let past = Past::make().await;
    for command in [&["checkpoint"][..], &["prove", "1"]] {
        let output = past.replay(command);
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("no checkpoint was signed yet") && told.lines().count() == 1, "{told}");
    }
    assert!(past.replay(&["verify"]).status.success());
}

#[tokio::test]
async fn the_tree_is_rebuilt_from_the_log() {
    let auditor = Auditor::of_signed_past().await;
    let checkpoint = auditor.print(&["checkpoint"], "checkpoint");
    auditor.past.run("update log_tree set edge = set_byte(edge, 0, get_byte(edge, 0) # 1)").await;
    assert_eq!(auditor.past.replay(&["verify"]).status.code(), Some(1));
    let dry = auditor.past.replay(&["rebuild", "tree", "--dry-run"]);
    assert!(text(&dry).contains("position 1: the event is not the one"), "{}", text(&dry));
    let rebuilt = auditor.past.replay(&["rebuild", "tree"]);
    assert_eq!(text(&rebuilt), "tree: 11 leaves, 1 tiles differed\n");
    let verified = auditor.past.replay(&["verify", "--checkpoint", shown(&checkpoint)]);
    assert!(verified.status.success(), "{}", text(&verified));
}

#[tokio::test]
async fn a_person_has_a_proof_that_nothing_of_theirs_is_left_out() {
    let auditor = Auditor::of_signed_past().await;
    let person = auditor.past.ilya.to_string();
    let early = auditor.past.replay(&["prove", "--user", &person]);
    assert!(String::from_utf8_lossy(&early.stderr).contains("no heads were committed yet"));

    let db = &auditor.past.test.db;
    let committed = heads::commit(db, &Clock::system(), Context::system()).await.unwrap().unwrap();
    assert_eq!((committed.position, committed.accounts), (11, 2));
    auditor.past.project().await;
    auditor.sign().await;
    assert_eq!(
        heads::commit(db, &Clock::system(), Context::system()).await.unwrap(),
        None,
        "nothing has happened since"
    );

    for id in [person.as_str(), "2"] {
        let proof = auditor.print(&["prove", "--user", id], "proof");
        let said = auditor.verify(&["person", shown(&proof)]);
        assert!(text(&said).starts_with("holds: these"), "{said:?}");
        let whole = fs::read_to_string(&proof).unwrap();
        assert!(!whole.contains("Ilya") && !whole.contains("139883458"), "names stay sealed");
        let blocks: Vec<&str> = whole.split("\nevent ").collect();
        assert!(blocks.len() >= 5, "{whole}");

        // Each event in turn is left out, and each head is made to fit.
        for left_out in 2..blocks.len() {
            let last = blocks.len() - 1;
            let mut rest: Vec<String> = blocks.iter().map(|block| (*block).to_owned()).collect();
            let gone = rest.remove(left_out);
            if left_out == last {
                // The checkpoint stood behind it.
                let (_, checkpoint) = gone.split_once("\n\n").unwrap();
                rest[last - 1] += &format!("\n\n{checkpoint}");
            }
            let path = auditor.file("omitted");
            fs::write(&path, rest.join("\nevent ")).unwrap();
            let said = auditor.verify(&["person", shown(&path)]);
            assert_eq!(said.status.code(), Some(1), "{left_out}: {}", text(&said));
            let fewer =
                whole.replacen("\"events\":3", "\"events\":2", 1).replacen("\"events\":1", "\"events\":0", 1);
            fs::write(&path, fewer).unwrap();
            assert_eq!(auditor.verify(&["person", shown(&path)]).status.code(), Some(1));
        }
    }
    // A person who came later is told so.
    auditor.past.run("insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
                      values ('account', '00000000-0000-0000-0000-000000000001', 1, 'Made', '1', '{}', '{}')").await;
    auditor.past.project().await;
    let unknown = auditor.past.replay(&["prove", "--user", "00000000-0000-0000-0000-000000000001"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no event up to position 11"));
}
