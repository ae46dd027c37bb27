//! The signed log of a running service: what everybody may read of it, what only auditors may, and what happens when the log is not the
//! one that was signed.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use stand_in::accounts::ILYA;
use transparency::merkle::{Hash, leaf_hash, root};
use transparency::{Checkpoint, History, Kept, Note, StoredTree};

use crate::admin_client::AdminPage;
use crate::export::stdout_of;
use crate::wait::eventually;
use crate::world::{World, WorldOptions};

async fn get(world: &World, path: &str) -> Result<reqwest::Response> {
    Ok(world.http.get(format!("{}{path}", world.base())).send().await?)
}

/// The checkpoint that is served, verified with the key that the log names.
async fn checkpoint(world: &World) -> Result<Option<Checkpoint>> {
    let answer = get(world, "/log/checkpoint").await?;
    if answer.status() == 404 {
        return Ok(None);
    }
    ensure!(answer.headers()["content-type"] == "text/plain; charset=utf-8", "{answer:?}");
    let note = Note::parse(&answer.text().await?).context("a note")?;
    let state = StoredTree::new(&world.db).state().await?;
    let history = History::read(&world.db, &state).await?;
    Ok(note.checkpoint(&history.key))
}

/// The checkpoint, once it has everything that the log has.
async fn whole_checkpoint(world: &World) -> Result<Checkpoint> {
    eventually("what is recorded is signed", async || {
        let due = eventlog::Log::new(&world.db).due().await?;
        Ok(checkpoint(world).await?.is_some_and(|it| it.size == due.unsigned_abs()))
    })
    .await?;
    checkpoint(world).await?.context("it was there")
}

#[tokio::test]
async fn everybody_reads_the_signed_tree_and_auditors_the_lines() -> Result<()> {
    let configure: fn(&mut qr_login::Config) = |config| config.admin_ids = vec![ILYA];
    let options = WorldOptions { configure: Some(configure), ..WorldOptions::default() };
    let world = World::with(options).await?;
    world.log_in(ILYA).await?;
    let page = AdminPage::open(&world, ILYA).await?;
    let signed = whole_checkpoint(&world).await?;
    ensure!(signed.origin.contains("/qr-login/") && signed.size > 5, "{signed:?}");

    let tile = format!("/log/tile/0/000.p/{}", signed.size);
    let answer = get(&world, &tile).await?;
    assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
    let hashes = answer.bytes().await?;
    let (hashes, rest) = hashes.as_chunks::<32>();
    assert!(rest.is_empty());
    assert_eq!(root(hashes), signed.root);

    // The lines are those of the tile.
    let bundle = format!("{}/log/tile/entries/000.p/{}", world.base(), signed.size);
    assert_eq!(world.http.get(&bundle).send().await?.status(), 401);
    let lines = world.http.request(Method::GET, &bundle).bearer_auth(&page.token).send().await?;
    assert_eq!(
        (lines.status().as_u16(), &lines.headers()["cache-control"]),
        (200, &"private, no-store".parse()?)
    );
    let bytes = lines.bytes().await?;
    let (mut rest, mut leaves) = (&bytes[..], Vec::<Hash>::new());
    while let Some((length, more)) = rest.split_first_chunk::<2>() {
        let (line, more) = more.split_at_checked(u16::from_be_bytes(*length).into()).context("a line")?;
        leaves.push(leaf_hash(line));
        rest = more;
    }
    assert_eq!(leaves, hashes);

    // A person has a proof of all their events, which a verifier that knows nothing of us believes.
    assert_eq!(
        world.get_as(ILYA, "/api/me/proof").send().await?.status(),
        404,
        "no heads were committed yet"
    );
    stdout_of(&world, &["log", "heads"]).await?;
    whole_checkpoint(&world).await?;
    let answer = world.get_as(ILYA, "/api/me/proof").send().await?;
    assert_eq!(answer.status(), 200);
    let file = world.config.data.data_dir.join("my-proof.txt");
    fs::write(&file, answer.text().await?)?;
    let state = StoredTree::new(&world.db).state().await?;
    let key = History::read(&world.db, &state).await?.key.to_string();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/qr_verify.py");
    let said = Command::new("python3").args([script, &key, "person"]).arg(&file).output()?;
    let told = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success() && told.starts_with("holds: these events are all of"), "{said:?}");

    // What was not signed, and what is no tile, is not there.
    for path in
        ["0/000", "0/000.p/255", "1/000", "0/001", "8/000.p/1", "63/000.p/1", "entries", "0/000.p/0", "x"]
    {
        assert_eq!(get(&world, &format!("/log/tile/{path}")).await?.status(), 404, "{path}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_the_one_that_was_signed_is_told_to_admins_and_signed_once_it_is_branched()
-> Result<()> {
    let configure: fn(&mut qr_login::Config) = |config| config.admin_ids = vec![ILYA];
    let options = WorldOptions { configure: Some(configure), ..WorldOptions::default() };
    let mut world = World::with(options).await?;
    world.log_in(ILYA).await?;
    let signed = whole_checkpoint(&world).await?;

    // What was signed goes further than this log: it lost its end.
    world.crash_service().await;
    let kept = Kept::of_data_dir(&world.config.data.data_dir);
    let key = transparency::SigningKeys::load(&world.config.data.checkpoint_key_file)?;
    let later = Checkpoint { size: signed.size + 1_000, root: [7; 32], ..signed.clone() };
    kept.keep(&later, &later.sign(key.newest()), world.now())?;
    world.start_service().await?;
    let told = format!("was signed up to position {}", later.size);
    world
        .person(ILYA)
        .wait_for_message(|message| message.text.contains(&told))
        .await
        .context("the admin is told")?;
    let before = checkpoint(&world).await?;
    assert!(before.is_none_or(|it| it.size <= signed.size), "nothing is signed");
    // Everything else goes on.
    assert_eq!(get(&world, "/qr-auth?session_id=any").await?.status(), 200);

    stdout_of(&world, &["log", "branch", "--reason", "a drill"]).await?;
    eventually("another log is signed", async || {
        Ok(checkpoint(&world).await?.is_some_and(|it| it.origin != signed.origin))
    })
    .await?;
    let branched = whole_checkpoint(&world).await?;
    assert_ne!(branched.origin, signed.origin);
    let names: Vec<String> = world.events().await?.into_iter().map(|event| event.name).collect();
    assert!(names.contains(&"LogBranched".to_owned()), "{names:?}");
    assert_eq!(StoredTree::new(&world.db).state().await?.fault, None);

    // And another key signs it, without a pause.
    let key = fs::read_to_string(&world.config.data.checkpoint_key_file)?;
    let said = stdout_of(&world, &["key", "rotate", "--checkpoint"]).await?;
    assert!(said.contains(&branched.origin), "{said}");
    assert_ne!(fs::read_to_string(&world.config.data.checkpoint_key_file)?, key);
    let rotated = whole_checkpoint(&world).await?;
    assert_eq!(rotated.origin, branched.origin);
    assert!(rotated.size > branched.size);
    Ok(())
}
