//! The proof of one person: what is left out, added or changed is found, also where the operator made the file. `TAMPER_ROUNDS=1000` for a longer run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use transparency::base64_of;
use transparency::merkle::{Hash, inclusion_ranges, leaf_hash, root};

use crate::files::{Files, text};

const PEOPLE: usize = 6;
/// Events before the heads are committed, and after.
const BEFORE: usize = 120;
const AFTER: usize = 12;
const STREAMS: usize = 13;

/// A log in which the heads of all people were committed once.
struct Log {
    files: Files,
    /// The head lines of each person, in the order of account ids.
    heads: Vec<Vec<String>>,
}

/// A proof file in its parts.
#[derive(Clone)]
struct Proof {
    account: String,
    index: usize,
    place: Vec<Hash>,
    heads: Vec<String>,
    /// Each with its hashes; the first one is `HeadsCommitted`.
    events: Vec<(String, Vec<Hash>)>,
    note: String,
}

fn account(person: usize) -> String {
    format!("{person:08x}-2222-4333-8444-555555555555")
}

/// Whom the event of a position is about.
fn person_of(position: usize) -> usize {
    position * position % 37 % PEOPLE
}

fn event(position: usize) -> String {
    let (stream, version) = (position % STREAMS, position / STREAMS + 1);
    format!(
        "{{\"position\":{position},\"at\":\"2026-11-29T12:00:00Z\",\"stream\":\"login\",\"stream_id\":\"l{stream}\",\"version\":{version},\
         \"event\":\"Made\",\"actor\":\"system\",\"account_id\":\"{}\",\"payload\":{{\"n\":{position}}},\"event_version\":\"1\"}}",
        account(person_of(position))
    )
}

/// What the events of these positions make of a person's heads.
fn heads(positions: impl Iterator<Item = usize>) -> Vec<String> {
    let mut streams = BTreeMap::new();
    for position in positions {
        let (stream, version) = (format!("l{}", position % STREAMS), position / STREAMS + 1);
        let events = streams.get(&stream).map_or(1, |(_, _, events)| events + 1);
        streams.insert(stream, (version, position, events));
    }
    let line = |(stream, (version, position, events))| {
        format!(
            "{{\"stream\":\"login\",\"stream_id\":\"{stream}\",\"version\":{version},\"position\":{position},\"events\":{events}}}"
        )
    };
    streams.into_iter().map(line).collect()
}

fn head_leaf(person: usize, heads: &[String]) -> Hash {
    leaf_hash(format!("account {}\n{}", account(person), heads.join("\n")).as_bytes())
}

fn inclusion(leaves: &[Hash], index: usize) -> Vec<Hash> {
    let ranges = inclusion_ranges(index as u64, leaves.len() as u64);
    ranges.into_iter().map(|(start, end)| root(&leaves[start as usize..end as usize])).collect()
}

impl Log {
    fn make() -> Self {
        let heads: Vec<_> =
            (0..PEOPLE).map(|person| heads((1..=BEFORE).filter(|it| person_of(*it) == person))).collect();
        let leaves: Vec<Hash> =
            heads.iter().enumerate().map(|(person, heads)| head_leaf(person, heads)).collect();
        let mut lines: Vec<String> = (1..=BEFORE).map(event).collect();
        lines.push(format!(
            "{{\"position\":{},\"at\":\"2026-11-29T12:00:00Z\",\"stream\":\"log\",\"stream_id\":\"log\",\"version\":1,\
             \"event\":\"HeadsCommitted\",\"actor\":\"system\",\"account_id\":null,\
             \"payload\":{{\"accounts\":{PEOPLE},\"at\":\"2026-11-29T12:00:00Z\",\"position\":{BEFORE},\"root\":\"{}\"}},\"event_version\":\"1\"}}",
            BEFORE + 1,
            base64_of(&root(&leaves))
        ));
        lines.extend((BEFORE + 2..BEFORE + 2 + AFTER).map(event));
        Self { files: Files::new(lines), heads }
    }

    /// The event of this position, with its hashes.
    fn proven(&self, position: usize) -> (String, Vec<Hash>) {
        let lines = &self.files.lines;
        let leaves: Vec<Hash> = lines.iter().map(|line| leaf_hash(line.as_bytes())).collect();
        (lines[position - 1].clone(), inclusion(&leaves, position - 1))
    }

    /// The genuine proof of this person.
    fn proof(&self, person: usize) -> Proof {
        let size = self.files.lines.len();
        let leaves: Vec<Hash> =
            self.heads.iter().enumerate().map(|(person, heads)| head_leaf(person, heads)).collect();
        let theirs = (1..=size).filter(|it| *it != BEFORE + 1 && person_of(*it) == person);
        Proof {
            account: account(person),
            index: person,
            place: inclusion(&leaves, person),
            heads: self.heads[person].clone(),
            events: std::iter::once(BEFORE + 1).chain(theirs).map(|it| self.proven(it)).collect(),
            note: self.files.note(size),
        }
    }
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut hashes = String::new();
        self.place.iter().for_each(|hash| writeln!(hashes, "hash {}", base64_of(hash)).expect("a string"));
        writeln!(f, "qr-login/person-proof@v1\naccount {}\nheads {} {PEOPLE}", self.account, self.index)?;
        write!(f, "{hashes}")?;
        self.heads.iter().try_for_each(|head| writeln!(f, "head {head}"))?;
        for (line, hashes) in &self.events {
            writeln!(f, "event {line}")?;
            hashes.iter().try_for_each(|hash| writeln!(f, "hash {}", base64_of(hash)))?;
        }
        write!(f, "\n{}", self.note)
    }
}

fn position_in(line: &str) -> usize {
    let position = line.strip_prefix("{\"position\":").and_then(|line| line.split_once(','));
    position.and_then(|(position, _)| position.parse().ok()).expect("a line begins with its position")
}

/// What is done to a proof, and the position that is named for it, where it can be known.
fn tampered(log: &Log, kind: usize, person: usize, place: usize) -> (Proof, Option<usize>) {
    let mut proof = log.proof(person);
    let counted = proof.events[1..].iter().filter(|(line, _)| position_in(line) <= BEFORE).count();
    let at = 1 + place % counted;
    let position = position_in(&proof.events[at].0);
    match kind {
        // An event is left out.
        0 => drop(proof.events.remove(at)),
        // The same, and the heads are made to fit.
        1 => {
            proof.events.remove(at);
            let left: Vec<usize> = proof.events[1..].iter().map(|(line, _)| position_in(line)).collect();
            proof.heads = heads(left.into_iter().filter(|it| *it <= BEFORE));
        }
        // The last one is left out.
        2 => drop(proof.events.remove(counted)),
        // A whole stream is left out, with its head.
        3 => {
            let stream = format!(",\"stream_id\":\"l{}\",", position % STREAMS);
            proof.events.retain(|(line, _)| !line.contains(&stream) || position_in(line) > BEFORE);
            proof.heads.retain(|head| !head.contains(&stream));
        }
        4 => {
            proof.events[at].0 = proof.events[at].0.replace("\"system\"", "\"sistem\"");
            return (proof, Some(position));
        }
        // It stands there twice.
        5 => {
            let twice = proof.events[at].clone();
            proof.events.insert(at, twice);
            return (proof, Some(position));
        }
        6 => {
            let other = at % counted + 1;
            proof.events.swap(at.min(other), at.max(other));
            let named = position_in(&proof.events[at.min(other) + 1].0);
            return (proof, Some(named));
        }
        // Somebody else's event is among theirs.
        _ => {
            let strange = (1..=BEFORE).cycle().skip(place).find(|it| person_of(*it) != person);
            let strange = strange.expect("there are others");
            let after = proof.events[1..].partition_point(|(line, _)| position_in(line) < strange) + 1;
            proof.events.insert(after, log.proven(strange));
            return (proof, Some(strange));
        }
    }
    (proof, None)
}

#[test]
fn what_is_left_out_added_or_changed_in_a_persons_proof_is_found() {
    let rounds: usize = std::env::var("TAMPER_ROUNDS").map_or(2, |rounds| rounds.parse().expect("a number"));
    let log = Log::make();
    for person in 0..PEOPLE {
        let path = log.files.write("my-proof.txt", &log.proof(person).to_string());
        let said = log.files.verify(&["person", text(&path)]);
        assert!(said.code == 0 && said.text.starts_with("holds: these "), "{}", said.text);
    }
    for round in 0..rounds {
        for kind in 0..8 {
            let (person, place) = (round % PEOPLE, round * 7_919 + kind * 104_729);
            let (proof, named) = tampered(&log, kind, person, place);
            let path = log.files.write("my-proof.txt", &proof.to_string());
            let said = log.files.verify_in(round, &["person", text(&path)]);
            assert_eq!(said.code, 1, "{kind} at {place}: {}", said.text);
            let first = said.text.lines().next().unwrap_or_default();
            let told = match named {
                Some(position) => format!("does not hold: position {position}: "),
                None if kind == 1 || kind == 3 => "does not hold: the heads are not those".to_owned(),
                None => "does not hold: an event is missing".to_owned(),
            };
            assert!(first.starts_with(&told), "{kind} at {place}: {first}, and not {told}");
        }
    }
}
