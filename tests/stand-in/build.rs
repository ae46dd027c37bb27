//! Embeds the sandbox page: every file of `page/` that CONTRACT.md says is served.

use std::fmt::Write;
use std::path::Path;

const SERVED: [&str; 6] = ["html", "css", "js", "svg", "png", "woff2"];

fn main() {
    println!("cargo::rerun-if-changed=page");
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    let mut names: Vec<String> = std::fs::read_dir(Path::new(&root).join("page"))
        .expect("the page lies beside this file")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.rsplit_once('.').is_some_and(|(_, ending)| SERVED.contains(&ending)))
        .collect();
    names.sort();
    let mut code = String::from("&[\n");
    for name in names {
        let path = Path::new(&root).join("page").join(&name);
        let _ = writeln!(code, "    ({name:?}, include_bytes!({path:?})),");
    }
    code.push_str("]\n");
    std::fs::write(Path::new(&out).join("page.rs"), code).expect("cargo made the folder");
}
