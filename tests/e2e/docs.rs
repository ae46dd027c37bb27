//! The documents against the tree: every path, name, command, route and setting in backticks exists, and every link leads to a file,
//! and to a heading of it.
//!
//! A span in backticks is one of these, tried in this order:
//!
//! 1. a command (`make`, `cargo`, `qr-login`, `replay`): its target, subcommands and flags exist
//! 2. a route or a command of the bot, which begins with `/`: it stands in quotes in the sources
//! 3. a path: the file or folder exists; one that is made at run time is named in the sources
//! 4. text that is not English: it stands in the sources, letter by letter
//! 5. anything else: each of its words is one of the sources. A type's name has to be one of Rust's, or an alert's.
//!
//! A name that follows a path and a colon has to be in that file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

/// The documents that tell how things are. CHANGELOG.md tells how they were.
const DOCUMENTS: [&str; 4] = ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md", "SECURITY.md"];
/// Not looked through: what is made here, and this file, whose examples are invented.
const IGNORED: [&str; 5] = ["target", "data", "node_modules", ".git", "docs.rs"];
/// What a map may have.
const MOST_LINES: usize = 200;

/// What stands in the tree.
struct Tree {
    root: PathBuf,
    top: BTreeSet<String>,
    rust: BTreeSet<String>,
    /// Of all sources: Rust, SQL, scripts, settings, pages.
    words: BTreeSet<String>,
    text: String,
    makefile: String,
}

impl Tree {
    fn read() -> Result<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let makefile = std::fs::read_to_string(root.join("Makefile"))?;
        let (mut top, mut rust, mut words) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut text = String::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if IGNORED.contains(&name.as_str()) {
                    continue;
                }
                if folder == root {
                    top.insert(name.clone());
                }
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let Ok(source) = std::fs::read_to_string(&path) else { continue };
                if name.ends_with(".md") || name == "Cargo.lock" {
                    continue;
                }
                let is_rust = name.ends_with(".rs");
                for line in source.lines().map(|line| if is_rust { without_comment(line) } else { line }) {
                    words.extend(words_of(line).map(str::to_owned));
                    if is_rust || name.ends_with(".rules.yml") {
                        rust.extend(words_of(line).map(str::to_owned));
                    }
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        Ok(Self { root, top, rust, words, text, makefile })
    }

    /// What is wrong with a span; None: it is all there.
    fn problem(&self, span: &str) -> Option<String> {
        let words: Vec<&str> = span.split_whitespace().collect();
        match words.as_slice() {
            ["make", rest @ ..] if !rest.is_empty() => self.make(rest),
            ["cargo", rest @ ..] => self.cargo(rest),
            ["qr-login", rest @ ..] if !rest.is_empty() => qr_login(rest),
            ["replay", rest @ ..] if !rest.is_empty() => self.replay(rest),
            ["GET" | "POST" | "DELETE", route] => self.route(route),
            [route, ..] if route.starts_with('/') => self.route(route),
            [path] if is_path(path) => self.path(path),
            _ if !span.is_ascii() && !span.contains('…') => {
                (!self.text.contains(span)).then(|| "is not in the sources".to_owned())
            }
            _ => self.unknown_word(span).map(|word| format!("{word} is not in the sources")),
        }
    }

    fn make(&self, words: &[&str]) -> Option<String> {
        let target = words[0];
        if !self.makefile.lines().any(|line| line.starts_with(&format!("{target}:"))) {
            return Some(format!("the Makefile has no target {target}"));
        }
        let variables = words[1..].iter().filter_map(|word| word.split_once('=')).map(|(name, _)| name);
        let is_used = |name: &str| {
            [format!("$({name})"), format!("$${{{name}:-")].map(|use_| self.makefile.contains(&use_))
        };
        variables
            .filter(|name| is_used(name) == [false, false])
            .map(|name| format!("no {name} in the Makefile"))
            .next()
    }

    /// A package, and what is run after `--`.
    fn cargo(&self, words: &[&str]) -> Option<String> {
        let package = words.windows(2).find(|pair| pair[0] == "-p").map(|pair| pair[1]);
        if let Some(package) = package.filter(|name| !is_placeholder(name)) {
            let manifest = format!("name = \"{package}\"");
            if !self.text.contains(&manifest) {
                return Some(format!("there is no package {package}"));
            }
        }
        let run = words.split(|word| *word == "--").nth(1)?;
        qr_login(run)
    }

    fn replay(&self, words: &[&str]) -> Option<String> {
        for flag in words.iter().filter_map(|word| word.strip_prefix("--")) {
            if !self.rust.contains(&flag.replace('-', "_")) {
                return Some(format!("replay has no --{flag}"));
            }
        }
        let main = std::fs::read_to_string(self.root.join("replay/src/main.rs")).unwrap_or_default();
        let variant: String = words[0].split('-').map(capitalised).collect();
        let is_there = main.lines().any(|line| line.trim_start().starts_with(&variant));
        (!is_there).then(|| format!("replay has no {}", words[0]))
    }

    /// One of HTTP, or the bot's `/name`; with `*` one that the proxy passes on.
    fn route(&self, route: &str) -> Option<String> {
        let route = route.split(['?', '[']).next().unwrap_or_default();
        let quoted = [format!("\"{route}\""), format!("\"{}\"", &route[1..])];
        let is_there = match route.ends_with('*') {
            true => self.text.contains(&format!(" {route}")),
            false => quoted.iter().any(|quoted| self.text.contains(quoted)),
        };
        (!is_there).then(|| format!("no route or command {route}"))
    }

    fn path(&self, path: &str) -> Option<String> {
        if self.root.join(path).exists() {
            return None;
        }
        let first = path.split('/').next().unwrap_or_default();
        if self.top.contains(first) || is_source(path) {
            return Some("there is no such file".to_owned());
        }
        let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        (!self.text.contains(last)).then(|| format!("nothing makes or reads {last}"))
    }

    fn unknown_word<'a>(&self, span: &'a str) -> Option<&'a str> {
        words_of(span).filter(|word| word.len() > 2 && !is_placeholder(word)).find(|word| {
            let is_type =
                word.starts_with(|c: char| c.is_uppercase()) && word.contains(|c: char| c.is_lowercase());
            let known = if is_type { &self.rust } else { &self.words };
            !known.contains(*word)
        })
    }
}

/// A command of the binary, by the parser itself.
fn qr_login(words: &[&str]) -> Option<String> {
    let mut command = qr_login::cli::Cli::command();
    command.build();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if let Some(flag) = word.strip_prefix("--") {
            let argument = command.get_arguments().find(|argument| argument.get_long() == Some(flag));
            let Some(argument) = argument else { return Some(format!("qr-login has no --{flag}")) };
            if argument.get_action().takes_values() {
                words.next();
            }
        } else if !is_placeholder(word) {
            match command.find_subcommand(word) {
                Some(next) => command = next.clone(),
                None => return Some(format!("qr-login has no {word}")),
            }
        }
    }
    None
}

/// `ID`, `VIEW…`, `[DAYS]`, `BENCH=section`.
fn is_placeholder(word: &str) -> bool {
    word.bytes().all(|byte| !byte.is_ascii_lowercase()) && !word.contains('_')
}

fn is_path(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    word.chars().all(plain) && !word.starts_with("--") && (word.contains('/') || is_source(word))
}

fn is_source(path: &str) -> bool {
    let kinds = ["rs", "md", "sql", "toml", "js", "mjs", "yml", "yaml", "py"];
    Path::new(path).extension().is_some_and(|kind| kinds.iter().any(|known| kind == *known))
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") { "" } else { line.split(" // ").next().unwrap_or_default() }
}

fn words_of(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Spans in backticks and lines of shell, with what stands between a span and the one before it.
fn spans(text: &str) -> Vec<(String, String)> {
    let (mut spans, mut fence) = (Vec::new(), None);
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            fence = if fence.is_none() { Some(language.to_owned()) } else { None };
        } else if let Some(language) = &fence {
            let command = line.split(" #").next().unwrap_or_default().trim();
            let ours = ["make", "cargo", "replay", "qr-login"];
            if language == "sh" && ours.iter().any(|name| command.starts_with(&format!("{name} "))) {
                spans.push((String::new(), command.to_owned()));
            }
        } else {
            let parts: Vec<&str> = line.split('`').collect();
            for pair in parts.chunks_exact(2) {
                spans.push((pair[0].to_owned(), pair[1].to_owned()));
            }
        }
    }
    spans
}

/// Where links to files and to headings lead.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://"))
}

/// Whether a link of this document leads to a file, and to a heading that the file has.
fn leads_somewhere(document: &Path, link: &str) -> bool {
    let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
    let target = match file.is_empty() {
        true => document.to_owned(),
        false => document.parent().unwrap_or(document).join(file),
    };
    match heading {
        None => target.exists(),
        Some(heading) => {
            let text = std::fs::read_to_string(target).unwrap_or_default();
            text.lines().any(|line| line.starts_with('#') && anchor(line) == heading)
        }
    }
}

/// The name of a heading in a link, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn documents() -> Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents: Vec<PathBuf> = DOCUMENTS.map(|name| root.join(name)).into();
    for folder in ["docs", "docs/runbooks"] {
        for entry in std::fs::read_dir(root.join(folder))? {
            documents.push(entry?.path());
        }
    }
    documents.retain(|path| path.extension().is_some_and(|kind| kind == "md"));
    Ok(documents)
}

#[test]
fn what_the_documents_name_is_in_the_tree() -> Result<()> {
    let tree = Tree::read()?;
    let (mut problems, mut seen) = (Vec::new(), 0);
    for document in documents()? {
        let name = document.strip_prefix(&tree.root)?.display();
        let text = std::fs::read_to_string(&document).with_context(|| name.to_string())?;
        for link in links(&text).filter(|link| !leads_somewhere(&document, link)) {
            problems.push(format!("{name}: the link to {link} leads nowhere"));
        }
        let mut before = None;
        for (between, span) in spans(&text) {
            seen += 1;
            if let Some(problem) = tree.problem(&span) {
                problems.push(format!("{name}: `{span}`: {problem}"));
            }
            let inside = before.take().filter(|_| between == ": ");
            if let Some(file) =
                inside.and_then(|path: String| std::fs::read_to_string(tree.root.join(path)).ok())
                && !file.contains(span.as_str())
            {
                problems.push(format!("{name}: `{span}` is not in the file before it"));
            }
            before = is_path(&span).then_some(span);
        }
    }
    assert!(seen > 300, "only {seen} names were found");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

#[test]
fn an_invented_path_or_name_is_found() -> Result<()> {
    let tree = Tree::read()?;
    for invented in [
        "bot/src/login/teleport.rs",
        "nowhere.rs",
        "vault/attic/",
        "DATA_DIR/secret-garden.txt",
        "InviteEaten",
        "DatabaseError::SetAside",
        "eat_invite",
        "vault.eaten_updates",
        "select eaten_at from vault.refused_updates",
        "EAT_INVITES",
        "make supper",
        "make bench SUPPER=1",
        "cargo test -p supper",
        "qr-login invite eat",
        "qr-login invite create --supper",
        "replay eat",
        "replay verify --supper",
        "GET /qr-supper",
        "/supper",
        "/supper*",
        "🍲 Готово",
    ] {
        assert!(tree.problem(invented).is_some(), "`{invented}` passes for a name that exists");
    }
    Ok(())
}

/// `invite create`, `key rotate`, …: what can be run.
fn leaves(command: &clap::Command, path: &str) -> Vec<String> {
    let below =
        command.get_subcommands().flat_map(|next| leaves(next, &format!("{path} {}", next.get_name())));
    let below: Vec<String> = below.collect();
    if below.is_empty() { vec![path.to_owned()] } else { below }
}

#[test]
fn every_command_and_every_route_is_in_the_documentation() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let text = std::fs::read_to_string(path)?;
    let missing = |command: &String| {
        let last = command.rsplit(' ').next().unwrap_or_default();
        !text.contains(command.as_str()) && !text.contains(&format!("`{last}"))
    };
    let commands: Vec<_> =
        leaves(&qr_login::cli::Cli::command(), "qr-login").into_iter().filter(missing).collect();
    // Those of the API for programs are in docs/openapi.json, which is made from them.
    let routes = api::route_names().into_iter().filter(|(_, path)| !path.starts_with("/api/"));
    let routes = routes.map(|(method, path)| format!("`{method} {path}"));
    let routes: Vec<_> = routes.filter(|route| !text.contains(route)).collect();
    assert!(commands.is_empty() && routes.is_empty(), "docs/commands.md lacks {commands:?} {routes:?}");
    Ok(())
}

#[test]
fn a_link_to_an_invented_heading_is_found() {
    let map = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    for link in ["docs/keys.md", "docs/keys.md#what-the-root-means", "#known-faults"] {
        assert!(leads_somewhere(&map, link), "{link} leads nowhere");
    }
    for link in ["docs/supper.md", "docs/keys.md#supper", "#supper"] {
        assert!(!leads_somewhere(&map, link), "{link} leads somewhere");
    }
    assert_eq!(anchor("## Как всё отключить?"), "как-всё-отключить");
}

#[test]
fn the_map_is_short() -> Result<()> {
    let map = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md"))?;
    assert!(map.lines().count() <= MOST_LINES, "ARCHITECTURE.md has {} lines", map.lines().count());
    Ok(())
}

/// The summary in the threat model counts the rows of the table.
#[test]
fn the_summary_of_the_asvs_counts_its_rows() -> Result<()> {
    const VERDICTS: [&str; 4] = ["met", "in part", "not met", "n/a"];
    let read =
        |name: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name));
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut counted = std::collections::BTreeMap::<u32, [usize; 4]>::new();
    for row in read("asvs.md")?.lines().map(cells) {
        let Some(chapter) = row.get(1).and_then(|number| number.split('.').next()?.parse().ok()) else {
            continue;
        };
        let verdict = row.get(4).context("a row without a verdict")?;
        let verdict = VERDICTS.iter().position(|it| it == verdict).with_context(|| format!("{row:?}"))?;
        counted.entry(chapter).or_default()[verdict] += 1;
    }
    let mut told = std::collections::BTreeMap::<u32, [usize; 4]>::new();
    for row in read("threat-model.md")?.lines().map(cells) {
        let chapter = row.get(1).and_then(|name| name.strip_prefix('V')?.split(' ').next()?.parse().ok());
        let (Some(chapter), [_, _, counts @ .., _]) = (chapter, row.as_slice()) else { continue };
        let counts: Vec<usize> = counts.iter().map(|count| count.parse()).collect::<Result<_, _>>()?;
        told.insert(chapter, counts.try_into().map_err(|_| anyhow::anyhow!("{row:?} has four counts"))?);
    }
    assert_eq!(told, counted);
    assert_eq!(counted.values().flatten().sum::<usize>(), 253);
    Ok(())
}
