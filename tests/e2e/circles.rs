//! No file imports one that imports it, directly or over others. The language tables alone may: a table names the shapes of
//! `chat.rs` or `page.rs`, which names the tables.
//!
//! Imports are read as text: every path in a file is followed to the file that defines the name, through `use` and `pub use`.
//! Paths into other crates are left out, since Cargo allows no circle there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The folders of the product's crates.
const CRATES: [&str; 22] = [
    "domain/src",
    "terminal/src",
    "private-postgres/src",
    "eventlog/src",
    "vault/src",
    "messages/src",
    "transparency/src",
    "qr-verify/src",
    "projections/src",
    "rebuild/src",
    "webhooks/src",
    "app/src",
    "login-worker/src",
    "texts/src",
    "import/src",
    "bot/src",
    "web/src",
    "admin-api/src",
    "service-api/src",
    "api/src",
    "replay/src",
    "src",
];
/// A circle of these alone is none.
const LANGUAGE_TABLES: &str = "texts/src";

#[test]
fn no_file_takes_part_in_a_circle_of_imports() -> Result<()> {
    let mut circles = Vec::new();
    for folder in CRATES {
        let files = Crate::read(folder)?;
        circles.extend(
            files.circles().into_iter().filter(|circle| {
                circle.iter().any(|file| !file.to_string_lossy().starts_with(LANGUAGE_TABLES))
            }),
        );
    }
    assert!(circles.is_empty(), "files that import each other: {circles:#?}");
    Ok(())
}

#[test]
fn a_circle_is_found_over_reexports_and_children() {
    let files = Crate::of([
        ("lib", "mod a; mod b; pub use b::B;"),
        ("a", "use crate::B; pub struct A(B); mod leaf;"),
        ("a::leaf", "use super::A; pub fn leaf() { crate::b::make(); }"),
        ("b", "use crate::a::leaf::{leaf as grown, self}; pub struct B; pub fn make() { grown() }"),
    ]);
    let circle = ["a", "a::leaf", "b"].map(PathBuf::from);
    assert_eq!(files.circles(), [BTreeSet::from(circle)]);
}

/// The files of one crate by their module's path; `lib` is its root.
struct Crate {
    files: BTreeMap<String, File>,
}

struct File {
    path: PathBuf,
    defined: BTreeSet<String>,
    /// Names that this file imports or passes on, with their paths.
    imported: BTreeMap<String, String>,
    /// Every path in it.
    paths: BTreeSet<String>,
}

impl Crate {
    fn read(folder: &str) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = BTreeMap::new();
        let mut folders = vec![root.join(folder)];
        while let Some(current) = folders.pop() {
            for entry in std::fs::read_dir(&current).with_context(|| current.display().to_string())? {
                let path = entry?.path();
                let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
                if path.is_dir() && !is_test {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
                    let module = path.strip_prefix(root.join(folder))?.with_extension("");
                    let names: Vec<_> = module.iter().map(|name| name.to_string_lossy()).collect();
                    let name = names.join("::").replace("main", "lib");
                    let text = std::fs::read_to_string(&path)?;
                    files.insert(name, File::parse(path.strip_prefix(root)?, &text));
                }
            }
        }
        Ok(Self { files })
    }

    fn of<const N: usize>(files: [(&str, &str); N]) -> Self {
        let files = files.map(|(name, text)| (name.to_owned(), File::parse(Path::new(name), text)));
        Self { files: files.into() }
    }

    /// Files that reach each other.
    fn circles(&self) -> Vec<BTreeSet<PathBuf>> {
        let edges: BTreeMap<&str, BTreeSet<&str>> =
            self.files.keys().map(|name| (name.as_str(), self.imports(name))).collect();
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            edges.keys().map(|name| (*name, reachable(&edges, name))).collect();
        let mut circles: Vec<BTreeSet<PathBuf>> = Vec::new();
        for (name, reaches) in &reached {
            let circle: BTreeSet<PathBuf> = reaches
                .iter()
                .filter(|other| reached[*other].contains(name))
                .map(|other| self.files[*other].path.clone())
                .collect();
            if !circle.is_empty() && !circles.contains(&circle) {
                circles.push(circle);
            }
        }
        circles
    }

    fn imports(&self, from: &str) -> BTreeSet<&str> {
        let found = self.files[from].paths.iter().filter_map(|path| self.resolve(from, path, 0));
        found.filter(|target| *target != from).collect()
    }

    /// The file that defines what a path in this file names.
    fn resolve(&self, from: &str, path: &str, depth: usize) -> Option<&str> {
        let (first, mut rest) = path.split_once("::").unwrap_or((path, ""));
        let mut module = match first {
            "crate" => "lib".to_owned(),
            "self" => from.to_owned(),
            "super" => parent(from),
            child => self.child(from, child)?,
        };
        loop {
            let (next, after) = rest.split_once("::").unwrap_or((rest, ""));
            module = match next {
                "" => break,
                "super" => parent(&module),
                "self" => module,
                name => match self.child(&module, name) {
                    Some(child) => child,
                    None => break,
                },
            };
            rest = after;
        }
        let (name, after) = rest.split_once("::").unwrap_or((rest, ""));
        let (module, file) = self.files.get_key_value(&module)?;
        match file.imported.get(name) {
            Some(import) if !file.defined.contains(name) && depth < 8 => {
                let whole = if after.is_empty() { import.clone() } else { format!("{import}::{after}") };
                // What another crate defines is no import of this file.
                self.resolve(module, &whole, depth + 1)
            }
            _ => Some(module),
        }
    }

    fn child(&self, module: &str, name: &str) -> Option<String> {
        let child = if module == "lib" { name.to_owned() } else { format!("{module}::{name}") };
        self.files.contains_key(&child).then_some(child)
    }
}

fn parent(module: &str) -> String {
    module.rsplit_once("::").map_or("lib", |(parent, _)| parent).to_owned()
}

fn reachable<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut left: Vec<&str> = edges[from].iter().copied().collect();
    while let Some(next) = left.pop() {
        if reached.insert(next) {
            left.extend(&edges[next]);
        }
    }
    reached
}

impl File {
    fn parse(path: &Path, text: &str) -> Self {
        let text = code(text);
        let mut file = Self {
            path: path.to_owned(),
            defined: BTreeSet::new(),
            imported: BTreeMap::new(),
            paths: BTreeSet::new(),
        };
        let mut rest = text.as_str();
        let mut body = String::new();
        while let Some((before, after)) = rest.split_once("use ") {
            body += before;
            if !before.is_empty() && !before.ends_with([' ', '\n', ';', '}', ')']) {
                rest = after;
                continue;
            }
            let (tree, after) = after.split_once(';').unwrap_or((after, ""));
            file.import("", tree);
            rest = after;
        }
        body += rest;
        let words: Vec<&str> = body.split_whitespace().collect();
        for pair in words.windows(2) {
            if ["fn", "struct", "enum", "trait", "type", "const", "static", "union"].contains(&pair[0]) {
                let name: String = pair[1].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                file.defined.insert(name);
            }
        }
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let paths = body.split(|c: char| !is_path(c)).filter(|path| path.contains("::"));
        file.paths.extend(paths.map(|path| path.trim_matches(':').to_owned()));
        file
    }

    /// Takes in a `use` tree such as `a::{b, c as d}`.
    fn import(&mut self, prefix: &str, tree: &str) {
        let tree = tree.trim();
        let joined =
            |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
        if let Some((head, inner)) = tree.split_once('{') {
            let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
            let head = head.trim().trim_end_matches("::");
            let prefix = if head.is_empty() { prefix.to_owned() } else { joined(head) };
            let mut depth = 0;
            let parts = inner.split(|c| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                c == ',' && depth == 0
            });
            parts.filter(|part| !part.trim().is_empty()).for_each(|part| self.import(&prefix, part));
            return;
        }
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let path = joined(path.trim()).trim_end_matches("::self").to_owned();
        let last = path.rsplit("::").next().unwrap_or_default().to_owned();
        let name = if name.is_empty() { last } else { name.trim().to_owned() };
        self.imported.insert(name, path.clone());
        self.paths.insert(path);
    }
}

/// The text without comments, strings and tests.
fn code(text: &str) -> String {
    let text = text.replace("#[cfg(test)]\npub mod tests {", "#[cfg(test)]\nmod tests {");
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    // A visibility is no import.
    let text = text.replace("pub(in crate::", "pub(in ");
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let mut code = lines.collect::<Vec<_>>().join("\n");
    while let Some(at) = code.find("#[cfg(test)]\nmod ") {
        let end = code[at..].find(';').map_or(code.len(), |end| at + end + 1);
        code.replace_range(at..end, "");
    }
    code.split('"').step_by(2).collect::<Vec<_>>().join(" ")
}
