//! `docs/events.md` against the frozen events: each has a section, in its stream, with the payload of its golden file. Another
//! service that reads the log by this document reads it right.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use domain::Event;
use serde_json::Value;

/// The words that a field may hold, as the document lists them.
const VALUES: [(&str, &str, &[&str]); 8] = [
    ("CodeSent", "via", &["app", "sms", "call", "flash_call", "missed_call", "email", "fragment", "other"]),
    (
        "CodeRejected",
        "reason",
        &["wrong", "stale", "number_invalid", "number_banned", "too_many", "no_code", "unclear"],
    ),
    ("AuthorizationConfirmed", "method", &["qr", "code"]),
    ("LoginCancelled", "reason", &["person", "newer_login", "blocked", "erased"]),
    (
        "LoginFailed",
        "reason",
        &["telegram_unreachable", "flood_wait", "not_registered", "session_lost", "invite_gone", "internal"],
    ),
    ("RoleChanged", "role", &["user", "admin", "auditor"]),
    ("AuditRead", "role", &["admin", "auditor"]),
    ("WebhookChanged", "reason", &["order", "gone"]),
];

/// A section of the document.
#[derive(Debug, Default, PartialEq, Eq)]
struct Section {
    stream: String,
    version: u32,
    /// The payload of the newest version, then one for each optional field that came later.
    payloads: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The sections of the document, by the name of the event: "## Stream `login`", then "### `QrIssued`" or
/// "### `CodeRejected`, version 2".
fn sections(document: &str) -> Result<BTreeMap<String, Section>> {
    let mut sections = BTreeMap::new();
    let (mut stream, mut current) = (String::new(), None::<String>);
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("## Stream ") {
            stream = name.trim_matches('`').to_owned();
        } else if let Some(heading) = line.strip_prefix("### ") {
            let (name, version) = heading.split_once(", version ").unwrap_or((heading, "1"));
            let name = name.trim_matches('`').to_owned();
            let section = Section { stream: stream.clone(), version: version.parse()?, payloads: Vec::new() };
            ensure!(sections.insert(name.clone(), section).is_none(), "{name} has two sections");
            current = Some(name);
        } else if line == "```json"
            && let Some(section) = current.as_ref().and_then(|name| sections.get_mut(name))
        {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            section.payloads.push(block.join("\n"));
        }
    }
    Ok(sections)
}

/// The files of a folder whose names have this many parts: `QrIssued.v1.json` has three.
fn files(folder: &Path, parts: usize) -> Result<Vec<(Vec<String>, PathBuf)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().context("a name")?.to_string_lossy().into_owned();
        let words: Vec<String> = name.split('.').map(str::to_owned).collect();
        if words.len() == parts {
            files.push((words, path));
        }
    }
    files.sort();
    Ok(files)
}

/// What the document should say: the newest golden file of each event, and those of optional fields. The stream is the one
/// that has such an event.
fn frozen() -> Result<BTreeMap<String, Section>> {
    let mut frozen = BTreeMap::<String, Section>::new();
    let golden = root().join("domain/golden");
    for (words, path) in files(&golden, 3)? {
        let version = words[1].trim_start_matches('v').parse()?;
        let section = frozen.entry(words[0].clone()).or_default();
        if version > section.version {
            let payload = std::fs::read_to_string(&path)?.trim_end().to_owned();
            *section = Section {
                stream: stream_of(&words[0], version, &payload)?,
                version,
                payloads: vec![payload],
            };
        }
    }
    for (words, path) in files(&golden.join("added"), 4)? {
        let section = frozen.get_mut(&words[0]).with_context(|| format!("no event {}", words[0]))?;
        section.payloads.push(std::fs::read_to_string(&path)?.trim_end().to_owned());
    }
    Ok(frozen)
}

fn stream_of(name: &str, version: u32, payload: &str) -> Result<String> {
    let payload: Value = serde_json::from_str(payload)?;
    let decodes = |stream: &&str| Event::decode(stream, name, &version.to_string(), payload.clone()).is_ok();
    let stream = ["invite", "login", "account", "audit", "service", "log"].into_iter().find(decodes);
    Ok(stream.with_context(|| format!("no stream has {name}"))?.to_owned())
}

#[test]
fn every_event_is_in_the_documentation_as_it_is_frozen() -> Result<()> {
    let documented = sections(&std::fs::read_to_string(root().join("docs/events.md"))?)?;
    let frozen = frozen()?;
    assert!(frozen.len() >= 28, "only {} events are frozen", frozen.len());
    let names = |sections: &BTreeMap<String, Section>| sections.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&documented), names(&frozen));
    for (name, section) in &frozen {
        assert_eq!(&documented[name], section, "docs/events.md, {name}");
    }
    Ok(())
}

/// In the section of an event, what is in backticks after "- `field`:".
fn documented_values<'a>(document: &'a str, event: &str, field: &str) -> Result<Vec<&'a str>> {
    let section = document.split("\n### ").find(|section| section.starts_with(&format!("`{event}`")));
    let mut lines = section.with_context(|| format!("no section of {event}"))?.lines();
    let list = lines.find_map(|line| line.strip_prefix(&format!("- `{field}`:")));
    let list = list.with_context(|| format!("{event} does not say what {field} may hold"))?;
    Ok(list.split('`').skip(1).step_by(2).collect())
}

#[test]
fn the_documentation_lists_words_that_an_event_may_hold() -> Result<()> {
    let document = std::fs::read_to_string(root().join("docs/events.md"))?;
    let frozen = frozen()?;
    for (event, field, values) in VALUES {
        assert_eq!(documented_values(&document, event, field)?, values, "docs/events.md, {field} of {event}");
        let Section { stream, version, payloads } = &frozen[event];
        for value in values {
            let mut payload: Value = serde_json::from_str(&payloads[0])?;
            payload[event][field] = (*value).into();
            let decoded = Event::decode(stream, event, &version.to_string(), payload);
            assert!(decoded.is_ok(), "{event} holds no {field} {value}");
        }
    }
    Ok(())
}
