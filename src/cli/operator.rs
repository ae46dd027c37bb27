//! Who runs a command: the user of the system, as the events name them.

use std::fs;
use std::process::Command;

use eventlog::store::Context;

/// The name of the command line in the events.
const TOOL: &str = "cli";
/// No system allows longer names.
const LONGEST_NAME: usize = 64;

/// Who caused it, in the events: `tool:cli:ilya`, or `tool:cli:root:ilya` where ilya ran it by sudo.
pub fn context() -> Context {
    Context::command(TOOL, run_by())
}

/// What is taken over from another system: `import`, which names the user beside it.
pub fn import_context() -> Context {
    Context::import(run_by())
}

fn run_by() -> String {
    let uid = rustix::process::getuid();
    let by_sudo = std::env::var("SUDO_USER").ok().filter(|_| uid.is_root());
    operator(&name_of(uid.as_raw()), by_sudo.as_deref())
}

/// Only root is believed what it says about sudo: anybody can set the variable.
fn operator(name: &str, by_sudo: Option<&str>) -> String {
    match by_sudo {
        Some(other) if other != name => format!("{}:{}", plain(name), plain(other)),
        _ => plain(name),
    }
}

/// By `/etc/passwd`, then by what else the system asks; `uid-10001` for a user without a name.
fn name_of(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = name_in(&passwd, uid).or_else(|| {
        let asked = Command::new("getent").args(["passwd", &uid.to_string()]).output().ok()?;
        name_in(&String::from_utf8_lossy(&asked.stdout), uid)
    });
    found.unwrap_or_else(|| format!("uid-{uid}"))
}

fn name_in(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// A name that stands in an actor as it is; anything unusual in it is an underscore.
fn plain(name: &str) -> String {
    let usual = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-' | '@');
    name.chars().take(LONGEST_NAME).map(|letter| if usual(letter) { letter } else { '_' }).collect()
}

#[cfg(test)]
mod tests;
