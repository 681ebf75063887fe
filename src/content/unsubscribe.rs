//! The end of a stream of mail, as its recipient asks for it: the fields that offer it to mail programs, and what
//! they, or the button of our page, send back.

/// The fields that offer it with one click. Both have to be signed, or programs do not believe them (RFC 8058 4).
pub fn fields(url: &str) -> String {
    // RFC 2369 3.2 and RFC 8058 3.1: an https URL in angle brackets, and the field that says a POST is enough.
    format!("List-Unsubscribe: <{url}>\r\nList-Unsubscribe-Post: {FIELD}={STOP}\r\n")
}

/// What a POST asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// No more of this stream.
    Stop,
    /// It was a mistake.
    Resume,
}

const FIELD: &str = "List-Unsubscribe";
const STOP: &str = "One-Click";
const RESUME: &str = "Undo";

/// The name and value of the field that a form of ours sends for this.
pub fn form_field(asked: Asked) -> (&'static str, &'static str) {
    match asked {
        Asked::Stop => (FIELD, STOP),
        Asked::Resume => (FIELD, RESUME),
    }
}

/// Reads the body of a POST. RFC 8058 3.2: it is a form of either kind; what else stands in it is not ours.
pub fn asked(content_type: &str, body: &[u8]) -> Option<Asked> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let value = if kind.eq_ignore_ascii_case("multipart/form-data") {
        of_multipart(body, boundary(content_type)?)?
    } else if kind.is_empty() || kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        of_form(body)?
    } else {
        return None;
    };
    let is = |word: &str| value.trim_ascii().eq_ignore_ascii_case(word.as_bytes());
    if is(STOP) {
        Some(Asked::Stop)
    } else if is(RESUME) {
        Some(Asked::Resume)
    } else {
        None
    }
}

fn of_form(body: &[u8]) -> Option<Vec<u8>> {
    body.split(|b| *b == b'&').find_map(|pair| {
        let at = pair.iter().position(|b| *b == b'=')?;
        let name = decoded(&pair[..at]);
        name.trim_ascii().eq_ignore_ascii_case(FIELD.as_bytes()).then(|| decoded(&pair[at + 1..]))
    })
}

/// `%XX` and `+`, as forms are written. What is no such escape stays as it is.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(byte) = text.get(at) {
        let escape = text.get(at + 1).and_then(digit).zip(text.get(at + 2).and_then(digit));
        match (byte, escape) {
            (b'%', Some((high, low))) => {
                out.push((high << 4 | low) as u8);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(*byte),
        }
        at += 1;
    }
    out
}

/// RFC 2046 5.1.1: 1 to 70 characters, quoted or not.
fn boundary(content_type: &str) -> Option<&str> {
    let value = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim())
    })?;
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    (1..=70).contains(&value.len()).then_some(value)
}

/// The value of our field among the parts (RFC 7578 4.2).
fn of_multipart(body: &[u8], boundary: &str) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(body);
    let delimiter = format!("--{boundary}");
    text.split(delimiter.as_str()).skip(1).find_map(|part| {
        let part = part.trim_start_matches(['\r', '\n', ' ', '\t']);
        let (head, value) = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n"))?;
        let is_ours = head.lines().any(|line| {
            let lower = line.to_ascii_lowercase();
            lower.starts_with("content-disposition:")
                && lower.split(';').any(|parameter| {
                    let name = parameter.trim().strip_prefix("name=").map(|name| name.trim_matches('"'));
                    name.is_some_and(|name| name.eq_ignore_ascii_case(FIELD))
                })
        });
        is_ours.then(|| value.as_bytes().to_vec())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn the_fields_are_those_of_one_click() {
        assert_eq!(
            fields("https://t.example.com/t/abc"),
            "List-Unsubscribe: <https://t.example.com/t/abc>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        );
    }

    #[test]
    fn one_click_comes_in_both_kinds_of_form() {
        for body in [
            "List-Unsubscribe=One-Click",
            "list-unsubscribe=one-click",
            "a=b&List-Unsubscribe=One-Click",
            "List%2DUnsubscribe=One%2dClick&x",
            "List-Unsubscribe=One-Click\r\n",
        ] {
            assert_eq!(asked(FORM, body.as_bytes()), Some(Asked::Stop), "{body}");
            assert_eq!(asked("", body.as_bytes()), Some(Asked::Stop), "{body}");
        }
        // As RFC 8058 8 shows it.
        let body = "--UniqueBoundary\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n\
                    --UniqueBoundary--\r\n";
        assert_eq!(asked("multipart/form-data; boundary=UniqueBoundary", body.as_bytes()), Some(Asked::Stop));
        assert_eq!(asked("Multipart/Form-Data; Boundary=\"UniqueBoundary\"", body.as_bytes()), Some(Asked::Stop));
        let (name, value) = form_field(Asked::Resume);
        assert_eq!(asked(FORM, format!("{name}={value}").as_bytes()), Some(Asked::Resume));
    }

    #[test]
    fn anything_else_asks_for_nothing() {
        for (kind, body) in [
            (FORM, ""),
            (FORM, "List-Unsubscribe"),
            (FORM, "List-Unsubscribe=No"),
            (FORM, "Unsubscribe=One-Click"),
            (FORM, "=One-Click"),
            ("application/json", "{\"List-Unsubscribe\":\"One-Click\"}"),
            ("text/plain", "List-Unsubscribe=One-Click"),
            ("multipart/form-data", "List-Unsubscribe=One-Click"),
            ("multipart/form-data; boundary=x", "--x\r\n\r\nOne-Click\r\n--x--"),
            ("multipart/form-data; boundary=", "----"),
        ] {
            assert_eq!(asked(kind, body.as_bytes()), None, "{kind}: {body}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_panic(kind in ".{0,80}", body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = asked(&kind, &body);
            let _ = asked(FORM, &body);
            let _ = asked("multipart/form-data; boundary=x", &body);
        }
    }
}
