//! Lists of tags, `name=value; …`, as DKIM, DMARC and the reports of TLS write them (RFC 6376 3.2, RFC 7489 6.4,
//! RFC 8460 3). Values come without the white space around them.

/// In their order; a name stands there once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tags(Vec<(String, String)>);

impl Tags {
    /// Why not, without a full stop.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut tags: Vec<(String, String)> = Vec::new();
        let mut parts = text.split(';').peekable();
        while let Some(part) = parts.next() {
            let part = part.trim();
            if part.is_empty() {
                // One semicolon may end the list.
                if parts.peek().is_none() {
                    break;
                }
                return Err("there is nothing between two semicolons".to_owned());
            }
            let Some((name, value)) = part.split_once('=') else {
                return Err(format!("\"{}\" is no tag: it has no \"=\"", part.escape_debug()));
            };
            // RFC 6376 3.2: names and values are told apart by the case of their letters.
            let (name, value) = (name.trim_end().to_owned(), value.trim_start());
            if tags.iter().any(|(known, _)| *known == name) {
                return Err(format!("\"{}\" is there twice", name.escape_debug()));
            }
            tags.push((name, value.to_owned()));
        }
        Ok(Self(tags))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The tag that stands first: versions do.
    pub fn first(&self) -> Option<(&str, &str)> {
        self.0.first().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Is this text a list that begins with this version, like `v=DMARC1`? Others at the same name are not meant.
pub(super) fn begins(text: &str, version: &str) -> bool {
    let first = text.split(';').next().unwrap_or_default();
    first.split_once('=').is_some_and(|(name, value)| name.trim() == "v" && value.trim() == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_with_room_around_them() {
        let tags = Tags::parse(" v = DKIM1 ; k=rsa; p=AB CD ;").unwrap();
        assert_eq!(tags.first(), Some(("v", "DKIM1")));
        assert_eq!((tags.get("k"), tags.get("p"), tags.get("t")), (Some("rsa"), Some("AB CD"), None));
        assert_eq!(Tags::parse("p=a=b==").unwrap().get("p"), Some("a=b=="));
        assert_eq!(Tags::parse("").unwrap().first(), None);
    }

    #[test]
    fn what_is_no_list_says_why() {
        assert!(Tags::parse("v=DKIM1; p").unwrap_err().contains("\"p\" is no tag"));
        assert!(Tags::parse("v=DKIM1;; p=a").unwrap_err().contains("between two semicolons"));
        assert!(Tags::parse("p=a; p=b").unwrap_err().contains("there twice"));
    }

    #[test]
    fn only_its_own_version_is_meant() {
        for text in ["v=DMARC1; p=none", "v = DMARC1 ", "v=DMARC1;p=none"] {
            assert!(begins(text, "DMARC1"), "{text}");
        }
        for text in ["v=DMARC12; p=none", "p=none; v=DMARC1", "v=dmarc1", "V=DMARC1", "v=spf1 -all", ""] {
            assert!(!begins(text, "DMARC1"), "{text}");
        }
    }
}
