//! Checkpoints that are sent on to witnesses: by the letter, and with witnesses that are away, slow, behind, ahead, or lie.

use std::time::Duration;

use eventlog::Clock;
use eventlog::testing::LogLines;
use tokio::task::JoinHandle;
use transparency::cosigning::Cosigning;
use transparency::submission::{Submitter, WitnessError};
use transparency::{BadWitnesses, Checkpoint, Keeper, Note, NoteKey, Served, Witnesses};

use crate::test_witness::{Conduct, TestWitness, vkey};
use crate::world::World;

/// A policy of these, that waits for nothing longer than a test may take.
fn policy(required: usize, witnesses: &[&TestWitness]) -> Witnesses {
    let listed: Vec<String> = witnesses.iter().map(|witness| witness.as_set()).collect();
    let policy: Witnesses = format!("{required} of {}", listed.join(", ")).parse().expect("a policy");
    let (timeout, again) = (Duration::from_secs(60), Duration::from_millis(20));
    Witnesses { timeout, again, between: Duration::ZERO, ..policy }
}

/// A sender that ends with the test.
struct Sending(JoinHandle<()>);

impl Sending {
    fn start(world: &World, keeper: &Keeper, policy: &Witnesses) -> Self {
        let (db, clock) = (&world.test.db, Clock::system());
        let cosigning = Cosigning::new(db, &clock, policy, keeper.epoch(), keeper.signed());
        Self(tokio::spawn(async move { match cosigning.run().await {} }))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let poll = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), poll).await.unwrap_or_else(|_| panic!("never: {what}"));
}

impl World {
    /// What others get: its size, and which of these witnesses have signed it.
    async fn served(&self, witnesses: &[&TestWitness]) -> (u64, Vec<bool>) {
        let note = self.state().await.served.expect("one was signed");
        let note = Note::parse(&note).expect("a note");
        let checkpoint = note.checkpoint(&self.history().await.key).expect("signed by the log");
        let signed = witnesses.iter().map(|it| note.is_signed_by(&it.witness().key)).collect();
        (checkpoint.size, signed)
    }

    async fn log_vkey(&self) -> String {
        self.history().await.key.to_string()
    }
}

#[test]
fn a_policy_is_read_and_a_bad_one_says_which_witness_is_wrong() {
    let key = |name: &str, seed: u8| {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        vkey(name, 4, key.verifying_key().as_bytes())
    };
    let (one, two) = (key("a.example/w1", 1), key("b.example", 2));
    let text = format!("2 of https://a.example/w1/ {one},http://10.0.0.5:8011 {two}");
    let witnesses: Witnesses = text.parse().unwrap();
    assert_eq!((witnesses.required, witnesses.all.len()), (2, 2));
    assert_eq!(witnesses.all[0].url.as_str(), "https://a.example/w1/add-checkpoint");
    assert_eq!(witnesses.all[1].url.as_str(), "http://10.0.0.5:8011/add-checkpoint");
    assert_eq!((witnesses.all[0].key.to_string(), &*witnesses.all[1].key.name), (one.clone(), "b.example"));

    let log = vkey("a.example", 1, &[1; 32]);
    for (text, bad) in [
        (format!("https://a.example {one}"), BadWitnesses::Form),
        (format!("two of https://a.example {one}"), BadWitnesses::Form),
        (format!("0 of https://a.example {one}"), BadWitnesses::Required { required: 0, all: 1 }),
        (format!("2 of https://a.example {one}"), BadWitnesses::Required { required: 2, all: 1 }),
        (format!("1 of {one}"), BadWitnesses::Witness { number: 1 }),
        (format!("1 of https://a.example {one},"), BadWitnesses::Witness { number: 2 }),
        (format!("1 of https://a.example {log}"), BadWitnesses::Key { number: 1 }),
        (format!("1 of https://a.example {}", one.replace("w1", "w2")), BadWitnesses::Key { number: 1 }),
        (format!("1 of a.example {one}"), BadWitnesses::Url { number: 1 }),
        (format!("1 of https://me@a.example {one}"), BadWitnesses::Url { number: 1 }),
        (format!("1 of https://a.example/?x {one}"), BadWitnesses::Url { number: 1 }),
        (
            format!("1 of https://a.example {one}, https://b.example {}", key("other.name", 1)),
            BadWitnesses::Twice { number: 2 },
        ),
    ] {
        assert_eq!(text.parse::<Witnesses>(), Err(bad), "{text}");
    }
}

/// One of three is away: it is told once, delays nothing, and its signature comes once it is back.
#[tokio::test]
async fn others_get_the_signatures_of_enough_witnesses_and_one_that_is_away_delays_only_its_own() {
    let lines = LogLines::default();
    let _told = tracing::subscriber::set_default(lines.clone());
    let mut world = World::new().await;
    world.append(300).await;
    let mut keeper = world.kept_once().await;
    let one = TestWitness::start("a.example/w", 1).await;
    let two = TestWitness::start("b.example/w", 2).await;
    let mut three = TestWitness::start("c.example/w", 3).await;
    let log = world.log_vkey().await;
    for witness in [&one, &two, &three] {
        witness.trust(&log);
    }
    three.stop().await;
    assert_eq!(world.served(&[]).await.0, 300);

    let _sending = Sending::start(&world, &keeper, &policy(2, &[&one, &two, &three]));
    for (appended, size) in [(0, 300), (1, 301), (299, 600)] {
        world.append(appended).await;
        world.pass(&mut keeper).await.unwrap();
        eventually("two have signed", async || {
            world.served(&[&one, &two, &three]).await == (size, vec![true, true, false])
        })
        .await;
        assert_eq!(world.state().await.signed_size, size);
    }
    let served = Served::new(&world.test.db).checkpoint().await.unwrap().unwrap();
    let checkpoint = world.checkpoint().await;
    let served = Note::parse(&served).unwrap();
    assert_eq!((Checkpoint::parse(&served.text), served.signatures.len()), (Some(checkpoint), 3));
    assert_eq!(lines.count("a witness does not sign checkpoints"), 1);

    three.start_again().await;
    eventually("the third has signed", async || {
        world.served(&[&one, &two, &three]).await == (600, vec![true, true, true])
    })
    .await;
    assert_eq!(lines.count("a witness does not sign checkpoints"), 1);
    assert_eq!(lines.count("a witness signs checkpoints again"), 1);
    assert_eq!(world.state().await.fault, None);
}

#[tokio::test]
async fn a_slow_witness_delays_nothing_but_its_signature() {
    let mut world = World::new().await;
    world.append(5).await;
    let mut keeper = world.kept_once().await;
    let fast = TestWitness::start("fast.example", 1).await;
    let slow = TestWitness::start("slow.example", 2).await;
    let log = world.log_vkey().await;
    for witness in [&fast, &slow] {
        witness.trust(&log);
    }
    slow.answers(false);
    let _sending = Sending::start(&world, &keeper, &policy(1, &[&fast, &slow]));
    for size in 6..10 {
        world.append(1).await;
        world.pass(&mut keeper).await.unwrap();
        eventually("the fast one has signed", async || {
            world.served(&[&fast, &slow]).await == (size, vec![true, false])
        })
        .await;
    }
    slow.answers(true);
    eventually("the slow one has signed", async || {
        world.served(&[&fast, &slow]).await == (9, vec![true, true])
    })
    .await;
}

/// With two of two, nobody gets a checkpoint that only one has signed; and after some seconds they get the newest without.
#[tokio::test]
async fn a_policy_that_is_not_met_holds_nothing_back_for_long() {
    let mut world = World::new().await;
    world.append(5).await;
    let mut keeper = world.kept_once().await;
    let one = TestWitness::start("a.example/w", 1).await;
    let two = TestWitness::start("b.example/w", 2).await;
    let log = world.log_vkey().await;
    for witness in [&one, &two] {
        witness.trust(&log);
    }
    let _sending = Sending::start(&world, &keeper, &policy(2, &[&one, &two]));
    eventually("both have signed", async || world.served(&[&one, &two]).await == (5, vec![true, true])).await;
    two.behave(Conduct::Answer(500, "no"));
    world.append(4).await;
    world.pass(&mut keeper).await.unwrap();
    let origin = world.checkpoint().await.origin;
    eventually("one has signed", async || one.size(&origin) == 9).await;
    assert_eq!(
        world.served(&[&one, &two]).await,
        (5, vec![true, true]),
        "a later one waits for its witnesses"
    );

    world.run("update log_tree set witnesses_due_since = witnesses_due_since - interval '10 s'").await;
    assert_eq!(world.served(&[&one, &two]).await, (9, vec![false, false]));
    two.behave(Conduct::Honest);
    eventually("both have signed", async || world.served(&[&one, &two]).await == (9, vec![true, true])).await;
}

#[tokio::test]
async fn a_witness_that_lies_is_not_believed_and_what_it_refuses_is_told() {
    let mut world = World::new().await;
    world.append(20).await;
    drop(world.kept_once().await);
    let (note, checkpoint) =
        (Note::parse(&world.state().await.checkpoint.unwrap()).unwrap(), world.checkpoint().await);
    let witness = TestWitness::start("a.example/w", 1).await;
    let submitter = Submitter::new(world.tree(), &Clock::system(), Duration::from_secs(60));
    let submit = async || submitter.submit(&witness.witness(), &note, &checkpoint, None).await;

    assert!(matches!(submit().await, Err(WitnessError::UnknownLog)));
    let other =
        NoteKey::of_log(&checkpoint.origin, ed25519_dalek::SigningKey::from_bytes(&[9; 32]).verifying_key());
    witness.trust(&other.to_string());
    assert!(matches!(submit().await, Err(WitnessError::OtherKey)));
    witness.trust(&world.log_vkey().await);
    for conduct in [Conduct::OtherRoot, Conduct::OtherKey, Conduct::Answer(200, "")] {
        witness.behave(conduct);
        let answer = submit().await;
        assert!(matches!(answer, Err(WitnessError::NotSigned)), "{conduct:?}: {answer:?}");
    }
    for conduct in [Conduct::OtherTime(-3_600), Conduct::OtherTime(3_600), Conduct::NoTime] {
        witness.behave(conduct);
        let answer = submit().await;
        assert!(
            matches!(answer, Err(WitnessError::OtherTime(apart)) if apart > 3_500),
            "{conduct:?}: {answer:?}"
        );
    }
    for conduct in [
        Conduct::Answer(200, "signed\n"),
        Conduct::Answer(409, "twenty\n"),
        Conduct::Answer(409, "5"),
        Conduct::Answer(409, "5\n"),
    ] {
        witness.behave(conduct);
        let answer = submit().await;
        assert!(matches!(answer, Err(WitnessError::Malformed(_))), "{conduct:?}: {answer:?}");
    }
    witness.behave(Conduct::Answer(503, ""));
    assert!(matches!(submit().await, Err(WitnessError::Status(status)) if status == 503));
    witness.behave(Conduct::Honest);
    let signature = submit().await.unwrap();
    assert!(witness.witness().key.has_signed(&note.text, &signature));
}

#[tokio::test]
async fn a_witness_that_is_behind_or_forgets_gets_the_proof_that_it_needs() {
    let mut world = World::new().await;
    world.append(700).await;
    drop(world.kept_once().await);
    let (note, checkpoint) =
        (Note::parse(&world.state().await.checkpoint.unwrap()).unwrap(), world.checkpoint().await);
    let witness = TestWitness::start("a.example/w", 1).await;
    witness.trust(&world.log_vkey().await);
    let submitter = Submitter::new(world.tree(), &Clock::system(), Duration::from_secs(60));
    let submit = async |known| submitter.submit(&witness.witness(), &note, &checkpoint, known).await.unwrap();
    let at_300 = world.tree().root_at(300).await.unwrap();
    // 1. It has signed 300, and we know nothing of it. 2. It has signed 300, and we think 600. 3. It has forgotten all.
    for (remembers, known) in
        [(Some((300, at_300)), None), (Some((300, at_300)), Some(600)), (None, Some(700))]
    {
        witness.remember(&checkpoint.origin, remembers);
        let before = witness.requests().len();
        submit(known).await;
        assert_eq!(witness.size(&checkpoint.origin), 700);
        assert_eq!(witness.requests().len() - before, 2, "409, and then with the right proof");
    }
    // 4. It has signed this one already.
    submit(Some(700)).await;
    assert!(witness.requests().last().unwrap().starts_with("old 700\n\n"));
}

/// The database was restored without its end, on a machine that kept nothing; and then other events came.
#[tokio::test]
async fn a_witness_that_has_seen_another_history_is_told_until_it_signs_again() {
    let mut world = World::new().await;
    world.append(10).await;
    let mut keeper = world.kept_once().await;
    let witness = TestWitness::start("a.example/w", 1).await;
    witness.trust(&world.log_vkey().await);
    let origin = world.checkpoint().await.origin;
    witness.remember(&origin, Some((15, [1; 32])));
    let _sending = Sending::start(&world, &keeper, &policy(1, &[&witness]));
    let tree = world.tree();
    let fault = async || tree.witness_fault().await.unwrap().map(|(fault, _)| fault);
    let ahead = "a.example/w: it has signed this log up to position 15, and here it ends at position 10: the end was lost";
    eventually("it is told", async || fault().await.as_deref() == Some(ahead)).await;

    world.append(10).await;
    world.pass(&mut keeper).await.unwrap();
    let other =
        "a.example/w: it has signed another history than this one, which it was sent up to position 20 (422)";
    eventually("it is told", async || fault().await.as_deref() == Some(other)).await;
    assert_eq!(world.state().await.fault, None, "the log is signed nevertheless");

    witness.remember(&origin, None);
    eventually("it signs", async || fault().await.is_none()).await;
    assert_eq!(world.served(&[&witness]).await, (20, vec![true]));
}

/// Where nothing may be signed, nothing is sent on either.
#[tokio::test]
async fn what_a_walk_has_found_is_sent_to_nobody() {
    let mut world = World::new().await;
    world.append(10).await;
    let mut keeper = world.kept_once().await;
    let witness = TestWitness::start("a.example/w", 1).await;
    witness.trust(&world.log_vkey().await);
    let _sending = Sending::start(&world, &keeper, &policy(1, &[&witness]));
    eventually("it has signed", async || world.served(&[&witness]).await == (10, vec![true])).await;
    *keeper.walked().lock().unwrap() =
        Some("position 3: the event is not the one that is in the tree".to_owned());
    world.append(10).await;
    world.pass(&mut keeper).await.unwrap();
    assert_eq!(*keeper.signed().borrow(), None);
    let keeper = world.kept_once().await;
    let _sending = Sending::start(&world, &keeper, &policy(1, &[&witness]));
    eventually("it has signed", async || world.served(&[&witness]).await == (20, vec![true])).await;
}
