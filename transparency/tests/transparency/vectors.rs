//! Published values: RFC 6962's tree of Certificate Transparency's own tests, and the examples of C2SP.

use transparency::merkle::{empty_root, leaf_hash, root};
use transparency::note::{Checkpoint, Note, NoteKey, NoteSignature};
use transparency::tiles::{Edge, TilePath};

/// The leaves of the reference tests of Certificate Transparency, in hex.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
/// The roots over the first of them, then two, and so on.
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

#[test]
fn the_roots_of_rfc_6962_come_out() {
    assert_eq!(hex::encode(empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let leaves = LEAVES.map(|leaf| leaf_hash(&hex::decode(leaf).unwrap()));
    let mut edge = Edge::default();
    for (count, expected) in (1..).zip(ROOTS) {
        edge.push(leaves[count - 1], &mut Vec::new());
        assert_eq!(hex::encode(root(&leaves[..count])), expected);
        assert_eq!(hex::encode(edge.root()), expected);
    }
}

#[test]
fn the_signed_note_of_c2sp_is_verified_and_a_changed_one_is_not() {
    let key =
        NoteKey::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").unwrap();
    let text = "This is an example message.\n\n\u{2014} example.com/foo \
                Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let note = Note::parse(text).unwrap();
    assert!(note.is_signed_by(&key));
    assert_eq!(note.to_string(), text);
    assert_eq!(key.to_string(), "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
    let changed = Note::parse(&text.replace("an example", "another")).unwrap();
    assert!(!changed.is_signed_by(&key));
    for no_note in ["", "text\n", "text\n\n", "text\n\nx\n", &text.replace("example m", "example\tm")] {
        assert!(Note::parse(no_note).is_none(), "{no_note:?}");
    }
}

#[test]
fn a_checkpoint_has_the_three_lines_of_c2sp() {
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let checkpoint = Checkpoint::parse(text).unwrap();
    assert_eq!(checkpoint.text(), text);
    assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
    assert!(Checkpoint::parse(&format!("{text}an extension\n")).is_some());
    for malformed in [
        "example.com\n02\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "example.com\n+2\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "example.com\n2\nCsUYapGGPo4d\n",
        "\n2\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "example.com\n2\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n",
    ] {
        assert!(Checkpoint::parse(malformed).is_none(), "{malformed:?}");
    }
}

#[test]
fn a_witness_signs_the_message_of_c2sp() {
    let seed = [7; 32];
    let key = ed25519_dalek::SigningKey::from_bytes(&seed);
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let signature = NoteSignature::cosign(text, "witness.example.com/w1", &key, 1_679_315_147);
    let message = format!("cosignature/v1\ntime 1679315147\n{text}");
    let raw = ed25519_dalek::Signature::from_slice(&signature.blob[12..]).unwrap();
    assert!(key.verifying_key().verify_strict(message.as_bytes(), &raw).is_ok());
    assert_eq!(signature.blob[4..12], 1_679_315_147_u64.to_be_bytes());
    let note = Note { text: text.to_owned(), signatures: vec![signature] };
    assert!(note.is_signed_by(&NoteKey::of_witness("witness.example.com/w1", key.verifying_key())));
    assert!(!note.is_signed_by(&NoteKey::of_witness("witness.example.com/w2", key.verifying_key())));
    assert!(!note.is_signed_by(&NoteKey::of_log("witness.example.com/w1", key.verifying_key())));
}

#[test]
fn the_path_of_a_tile_is_that_of_c2sp_and_each_tile_has_one() {
    for (path, level, index, width) in [
        ("0/x001/x234/067", Some(0), 1_234_067, 256),
        ("0/000", Some(0), 0, 256),
        ("63/999.p/255", Some(63), 999, 255),
        ("entries/x001/000.p/1", None, 1000, 1),
    ] {
        let tile = TilePath { level, index, width };
        assert_eq!(TilePath::parse(path), Some(tile));
        assert_eq!(tile.to_string(), path);
    }
    for bad in [
        "",
        "0",
        "0/",
        "0/1",
        "0/0001",
        "00/000",
        "64/000",
        "0/x000/001",
        "0/001/002",
        "0/x01/002",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "0/+01",
        "data/000",
        "0/000/",
        "0/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert_eq!(TilePath::parse(bad), None, "{bad}");
    }
}
