//! The proof of one event.

use transparency::note::Note;
use transparency::proof::Proof;

use crate::files::{Files, line, text};

fn proof(files: &Files, position: usize, size: usize, carries: bool) -> Proof {
    Proof {
        extra: carries.then(|| files.lines[position - 1].clone().into_bytes()),
        index: position as u64 - 1,
        hashes: files.inclusion(position, size),
        checkpoint: Note::parse(&files.note(size)).expect("a note"),
    }
}

#[test]
fn a_proof_holds_for_its_event_and_for_no_other() {
    let files = Files::of(300);
    for (position, size) in [(1, 1), (1, 2), (17, 300), (256, 256), (257, 300), (300, 300)] {
        let genuine = proof(&files, position, size, true);
        assert_eq!(Proof::parse(&genuine.to_string()), Some(genuine.clone()));
        let path = files.write("event.tlog-proof", &genuine.to_string());
        let said = files.verify(&["proof", text(&path)]);
        assert_eq!(said.code, 0, "{}", said.text);
        assert!(said.text.contains(&files.lines[position - 1]), "{}", said.text);

        let bare = files.write("bare.tlog-proof", &proof(&files, position, size, false).to_string());
        assert_eq!(files.verify(&["proof", text(&bare)]).code, 2);
        let own = files.write("line", &format!("{}\n", files.lines[position - 1]));
        assert_eq!(files.verify(&["proof", text(&bare), "--line", text(&own)]).code, 0);
        let other = files.write("line", &line(position as u64, 8_888));
        let said = files.verify(&["proof", text(&bare), "--line", text(&other)]);
        assert_eq!(said.code, 1);
        assert!(said.text.starts_with(&format!("does not hold: position {position}: ")), "{}", said.text);
        if size > 1 {
            let moved = Proof { index: (genuine.index + 1) % size as u64, ..genuine.clone() };
            let path = files.write("moved.tlog-proof", &moved.to_string());
            assert_eq!(files.verify(&["proof", text(&path)]).code, 1);
            let mut short = genuine;
            short.hashes.pop();
            let path = files.write("short.tlog-proof", &short.to_string());
            assert_eq!(files.verify(&["proof", text(&path)]).code, 1);
        }
    }
}

#[test]
fn what_is_no_proof_is_not_taken_for_one() {
    let files = Files::of(2);
    let genuine = proof(&files, 1, 2, true).to_string();
    for broken in
        ["", "\n\n", &genuine.replace("@v1", "@v2"), &genuine.replace("index 0", "index 00"), &genuine[..90]]
    {
        let path = files.write("broken", broken);
        assert_eq!(files.verify(&["proof", text(&path)]).code, 2, "{broken}");
    }
}
