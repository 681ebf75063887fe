//! The addresses of a header field that lists mailboxes: From, Sender (RFC 5322 3.4, RFC 6854 2.1).
//!
//! Read to be judged, so it errs on one side only: an address that some reader could take for the
//! author's is found, or the whole list is refused. Display names are skipped, never believed.

use super::address::Address;
use crate::base::limits;

/// Why a list cannot be judged; reads after "From: ".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAddressList {
    /// Quotes, a comment or brackets without an end, or a control character.
    Broken,
    /// Something stands where an address belongs.
    NoAddress,
    TooMany,
    TooLong,
}

impl std::fmt::Display for BadAddressList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken => f.write_str("a quote, a comment or a bracket has no end, or a control character is in it"),
            Self::NoAddress => f.write_str("it holds something that is no mail address"),
            Self::TooMany => write!(f, "it names more than {} addresses", limits::AUTHORS_MAX),
            Self::TooLong => write!(f, "it has more than {} bytes", limits::ADDRESS_FIELD_BYTES_MAX),
        }
    }
}

impl std::error::Error for BadAddressList {}

/// All addresses of a field's value, folded or not.
pub fn addresses(value: &[u8]) -> Result<Vec<Address>, BadAddressList> {
    if value.len() > limits::ADDRESS_FIELD_BYTES_MAX {
        return Err(BadAddressList::TooLong);
    }
    let mut list = List { tokens: Tokens { value, at: 0 }, found: Vec::new(), words: Vec::new(), in_group: false };
    while let Some(token) = list.tokens.next()? {
        list.take(token)?;
    }
    list.end_of_mailbox()?;
    Ok(list.found)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// An atom, dots included.
    Atom(&'a [u8]),
    /// A quoted string with its quotes.
    Quoted(&'a [u8]),
    /// `[192.0.2.1]`
    Literal,
    /// One of `@ < > , ; :`.
    Sign(u8),
}

struct Tokens<'a> {
    value: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Result<Option<Token<'a>>, BadAddressList> {
        loop {
            let Some(&first) = self.value.get(self.at) else { return Ok(None) };
            match first {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'(' => self.skip_comment()?,
                b'"' => return self.until(b'"').map(|text| Some(Token::Quoted(text))),
                b'[' => return self.until(b']').map(|_| Some(Token::Literal)),
                b'@' | b'<' | b'>' | b',' | b';' | b':' => {
                    self.at += 1;
                    return Ok(Some(Token::Sign(first)));
                }
                b')' | b']' | b'\\' => return Err(BadAddressList::Broken),
                _ => return self.atom().map(|atom| Some(Token::Atom(atom))),
            }
        }
    }

    fn atom(&mut self) -> Result<&'a [u8], BadAddressList> {
        let rest = &self.value[self.at..];
        let ends = |b: &u8| b" \t\r\n()<>[]:;@\\,\"".contains(b);
        let atom = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
        if atom.iter().any(u8::is_ascii_control) {
            return Err(BadAddressList::Broken);
        }
        self.at += atom.len();
        Ok(atom)
    }

    /// RFC 5322 3.2.4: from the sign at hand to the one that ends it, unless a backslash stands before it.
    fn until(&mut self, end: u8) -> Result<&'a [u8], BadAddressList> {
        let from = self.at;
        let mut at = from + 1;
        while let Some(&b) = self.value.get(at) {
            match b {
                b'\\' => at += 1,
                _ if b == end => {
                    self.at = at + 1;
                    return Ok(&self.value[from..self.at]);
                }
                _ if b.is_ascii_control() && !matches!(b, b'\t' | b'\r' | b'\n') => break,
                _ => {}
            }
            at += 1;
        }
        Err(BadAddressList::Broken)
    }

    /// RFC 5322 3.2.2: comments lie in each other; counted, so that depth costs nothing.
    fn skip_comment(&mut self) -> Result<(), BadAddressList> {
        let mut depth = 0_usize;
        while let Some(&b) = self.value.get(self.at) {
            self.at += 1;
            match b {
                b'\\' => self.at += 1,
                b'(' => depth += 1,
                b')' if depth == 1 => return Ok(()),
                b')' => depth -= 1,
                _ => {}
            }
        }
        Err(BadAddressList::Broken)
    }
}

struct List<'a> {
    tokens: Tokens<'a>,
    found: Vec<Address>,
    /// Since the last border: a display name, or an address without brackets.
    words: Vec<Token<'a>>,
    in_group: bool,
}

impl<'a> List<'a> {
    fn take(&mut self, token: Token<'a>) -> Result<(), BadAddressList> {
        match token {
            Token::Sign(b',') => self.end_of_mailbox(),
            Token::Sign(b'<') => self.bracketed(),
            // RFC 6854 2.1: From may name a group.
            Token::Sign(b':') if !self.in_group && !self.words.contains(&Token::Sign(b'@')) => {
                self.in_group = true;
                self.words.clear();
                Ok(())
            }
            Token::Sign(b';') if self.in_group => {
                self.in_group = false;
                self.end_of_mailbox()
            }
            Token::Sign(b'@') | Token::Atom(_) | Token::Quoted(_) | Token::Literal => {
                self.words.push(token);
                Ok(())
            }
            Token::Sign(_) => Err(BadAddressList::NoAddress),
        }
    }

    /// An address without brackets, or nothing (RFC 5322 4.4: commas may stand alone).
    fn end_of_mailbox(&mut self) -> Result<(), BadAddressList> {
        let words = std::mem::take(&mut self.words);
        if words.is_empty() { Ok(()) } else { self.add(&words) }
    }

    fn bracketed(&mut self) -> Result<(), BadAddressList> {
        // `boss@bank.example <me@example.com>` breaks RFC 5322 and is sent every day. Readers disagree on
        // whose mail it is, so both are its authors.
        if self.words.contains(&Token::Sign(b'@')) {
            self.end_of_mailbox()?;
        }
        self.words.clear();
        let mut inside = Vec::new();
        loop {
            match self.tokens.next()? {
                Some(Token::Sign(b'>')) => break,
                // RFC 5322 4.4: a route, `@a,@b:`, stood before the address once. Who follows one is unknown.
                Some(Token::Sign(b'<' | b',' | b';' | b':')) => return Err(BadAddressList::NoAddress),
                Some(token) if inside.len() < 3 => inside.push(token),
                Some(_) => return Err(BadAddressList::NoAddress),
                None => return Err(BadAddressList::Broken),
            }
        }
        self.add(&inside)?;
        match self.tokens.next()? {
            None | Some(Token::Sign(b',')) => Ok(()),
            Some(Token::Sign(b';')) if self.in_group => {
                self.in_group = false;
                Ok(())
            }
            Some(_) => Err(BadAddressList::NoAddress),
        }
    }

    /// RFC 5322 3.4.1: local part, `@`, domain.
    fn add(&mut self, words: &[Token<'_>]) -> Result<(), BadAddressList> {
        let [Token::Atom(local) | Token::Quoted(local), Token::Sign(b'@'), Token::Atom(domain)] = words else {
            return Err(BadAddressList::NoAddress);
        };
        if self.found.len() >= limits::AUTHORS_MAX {
            return Err(BadAddressList::TooMany);
        }
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| BadAddressList::NoAddress);
        let address = format!("{}@{}", text(local)?, text(domain)?);
        self.found.push(address.parse().map_err(|_| BadAddressList::NoAddress)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(value: &str) -> Result<Vec<String>, BadAddressList> {
        addresses(value.as_bytes()).map(|list| list.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn addresses_are_found_in_all_their_dresses() {
        for (value, list) in [
            (" a@b.example", &["a@b.example"][..]),
            ("A B <a@b.example>", &["a@b.example"]),
            ("\"B, A\" <a@B.Example>, c@d.example", &["a@b.example", "c@d.example"]),
            ("=?utf-8?q?J=40?= <a@b.example>", &["a@b.example"]),
            ("J. R. \"x\" B. <a@b.example> (who (knows\\)))", &["a@b.example"]),
            ("a(comment)@(another)b.example", &["a@b.example"]),
            ("\"a @ , b\"@c.example", &["\"a @ , b\"@c.example"]),
            ("team: a@b.example, C <d@e.example>;, f@g.example", &["a@b.example", "d@e.example", "f@g.example"]),
            ("nobody:;", &[]),
            (",, a@b.example,,", &["a@b.example"]),
            ("", &[]),
            ("A\r\n B\r\n <a@b.example>", &["a@b.example"]),
            ("J\u{fc}rgen <j\u{fc}rgen@b\u{fc}cher.example>", &["j\u{fc}rgen@xn--bcher-kva.example"]),
            ("a@b.example <a@b.example>", &["a@b.example", "a@b.example"]),
            ("boss@bank.example <a@b.example>", &["boss@bank.example", "a@b.example"]),
            ("\"boss@bank.example\" <a@b.example>", &["a@b.example"]),
        ] {
            assert_eq!(
                found(value).as_deref(),
                Ok(list.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice())
            );
        }
        // A display name may be in any charset; an address may not.
        assert_eq!(addresses(b"J\xfcrgen <a@b.example>").unwrap().len(), 1);
        assert_eq!(addresses(b"j\xfc@b.example"), Err(BadAddressList::NoAddress));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        use BadAddressList::*;
        for (value, why) in [
            ("a@b.example c@d.example", NoAddress),
            ("<a@b.example> <c@d.example>", NoAddress),
            ("<a@b.example> c", NoAddress),
            ("me a@b.example <c@d.example>", NoAddress),
            ("<@a.example:c@d.example>", NoAddress),
            ("<>", NoAddress),
            ("<a@b.example", Broken),
            ("a@b.example>", NoAddress),
            ("just a name", NoAddress),
            ("a@[192.0.2.1]", NoAddress),
            ("a@b@c.example", NoAddress),
            ("a@b.example; c@d.example", NoAddress),
            ("x: y: a@b.example;;", NoAddress),
            ("a@b.example: c@d.example;", NoAddress),
            ("\"a@b.example", Broken),
            ("(a@b.example", Broken),
            ("a\\@b.example", Broken),
            ("a\0@b.example", Broken),
            ("\"x\0\" <a@b.example>", Broken),
        ] {
            assert_eq!(found(value), Err(why), "{value:?}");
        }
        let many = "a@b.example,".repeat(limits::AUTHORS_MAX);
        assert_eq!(found(&many).unwrap().len(), limits::AUTHORS_MAX);
        assert_eq!(found(&format!("{many}a@b.example")), Err(TooMany));
        assert_eq!(found(&" ".repeat(limits::ADDRESS_FIELD_BYTES_MAX + 1)), Err(TooLong));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(value in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..120),
            "(a|@|b\\.example|<|>|,|;|:|\"|\\\\|\\(|\\)|\\[|\\]| |\r\n ){0,40}".prop_map(String::into_bytes),
        ]) {
            let _ = addresses(&value);
        }

        #[test]
        fn an_address_in_brackets_is_always_found(name in "[ -~]{0,20}", local in "[a-z]{1,8}") {
            if let Ok(list) = addresses(format!("{name} <{local}@x.example>").as_bytes()) {
                let inside_something = name.contains(['"', '(', '[', '\\']);
                let bracketed: Address = format!("{local}@x.example").parse().unwrap();
                prop_assert!(inside_something || list.contains(&bracketed));
            }
        }
    }
}
