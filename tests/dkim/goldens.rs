//! Messages as they come, and the fields that are put on top of them: each `.eml` under golden/dkim has its `.want`.
//! `GATEPOST_BLESS=1` writes those anew.

use super::{golden, keys, signed};
use crate::verifier::Verifier;

fn messages() -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(golden("")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "eml")).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn signatures_look_as_they_should_and_are_good() {
    let keys = keys();
    let verifier = Verifier::new(keys.iter().map(|key| &**key));
    let mut wrong = Vec::new();
    let messages = messages();
    assert!(messages.len() >= 10, "{} messages", messages.len());
    for (path, message) in messages {
        let whole = signed(&message, &keys);
        let fields = &whole[..whole.len() - message.len()];
        let want = path.with_extension("want");
        if std::env::var_os("GATEPOST_BLESS").is_some() {
            std::fs::write(&want, fields).unwrap();
        } else if std::fs::read(&want).unwrap_or_default() != fields {
            wrong.push(format!("{}:\n{}", want.display(), String::from_utf8_lossy(fields)));
        }
        let mut judged = verifier.judge(&whole);
        judged.truncate(2);
        assert_eq!(judged, [Ok(()), Ok(())], "{}", path.display());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// RFC 5322 2.1.1, RFC 6376 3.5: short lines, `b=` last, no `l=`, no white space inside a name.
#[test]
fn fields_give_nobody_a_reason_to_fold_them_anew() {
    for (path, message) in messages() {
        let whole = signed(&message, &keys());
        let fields = String::from_utf8(whole[..whole.len() - message.len()].to_vec()).unwrap();
        assert!(fields.lines().all(|line| line.len() <= 78), "{}: {fields}", path.display());
        for field in fields.split("DKIM-Signature:").skip(1) {
            let tags: Vec<_> = field.split(';').map(|tag| tag.trim().split('=').next().unwrap()).collect();
            assert_eq!(tags, ["v", "a", "c", "d", "s", "t", "x", "h", "bh", "b"], "{field}");
            let names = field.split("h=").nth(1).unwrap().split(';').next().unwrap();
            assert!(names.split(':').all(|name| !name.trim().contains(char::is_whitespace)), "{names}");
        }
    }
}

#[test]
fn a_domain_of_any_length_leaves_the_field_whole() {
    let domain = format!("{}.example", ["a".repeat(60).as_str(); 4].join("."));
    let private = gatepost::proof::PrivateKey::open(&golden("ed25519.pem")).unwrap();
    let key = gatepost::proof::SigningKey::new(domain.parse().unwrap(), "s".parse().unwrap(), private);
    let verifier = Verifier::new([&key]);
    let whole = signed(b"From: a@b.example\r\n\r\n", &[key.into()]);
    let lines: Vec<_> = std::str::from_utf8(&whole).unwrap().lines().filter(|line| line.len() > 78).collect();
    assert_eq!(lines, [format!(" d={domain};")]);
    assert!(verifier.accepts(&whole, 1));
}
