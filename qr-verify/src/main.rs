//! `qr-verify`: checks an export or a proof of qr-login against a signed checkpoint, with neither network nor database. It says what
//! holds, what does not, and at which position. It shares no code with the service that it checks.
//!
//! Exit code 0: all of it holds; 1: something does not; 2: the command line is wrong, or a file cannot be read.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;

mod export;
mod failure;
mod note;
mod person;
mod tree;

use failure::Failure;

const USAGE: &str = "usage: qr-verify KEY export EXPORT --checkpoint FILE [--checkpoint FILE]… [--tiles FOLDER]
       qr-verify KEY proof PROOF [--line FILE]
       qr-verify KEY person PROOF
KEY: NAME+ID+KEY (C2SP signed-note), or a file with such keys of the log and of witnesses, and N of, a line each: so many of the
witnesses must have signed. EXPORT and PROOF may be -";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (code, lines) = match run(&arguments) {
        Ok(holds) => (0, vec![format!("holds: {holds}")]),
        Err(Failure(code, lines)) => (code, lines),
    };
    lines.iter().for_each(|line| if code == 2 { eprintln!("qr-verify: {line}") } else { println!("{line}") });
    ExitCode::from(code)
}

fn run(arguments: &[String]) -> Result<String, Failure> {
    let [key, what, file, options @ ..] = arguments else { return Err(Failure::unusable(USAGE)) };
    let file = if file == "-" { "/dev/stdin" } else { file };
    let key = if key.contains('+') { key.clone() } else { text(key)? };
    let keys =
        note::Keys::parse(&key).ok_or_else(|| Failure::unusable("KEY is no verifier key (NAME+ID+KEY)"))?;
    let (mut checkpoints, mut tiles, mut line) = (Vec::new(), None, None);
    for option in options.chunks(2) {
        match (what.as_str(), option) {
            ("export", [name, value]) if name == "--checkpoint" => {
                let signed = note::signed_checkpoint(&text(value)?, &keys);
                checkpoints.push(signed.map_err(|why| format!("{value}: {why}"))?);
            }
            ("export", [name, value]) if name == "--tiles" => tiles = Some(Path::new(value)),
            ("proof", [name, value]) if name == "--line" => line = Some(text(value)?),
            _ => return Err(Failure::unusable(USAGE)),
        }
    }
    match what.as_str() {
        "export" if !checkpoints.is_empty() => {
            let export = File::open(file).map_err(|error| Failure::unusable(format!("{file}: {error}")))?;
            export::verify(BufReader::with_capacity(1 << 20, export), &checkpoints, tiles)
        }
        "proof" => person::verify_proof(&text(file)?, line.as_deref(), &keys),
        "person" => person::verify(&text(file)?, &keys),
        _ => Err(Failure::unusable(USAGE)),
    }
}

fn text(file: &str) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| Failure::unusable(format!("{file}: {error}")))
}
