//! The proof of one event (C2SP tlog-proof), and the proof file of one person: all their events, each proven, and their head, which was
//! committed in the log and says that these are all. docs/trust.md has the form of that file.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::export::position_of;
use crate::failure::{Failure, plain};
use crate::note::{Checkpoint, Keys, number, signed_checkpoint};
use crate::tree::{Hash, leaf_hash, root_by_inclusion};

/// What holds of a tlog-proof for this line, or else for the one that it carries as `extra`.
pub fn verify_proof(file: &str, line: Option<&str>, keys: &Keys) -> Result<String, Failure> {
    let malformed = || Failure::unusable("it is no proof (c2sp.org/tlog-proof@v1), or one without its line");
    let (head, note) = file.split_once("\n\n").ok_or_else(malformed)?;
    let mut lines = head.split('\n').peekable();
    lines.next_if_eq(&"c2sp.org/tlog-proof@v1").ok_or_else(malformed)?;
    let carried =
        lines.next_if(|line| line.starts_with("extra ")).and_then(|line| STANDARD.decode(&line[6..]).ok());
    let index = lines.next().and_then(|line| number(line.strip_prefix("index ")?)).ok_or_else(malformed)?;
    let hashes = lines.map(hash).collect::<Option<Vec<_>>>().ok_or_else(malformed)?;
    let given = line.map(|line| line.strip_suffix('\n').unwrap_or(line).to_owned());
    let line = given.or_else(|| String::from_utf8(carried?).ok()).ok_or_else(malformed)?;
    let checkpoint = signed_checkpoint(note, keys)?;
    in_tree(&line, index, &hashes, &checkpoint)?;
    Ok(format!("position {} of {} is this event:\n{}", index + 1, checkpoint.origin, plain(&line)))
}

/// What holds of a person's proof.
pub fn verify(file: &str, keys: &Keys) -> Result<String, Failure> {
    let malformed = || Failure::unusable("it is no proof of a person (qr-login/person-proof@v1)");
    let (body, note) = file.split_once("\n\n").ok_or_else(malformed)?;
    let body = body.strip_prefix("qr-login/person-proof@v1\naccount ").ok_or_else(malformed)?;
    let (account, rest) = body.split_once("\nheads ").ok_or_else(malformed)?;
    let mut lines = rest.split('\n');
    let (index, count) = lines.next().and_then(|line| line.split_once(' ')).ok_or_else(malformed)?;
    let (index, count) = number(index).zip(number(count)).ok_or_else(malformed)?;
    let (mut place_hashes, mut heads, mut events) = (Vec::new(), Vec::new(), Vec::<(&str, Vec<Hash>)>::new());
    for line in lines {
        match line.split_once(' ').ok_or_else(malformed)? {
            ("head", head) => heads.push(head),
            ("event", line) => events.push((line, Vec::new())),
            ("hash", text) => {
                let hashes = events.last_mut().map_or(&mut place_hashes, |(_, hashes)| hashes);
                hashes.push(hash(text).ok_or_else(malformed)?);
            }
            _ => return Err(malformed()),
        }
    }
    let checkpoint = signed_checkpoint(note, keys)?;
    // 1. Each line is the event of its position.
    let (mut faults, mut last) = (Vec::new(), 0);
    for (number, (line, hashes)) in events.iter().enumerate() {
        let position = position_of(line).unwrap_or(0);
        faults.extend(in_tree(line, position.wrapping_sub(1), hashes, &checkpoint).err());
        if number > 0 && position <= last {
            faults.push(format!("position {position}: it stands after position {last}"));
        }
        if number > 0 && !is_about(line, account) {
            faults.push(format!("position {position}: the event is not about {account}"));
        }
        last = if number > 0 { position } else { 0 };
    }
    // 2. The head is the one that was committed.
    let committed = events.first().and_then(|(line, _)| committed(line));
    let Some((end, accounts, root)) = committed else {
        return Err("the first event is not HeadsCommitted".to_owned().into());
    };
    let content = format!("account {account}\n{}", heads.join("\n"));
    if count != accounts
        || root_by_inclusion(index, count, leaf_hash(content.as_bytes()), &place_hashes) != Some(root)
    {
        faults.push(format!("the heads are not those that were committed for {account}"));
    }
    // 3. The events up to its position make this head, so none is left out.
    let (counted, later): (Vec<&str>, _) =
        events.iter().skip(1).map(|(line, _)| *line).partition(|line| position_of(line) <= Some(end));
    let made = heads_of(&counted);
    for head in heads.iter().filter(|head| !made.iter().any(|made| made == *head)) {
        faults.push(format!("an event is missing, or there is one too many: what was committed is {head}"));
    }
    for made in made.iter().filter(|made| !heads.contains(&made.as_str())) {
        faults.push(format!("what was committed is another head than that of these events, {made}"));
    }
    match faults.is_empty() {
        true => Ok(format!(
            "these {} events are all of {account} up to position {end}, and {} later ones are theirs, as {} has signed",
            counted.len(),
            later.len(),
            checkpoint.origin
        )),
        false => Err(Failure::refuted(faults)),
    }
}

/// What `HeadsCommitted` says: the position, how many people, and the root of their heads.
fn committed(line: &str) -> Option<(u64, u64, Hash)> {
    let (before, payload) = line.split_once(",\"payload\":{")?;
    let is_it = before.contains(",\"stream\":\"log\",\"stream_id\":\"log\",")
        && before.contains(",\"event\":\"HeadsCommitted\",");
    let (payload, _) = payload.split_once("},\"event_version\":").filter(|_| is_it)?;
    let field = |name: &str| payload.split(',').find_map(|it| it.strip_prefix(&format!("\"{name}\":")));
    let root = hash(field("root")?.trim_matches('"'))?;
    Some((number(field("position")?)?, number(field("accounts")?)?, root))
}

/// The heads that these lines make: for each stream, in order, its last event and how many there are.
fn heads_of(lines: &[&str]) -> Vec<String> {
    let mut streams = BTreeMap::new();
    for line in lines {
        let about_stream =
            line.split_once(",\"event\":").and_then(|(before, _)| before.split_once(",\"stream\":"));
        let Some((stream, version)) = about_stream.and_then(|(_, it)| it.rsplit_once(",\"version\":")) else {
            continue;
        };
        let count = streams.get(stream).map_or(0, |(_, _, count)| *count);
        streams.insert(stream, (version, position_of(line).unwrap_or(0), count + 1));
    }
    let head = |(stream, (version, position, count))| {
        format!("{{\"stream\":{stream},\"version\":{version},\"position\":{position},\"events\":{count}}}")
    };
    streams.into_iter().map(head).collect()
}

/// Whether the log counts this event among the person's: the envelope or the payload names them, or it is their own stream.
fn is_about(line: &str, account: &str) -> bool {
    line.contains(&format!("\"account_id\":\"{account}\""))
        || line.contains(&format!(",\"stream\":\"account\",\"stream_id\":\"{account}\","))
}

fn in_tree(line: &str, index: u64, hashes: &[Hash], checkpoint: &Checkpoint) -> Result<(), String> {
    let position = index.wrapping_add(1);
    let root = root_by_inclusion(index, checkpoint.size, leaf_hash(line.as_bytes()), hashes);
    let is_in = root == Some(checkpoint.root) && position_of(line) == Some(position);
    let refuted =
        || format!("position {position}: the line is not the one that {} has signed", checkpoint.origin);
    is_in.then_some(()).ok_or_else(refuted)
}

fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}
