//! A language and where it is spoken, as far as choosing between texts needs it (RFC 5646 2.1, RFC 4647 3.4).

/// In small letters: `de-at`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locale(String);

impl Locale {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// RFC 4647 3.4: itself, then what is left without its last part, and so on.
    pub fn chain(&self) -> impl Iterator<Item = &str> {
        let mut next = Some(self.0.as_str());
        std::iter::from_fn(move || {
            let this = next?;
            next = this.rsplit_once('-').map(|(shorter, _)| shorter);
            Some(this)
        })
    }
}

impl std::str::FromStr for Locale {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let folded = text.to_ascii_lowercase().replace('_', "-");
        let mut parts = folded.split('-');
        let is_word = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
        let begins = parts.next().is_some_and(|language| {
            (2..=8).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphabetic())
        });
        if begins && folded.len() <= 35 && parts.all(is_word) {
            Ok(Self(folded))
        } else {
            Err("a locale is a language, and a country if need be: \"de\", \"de-AT\"")
        }
    }
}

impl std::fmt::Display for Locale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
