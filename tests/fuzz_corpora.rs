//! What fuzzers found interesting, and what people wrote down for them to begin with, again in each run.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 4] =
    [("command", targets::command), ("data", targets::data), ("line", targets::line), ("proxy", targets::proxy)];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_target_holds_on_its_corpus() {
    for (name, target) in TARGETS {
        let mut seeds = 0;
        for entry in std::fs::read_dir(fuzz().join("corpus").join(name)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            // In each beginning of it too: that is how it arrives.
            for end in 0..=bytes.len() {
                let held = std::panic::catch_unwind(|| target(&bytes[..end]));
                assert!(held.is_ok(), "{name} does not hold on the first {end} bytes of {}", path.display());
            }
            seeds += 1;
        }
        assert!(seeds >= 10, "{name} has {seeds} seeds");
    }
}

#[test]
fn every_target_has_its_corpus_and_its_program() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names_in(&fuzz().join("corpus")), targets);
    assert_eq!(names_in(&fuzz().join("fuzz_targets")), targets);
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &targets {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}
