//! Two installations that witness each other's log: each is off until it is told whose log, signs what extends what it has seen,
//! and its signature is on the checkpoint that everybody reads.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use stand_in::accounts::ILYA;
use transparency::{Checkpoint, History, Note, NoteKey, StoredTree};

use crate::export::{qr_login, stdout_of};
use crate::port::Port;
use crate::wait::eventually;
use crate::world::World;

/// An installation whose operator's listener has an address that stays.
struct Installation {
    world: World,
    port: Port,
}

impl Installation {
    async fn start() -> Result<Self> {
        let (mut world, port) = (World::start().await?, Port::reserve()?);
        world.config.ops_listen_addr = port.addr;
        Ok(Self { world, port })
    }

    /// With other settings.
    async fn restart(&mut self) -> Result<()> {
        self.world.crash_service().await;
        self.world.start_service().await
    }

    /// What its checkpoints are checked with.
    async fn log_key(&self) -> Result<NoteKey> {
        eventually("the log is signed", async || {
            Ok(StoredTree::new(&self.world.db).state().await?.signed_size > 0)
        })
        .await?;
        let state = StoredTree::new(&self.world.db).state().await?;
        Ok(History::read(&self.world.db, &state).await?.key)
    }

    /// What its signatures as a witness are checked with.
    async fn witness_key(&self) -> Result<String> {
        eventually("the witness has a key", async || {
            Ok(qr_login(&self.world, &["log", "witness"]).await?.status.success())
        })
        .await?;
        Ok(stdout_of(&self.world, &["log", "witness"]).await?.trim().to_owned())
    }

    async fn checkpoint(&self) -> Result<Note> {
        let answer = self.world.http.get(format!("{}/log/checkpoint", self.world.base())).send().await?;
        Note::parse(&answer.error_for_status()?.text().await?).context("a note")
    }

    /// Waits until everything that is recorded by now is in a checkpoint of both.
    async fn wait_until_signed(&self, log: &NoteKey, witness: &NoteKey) -> Result<()> {
        let due = eventlog::Log::new(&self.world.db).due().await?;
        eventually("the log and its witness have signed", async || {
            let note = self.checkpoint().await?;
            let size = note.checkpoint(log).context("signed by the log")?.size;
            Ok(note.is_signed_by(witness) && size >= due.unsigned_abs())
        })
        .await
    }

    fn ops(&self, path: &str) -> String {
        format!("http://{}{path}", self.port.addr)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_installations_witness_each_other_and_one_refuses_the_others_fork() -> Result<()> {
    let (mut one, mut other) = (Installation::start().await?, Installation::start().await?);
    for installation in [&one, &other] {
        installation.world.invite(domain::Tier::Premium).await?;
    }
    let (one_log, other_log) = (one.log_key().await?, other.log_key().await?);
    assert_ne!(one_log.name, other_log.name);

    // Off by default: no key, and no route.
    let nobody = qr_login(&one.world, &["log", "witness"]).await?;
    ensure!(String::from_utf8_lossy(&nobody.stderr).contains("set WITNESS_LOGS"), "{nobody:?}");
    one.restart().await?;
    let add = one.world.http.post(one.ops("/log/add-checkpoint")).body("old 0\n").send().await?;
    assert_eq!(add.status(), 404);

    // Each trusts the other's log, and has a key then; and each asks the other.
    one.world.config.witness_logs = vec![other_log.clone()];
    other.world.config.witness_logs = vec![one_log.clone()];
    one.restart().await?;
    other.restart().await?;
    let (one_witness, other_witness) = (one.witness_key().await?, other.witness_key().await?);
    one.world.config.witnesses = Some(format!("1 of {} {other_witness}", other.ops("/log")).parse()?);
    other.world.config.witnesses = Some(format!("1 of {} {one_witness}", one.ops("/log")).parse()?);
    one.restart().await?;
    other.restart().await?;

    let one_key = NoteKey::parse(&one_witness).context("a key")?;
    let other_key = NoteKey::parse(&other_witness).context("a key")?;
    for (installation, log, witness) in [(&one, &one_log, &other_key), (&other, &other_log, &one_key)] {
        installation.world.invite(domain::Tier::Basic).await?;
        installation.wait_until_signed(log, witness).await?;
    }

    // Anybody can read at the witness what it has signed; and a person's proof has its signature too.
    let hash = transparency::log_witness::hash_of(&one_log.name);
    let seen = one.world.http.get(other.ops(&format!("/log/{hash}/checkpoint"))).send().await?.text().await?;
    let seen = Note::parse(&seen).context("a note")?;
    assert!(seen.is_signed_by(&other_key) && seen.is_signed_by(&one_log));
    one.world.log_in(ILYA).await?;
    stdout_of(&one.world, &["log", "heads"]).await?;
    one.wait_until_signed(&one_log, &other_key).await?;
    let proof = one.world.get_as(ILYA, "/api/me/proof").send().await?.error_for_status()?.text().await?;
    let folder = &one.world.config.data.data_dir;
    fs::write(folder.join("my-proof.txt"), proof)?;
    fs::write(folder.join("keys"), format!("{one_log}\n1 of\n{other_key}\n"))?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/qr_verify.py");
    let mut verifier = Command::new("python3");
    verifier.arg(script).arg(folder.join("keys")).arg("person").arg(folder.join("my-proof.txt"));
    let said = verifier.output()?;
    ensure!(said.status.success(), "{said:?}");

    // The owner of the log signs another history with its own key: the witness refuses it.
    let key = transparency::SigningKeys::load(&one.world.config.data.checkpoint_key_file)?;
    let seen_at = other.ops(&format!("/log/{hash}/checkpoint"));
    eventually("the fork is refused", async || {
        let seen = one.world.http.get(&seen_at).send().await?.text().await?;
        let seen =
            Note::parse(&seen).and_then(|note| Checkpoint::parse(&note.text)).context("a checkpoint")?;
        let size = seen.size;
        let fork = Checkpoint { root: [7; 32], ..seen }.sign(key.newest());
        let add = one.world.http.post(other.ops("/log/add-checkpoint"));
        let answer = add.body(format!("old {size}\n\n{fork}")).send().await?;
        match answer.status().as_u16() {
            422 => Ok(true),
            // It has signed a later one meanwhile.
            409 if answer.headers()["content-type"] == "text/x.tlog.size" => Ok(false),
            status => bail!("the fork was answered with {status}"),
        }
    })
    .await?;

    // The witness is away: logins go on, and so do checkpoints.
    other.world.crash_service().await;
    one.world.invite(domain::Tier::Basic).await?;
    let due = eventlog::Log::new(&one.world.db).due().await?;
    eventually("it is signed", async || {
        Ok(StoredTree::new(&one.world.db).state().await?.signed_size >= due.unsigned_abs())
    })
    .await?;
    other.world.start_service().await?;
    one.wait_until_signed(&one_log, &other_key).await
}
