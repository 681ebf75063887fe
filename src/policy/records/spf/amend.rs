//! What should stand where a record does not do: everything that works in it, and our own terms first, where they
//! are found before any bound is reached. Two records become one.

use super::record::{Mechanism, Qualifier, directive};

pub fn amended(texts: &[String], ours: &[String]) -> String {
    let (mut terms, mut redirect, mut all) = (ours.to_vec(), None, None);
    for term in texts.iter().flat_map(|text| text.split(' ').skip(1)).filter(|term| !term.is_empty()) {
        match directive(term) {
            // `+all` lets everybody pass.
            Some(found) if found.mechanism == Mechanism::All && found.qualifier == Qualifier::Pass => {}
            Some(found) if found.mechanism == Mechanism::All => all = Some(found.text),
            Some(found) if !terms.iter().any(|known| known.eq_ignore_ascii_case(&found.text)) => terms.push(found.text),
            Some(_) => {}
            None => match term.split_once('=') {
                Some((name, _)) if name.eq_ignore_ascii_case("redirect") => redirect = Some(term.to_owned()),
                // What spoils a record is left out of it, and so is what only receivers would read.
                _ => {}
            },
        }
    }
    // RFC 7208 6.1: beside an `all` nobody looks at a redirect.
    let end = all.or(redirect).unwrap_or_else(|| "~all".to_owned());
    format!("v=spf1 {} {end}", terms.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_come_first_and_what_works_stays() {
        for (texts, want) in [
            (vec!["v=spf1 include:_spf.example -all"], "v=spf1 a:mail.example include:_spf.example -all"),
            (vec!["v=spf1 mx +all"], "v=spf1 a:mail.example mx ~all"),
            (vec!["v=spf1 A:MAIL.example all"], "v=spf1 a:mail.example ~all"),
            (vec!["v=spf1 redirect=r.example"], "v=spf1 a:mail.example redirect=r.example"),
            (
                vec!["v=spf1 mx -all", "v=spf1 include:x.example mx ~all"],
                "v=spf1 a:mail.example mx include:x.example ~all",
            ),
            (vec!["v=spf1 ip4:1.2.3 mx ?all"], "v=spf1 a:mail.example mx ?all"),
            (vec!["v=spf1"], "v=spf1 a:mail.example ~all"),
            (vec!["v=spf1 \u{200b}\u{200b}\u{200b}\u{200b} é=redirect=x"], "v=spf1 a:mail.example ~all"),
        ] {
            let texts: Vec<_> = texts.into_iter().map(str::to_owned).collect();
            assert_eq!(amended(&texts, &["a:mail.example".to_owned()]), want, "{texts:?}");
        }
    }
}
