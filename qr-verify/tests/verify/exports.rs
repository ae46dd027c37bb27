//! A whole export. `TAMPER_ROUNDS=1000` for a longer run, `VERIFY_EVENTS=1000000` for a larger export.

use crate::files::{Files, line, text, verify_with};

#[test]
fn a_genuine_export_holds_up_to_its_checkpoint() {
    let files = Files::of(600);
    let export = files.export(&files.lines);
    for size in [1, 255, 256, 257, 600] {
        let checkpoint = files.checkpoint(size);
        let said = files.verify(&["export", text(&export), "--checkpoint", text(&checkpoint)]);
        assert_eq!(said.code, 0, "{}", said.text);
        assert!(
            said.text.starts_with(&format!("holds: positions 1 to {size} are the history")),
            "{}",
            said.text
        );
        let later = format!("{} later ones are not signed yet", 600 - size);
        assert_eq!(said.text.contains(&later), size < 600, "{}", said.text);
    }
}

#[test]
fn a_file_with_keys_may_have_empty_lines() {
    let files = Files::of(3);
    let (export, checkpoint) = (files.export(&files.lines), files.checkpoint(3));
    let key = files.write("log.vkey", &format!("\n{}\n\n", files.vkey()));
    let said = verify_with(text(&key), &["export", text(&export), "--checkpoint", text(&checkpoint)]);
    assert_eq!(said.code, 0, "{}", said.text);
}

#[test]
fn nobody_else_signs_a_checkpoint() {
    let files = Files::of(3);
    let export = files.export(&files.lines);
    let note = files.note(3);
    let mut other = Files::of(3);
    other.key = ed25519_dalek::SigningKey::from_bytes(&[6; 32]);
    for (forged, told) in [
        (other.note(3), "it is not signed by the key of"),
        (note.replace("\n3\n", "\n2\n"), "is not one of this checkpoint"),
        ("no note".to_owned(), "it is no signed note"),
    ] {
        let path = files.write("forged", &forged);
        let said = files.verify(&["export", text(&export), "--checkpoint", text(&path)]);
        assert_eq!(said.code, 1, "{}", said.text);
        assert!(said.text.contains(told), "{}", said.text);
    }
    assert_eq!(files.verify(&["export", text(&export)]).code, 2);
    assert_eq!(files.verify(&["export", "/nowhere", "--checkpoint", text(&export)]).code, 1);
}

#[test]
fn two_histories_of_one_size_are_a_fork() {
    let files = Files::of(9);
    let other = Files::new((1..=9).map(|position| line(position, 100 + position)).collect());
    let (one, two) = (files.checkpoint(9), files.write("other", &other.note(9)));
    let export = files.export(&files.lines);
    let said =
        files.verify(&["export", text(&export), "--checkpoint", text(&one), "--checkpoint", text(&two)]);
    assert_eq!(said.code, 1);
    assert!(
        said.text.contains("fork: ") && said.text.contains("two histories up to position 9"),
        "{}",
        said.text
    );
}

/// What is done to the lines, and the position that is named for it.
fn tampered(kind: usize, lines: &[String], place: usize) -> (Vec<String>, usize) {
    let mut lines = lines.to_vec();
    match kind {
        0 => lines[place - 1] = lines[place - 1].replace("\"system\"", "\"sistem\""),
        1 => drop(lines.remove(place - 1)),
        2 => lines.insert(place - 1, line(place as u64, 7_000_000)),
        3 => {
            let other = place % lines.len() + 1;
            lines.swap(place - 1, other - 1);
            return (lines, place.min(other));
        }
        4 => lines.truncate(place - 1),
        // A history of its own from here on.
        5 => {
            let end = lines.len();
            lines.truncate(place - 1);
            lines.extend((place..=end).map(|position| line(position as u64, 9_000_000)));
        }
        // The last one is left out, and those before are what they were.
        _ => {
            lines.pop();
            return (lines.clone(), lines.len() + 1);
        }
    }
    (lines, place)
}

#[test]
fn every_change_of_an_export_is_found_at_its_position() {
    let rounds: usize = std::env::var("TAMPER_ROUNDS").map_or(3, |rounds| rounds.parse().expect("a number"));
    let files = Files::of(700);
    let (checkpoint, tiles) = (files.checkpoint(700), files.tiles(700));
    for round in 0..rounds {
        for kind in 0..7 {
            let place = 1 + (round * 7_919 + kind * 104_729 + 13) % 700;
            let (lines, expected) = tampered(kind, &files.lines, place);
            let export = files.export(&lines);
            let arguments =
                ["export", text(&export), "--checkpoint", text(&checkpoint), "--tiles", text(&tiles)];
            let said = files.verify_in(round, &arguments);
            assert_eq!(said.code, 1, "{kind} at {place}");
            let first = said.text.lines().next().unwrap_or_default();
            let named = format!("does not hold: position {expected}: ");
            assert!(first.starts_with(&named), "{kind} at {place}, {expected}: {first}");
            let without = files.verify_in(round, &arguments[..4]);
            assert_eq!(without.code, 1, "without tiles: {kind} at {place}");
        }
    }
    let export = files.export(&files.lines);
    let whole = ["export", text(&export), "--checkpoint", text(&checkpoint), "--tiles", text(&tiles)];
    assert_eq!(files.verify(&whole).code, 0, "none is raised falsely");
}

#[test]
fn without_tiles_an_edit_lies_between_two_checkpoints() {
    let mut files = Files::of(30);
    let (first, second) = (files.checkpoint(10), files.checkpoint(30));
    files.lines[14] = files.lines[14].replace("system", "sistem");
    let export = files.export(&files.lines);
    let said =
        files.verify(&["export", text(&export), "--checkpoint", text(&second), "--checkpoint", text(&first)]);
    assert!(said.text.starts_with("does not hold: positions 11 to 30: "), "{}", said.text);
}

#[test]
fn tiles_that_nobody_has_signed_are_not_believed() {
    let files = Files::of(300);
    let (checkpoint, tiles) = (files.checkpoint(300), files.tiles(300));
    std::fs::write(tiles.join("0/000"), [0; 8192]).unwrap();
    let export = files.export(&files.lines);
    let arguments = ["export", text(&export), "--checkpoint", text(&checkpoint), "--tiles", text(&tiles)];
    let said = files.verify_alone(&arguments);
    assert!(
        said.code == 1 && said.text.starts_with("does not hold: the tiles are not all there"),
        "{}",
        said.text
    );
}
