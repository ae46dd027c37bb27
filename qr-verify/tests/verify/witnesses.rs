//! Checkpoints that witnesses have signed too, and a file of keys that says how many of them must have.

use ed25519_dalek::SigningKey;
use transparency::note::{Note, NoteKey, NoteSignature};

use crate::files::{Files, text, verify_with};

struct Witness {
    name: &'static str,
    key: SigningKey,
}

impl Witness {
    fn new(name: &'static str, seed: u8) -> Self {
        Self { name, key: SigningKey::from_bytes(&[seed; 32]) }
    }

    fn vkey(&self) -> String {
        NoteKey::of_witness(self.name, self.key.verifying_key()).to_string()
    }

    fn sign(&self, note: &mut Note, time: u64) {
        note.signatures.push(NoteSignature::cosign(&note.text, self.name, &self.key, time));
    }
}

#[test]
fn so_many_witnesses_must_have_signed_as_the_file_of_keys_says() {
    let files = Files::of(20);
    let export = files.export(&files.lines);
    let witnesses =
        [Witness::new("a.example", 1), Witness::new("b.example/w", 2), Witness::new("c.example", 3)];
    let keys = |policy: &str| {
        let [a, b, c] = witnesses.each_ref().map(Witness::vkey);
        files.write("keys", &format!("{}\n{policy}\n{a}\n{b}\n{c}\n", files.vkey()))
    };
    // How many sign; how many must; whether it holds. A stranger signs as well.
    for (sign, policy, holds) in [
        (0, "", true),
        (2, "", true),
        (0, "1 of", false),
        (1, "1 of", true),
        (2, "2", true),
        (2, "3 of", false),
        (3, "3 of", true),
    ] {
        let mut note = Note::parse(&files.note(20)).unwrap();
        Witness::new("stranger.example", 9).sign(&mut note, 1_700_000_000);
        witnesses[..sign].iter().for_each(|witness| witness.sign(&mut note, 1_700_000_000));
        let checkpoint = files.write("checkpoint", &note.to_string());
        let keys = keys(policy);
        let said = verify_with(text(&keys), &["export", text(&export), "--checkpoint", text(&checkpoint)]);
        assert_eq!(said.code, i32::from(!holds), "{sign} sign, {policy}: {}", said.text);
        assert_eq!(said.text.contains("seen by a.example"), holds && sign > 0, "{}", said.text);
        let told = format!("signed by {sign} of the {} witnesses", policy.trim_end_matches(" of"));
        assert_eq!(said.text.contains(&told), !holds, "{}", said.text);
    }
}

#[test]
fn a_witness_counts_once_and_a_signature_of_another_time_spoils_the_note() {
    let files = Files::of(5);
    let export = files.export(&files.lines);
    let (one, two) = (Witness::new("a.example", 1), Witness::new("b.example", 2));
    let keys = files.write("keys", &format!("{} 2 of {} {}", files.vkey(), one.vkey(), two.vkey()));
    let mut twice = Note::parse(&files.note(5)).unwrap();
    one.sign(&mut twice, 1_700_000_000);
    one.sign(&mut twice, 1_700_000_001);
    let mut changed = twice.clone();
    two.sign(&mut changed, 1_700_000_002);
    changed.signatures.last_mut().unwrap().blob[11] ^= 1;
    for (note, told) in [
        (twice, "signed by 1 of the 2 witnesses"),
        (changed, "the signature of b.example is not one of this checkpoint"),
    ] {
        let checkpoint = files.write("checkpoint", &note.to_string());
        let said = verify_with(text(&keys), &["export", text(&export), "--checkpoint", text(&checkpoint)]);
        assert_eq!(said.code, 1, "{}", said.text);
        assert!(said.text.contains(told), "{}", said.text);
    }
}
