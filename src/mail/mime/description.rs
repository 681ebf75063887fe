//! What an entity says about how it is to be shown: its type with all parameters, and its disposition. For those who
//! look into texts; the structure of a message does not depend on it.

use super::Entity;
use super::content_type::Words;
use crate::mail::header::Fields;
use std::ops::Range;

type Parameters = Vec<(Vec<u8>, Option<Vec<u8>>)>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// In small letters, and text/plain where nothing is said (RFC 2045 5.2).
    pub kind: Vec<u8>,
    pub subtype: Vec<u8>,
    parameters: Parameters,
    /// RFC 2183 2: in small letters. Of several the one that is not `inline`.
    pub disposition: Option<Vec<u8>>,
    /// RFC 2183 2.3, RFC 2045: it is meant to be a file.
    pub has_file_name: bool,
    /// RFC 1864: Content-MD5, which holds for its bytes as they are.
    pub has_digest: bool,
}

impl Description {
    /// Of an entity that stands at this place in the message.
    pub fn read(message: &[u8], within: Range<usize>, entity: &Entity) -> Self {
        let mut found = Self { kind: b"text".to_vec(), subtype: b"plain".to_vec(), ..Self::default() };
        let mut is_typed = false;
        for field in Fields::of(&message[within.start..entity.fields_end]) {
            if field.is("content-type") && !is_typed {
                is_typed = true;
                found.read_type(&field.unfolded());
            } else if field.is("content-disposition") {
                found.read_disposition(&field.unfolded());
            } else if field.is("content-md5") {
                found.has_digest = true;
            }
        }
        found
    }

    fn read_type(&mut self, value: &[u8]) {
        let mut words = Words { rest: value };
        let kind = words.token();
        let subtype = if words.take(b'/') { words.token() } else { Vec::new() };
        if !kind.is_empty() {
            (self.kind, self.subtype) = (kind, subtype);
        }
        self.parameters = parameters(&mut words);
        self.has_file_name |= self.parameters.iter().any(|(name, _)| is_or_continues(name, b"name"));
    }

    fn read_disposition(&mut self, value: &[u8]) {
        let mut words = Words { rest: value };
        let said = words.token();
        if self.disposition.as_deref().is_none_or(|before| before == b"inline") {
            self.disposition = Some(said);
        }
        self.has_file_name |= parameters(&mut words).iter().any(|(name, _)| is_or_continues(name, b"filename"));
    }

    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind == kind.as_bytes() && self.subtype == subtype.as_bytes()
    }

    pub fn has(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|(name, _)| name == parameter.as_bytes())
    }

    /// What a parameter says, when it says one thing: once, or the same each time.
    pub fn parameter(&self, name: &str) -> Result<Option<&[u8]>, Ambiguous> {
        let mut values = self.parameters.iter().filter(|(found, _)| is_or_continues(found, name.as_bytes()));
        let Some((found, value)) = values.next() else { return Ok(None) };
        // unmet: RFC 2231 3, 4, a value in pieces or with a charset of its own
        let is_plain = found == name.as_bytes() && value.is_some();
        let is_one = values.all(|(other, again)| other == found && again == value);
        if is_plain && is_one { Ok(value.as_deref()) } else { Err(Ambiguous) }
    }
}

/// A parameter that is said in two ways, or in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// RFC 2231 3: `name`, `name*`, `name*0`.
fn is_or_continues(found: &[u8], name: &[u8]) -> bool {
    found.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest[0] == b'*')
}

fn parameters(words: &mut Words<'_>) -> Parameters {
    // Most have one, or none.
    let mut found = Vec::with_capacity(1);
    while words.skip_to_parameter() {
        let name = words.token();
        if words.take(b'=') {
            found.push((name, words.value()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::Unnamed;
    use super::*;

    fn description(header: &str) -> Description {
        let message = format!("{header}\r\nbody");
        let within = 0..message.len();
        let entity = Entity::read(message.as_bytes(), within.clone(), Unnamed::Text);
        Description::read(message.as_bytes(), within, &entity)
    }

    #[test]
    fn a_part_says_what_it_is() {
        let nothing = description("Subject: x\r\n");
        assert!(nothing.is("text", "plain") && nothing.disposition.is_none() && !nothing.has_file_name);
        let html = description(
            "Content-Type: TEXT/Html (so); Charset=\"UTF-8\";\r\n format=flowed\r\nContent-Disposition: INLINE\r\n",
        );
        assert!(html.is("text", "html") && html.has("format"));
        assert_eq!(html.parameter("charset"), Ok(Some(&b"UTF-8"[..])));
        assert_eq!(html.parameter("delsp"), Ok(None));
        assert_eq!(html.disposition.as_deref(), Some(&b"inline"[..]));
        for header in [
            "Content-Type: text/html; name=a.html\r\n",
            "Content-Type: text/html; name*=utf-8''a.html\r\n",
            "Content-Disposition: inline; filename*0=\"a\"; filename*1=\".html\"\r\n",
        ] {
            assert!(description(header).has_file_name, "{header}");
        }
        let two = description("Content-Disposition: inline\r\nContent-Disposition: attachment\r\nContent-MD5: x\r\n");
        assert_eq!(two.disposition.as_deref(), Some(&b"attachment"[..]));
        assert!(two.has_digest);
    }

    #[test]
    fn a_parameter_in_two_versions_is_none() {
        let charset = |text: &str| {
            description(&format!("Content-Type: text/html; {text}\r\n"))
                .parameter("charset")
                .map(|v| v.map(<[u8]>::to_vec))
        };
        assert_eq!(charset("charset=a; charset=a"), Ok(Some(b"a".to_vec())));
        for text in
            ["charset=a; charset=b", "charset*=utf-8''a", "charset*0=a; charset*1=b", "charset=\"\"", "charset=\"a"]
        {
            assert_eq!(charset(text), Err(Ambiguous), "{text}");
        }
    }
}
