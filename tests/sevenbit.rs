//! Messages as they come, and as they go to a host that takes nothing but lines of ASCII: each `.eml` under
//! golden/sevenbit has its `.want`, or the sentence why there is none. `GATEPOST_BLESS=1` writes those anew. What
//! they say is read back by Python's email package, and must be the same on both sides.

use gatepost::mail::encode::seven_bit;
use std::path::PathBuf;
use std::process::Command;

fn goldens() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = crate::source::root().join("tests/golden/sevenbit");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "eml")).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// What becomes of it, or why nothing does.
fn converted(message: &[u8]) -> Vec<u8> {
    seven_bit(message).map_or_else(|why| format!("refused: {why}\n").into_bytes(), |made| made.into_owned())
}

#[test]
fn messages_for_old_hosts_look_as_they_should() {
    let mut wrong = Vec::new();
    let goldens = goldens();
    assert!(goldens.len() >= 12, "{} messages", goldens.len());
    for (path, message) in goldens {
        let (want, made) = (path.with_extension("want"), converted(&message));
        if std::env::var_os("GATEPOST_BLESS").is_some() {
            std::fs::write(&want, &made).unwrap();
        } else if std::fs::read(&want).unwrap_or_default() != made {
            wrong.push(format!("{}:\n{}", want.display(), String::from_utf8_lossy(&made)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn they_are_lines_of_ascii_and_converted_once() {
    for (path, message) in goldens() {
        let Ok(made) = seven_bit(&message) else { continue };
        assert!(made.is_ascii(), "{}", path.display());
        for line in made.split_inclusive(|b| *b == b'\n') {
            let text =
                line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("{}: {}", path.display(), line.escape_ascii()));
            assert!(text.len() <= 998 && !text.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)), "{}", path.display());
        }
        assert_eq!(seven_bit(&made).as_deref(), Ok(&*made), "{}", path.display());
    }
}

#[test]
fn wherever_they_are_cut_there_is_an_answer() {
    for (path, message) in goldens() {
        for end in 0..message.len() {
            if let Ok(made) = seven_bit(&message[..end]) {
                assert_eq!(seven_bit(&made).as_deref(), Ok(&*made), "{} to byte {end}", path.display());
            }
        }
    }
}

/// Every leaf as its reader decodes it, with its type: on both sides the same.
#[test]
fn python_reads_the_same_on_both_sides() {
    let script = crate::source::root().join("tests/sevenbit/leaves.py");
    for (path, message) in goldens() {
        // That reader takes every message/… for parts, also one that RFC 6533 lets be encoded.
        let is_global = memchr::memmem::find(&message, b"message/global").is_some();
        if is_global || seven_bit(&message).is_err() {
            continue;
        }
        let output = Command::new("python3").arg(&script).args([&path, &path.with_extension("want")]).output();
        let output = output.expect("python3 is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", path.display());
    }
}
