//! Where a route forwards mail to: an address, whose local part may take what the route's pattern found
//! in the recipient. The domain stands as it is written: no sender chooses where our mail goes.

use crate::base::settings::{Scalar, Wrong, quoted};
use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    local: Vec<Piece>,
    domain: DomainName,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `${name}`: a named group of the pattern.
    Group(String),
}

impl Target {
    /// The groups that it takes.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.local.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Group(name) => Some(name.as_str()),
        })
    }

    /// The address for what the groups found; none when that makes no address (too long, an empty part, an
    /// @ of its own).
    pub fn address<'a>(&self, found: impl Fn(&str) -> Option<&'a str>) -> Option<Address> {
        let mut text = String::new();
        for piece in &self.local {
            text.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Group(name) => found(name).unwrap_or_default(),
            });
        }
        text.push('@');
        text.push_str(self.domain.as_str());
        // The last @ is ours, so the domain is too, whatever was found.
        text.parse().ok()
    }
}

/// `a${b}c` in pieces; none when a group has no end, or no name.
fn pieces(local: &str) -> Option<Vec<Piece>> {
    let (mut pieces, mut rest) = (Vec::new(), local);
    while let Some((text, behind)) = rest.split_once("${") {
        let (name, behind) = behind.split_once('}')?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return None;
        }
        pieces.extend((!text.is_empty()).then(|| Piece::Text(text.to_owned())));
        pieces.push(Piece::Group(name.to_owned()));
        rest = behind;
    }
    pieces.extend((!rest.is_empty()).then(|| Piece::Text(rest.to_owned())));
    Some(pieces)
}

impl Scalar for Target {
    const EXPECTS: &'static str = Address::EXPECTS;

    fn parse(text: &str) -> Result<Self, Wrong> {
        if !text.contains("${") {
            let address: Address = text.parse().map_err(Wrong::because)?;
            let local = vec![Piece::Text(address.local().to_owned())];
            return Ok(Self { local, domain: address.domain().clone() });
        }
        let (local, domain) = text.rsplit_once('@').unwrap_or((text, ""));
        if domain.contains('$') {
            return Err(Wrong::because("only the part before the @ takes groups: the domain stands as it is written"));
        }
        let local = pieces(local).ok_or_else(|| Wrong::because("a group is written ${name}"))?;
        let domain = domain.parse().map_err(|why| Wrong::because(format!("after the @: {why}")))?;
        let target = Self { local, domain };
        match target.address(|_| Some("x")) {
            Some(_) => Ok(target),
            None => Err(Wrong::because("this makes no address, whatever its groups find")),
        }
    }

    fn write(&self) -> String {
        let mut text = String::new();
        for piece in &self.local {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Group(name) => text.extend(["${", name, "}"]),
            }
        }
        quoted(&format!("{text}@{}", self.domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn groups_stand_in_the_local_part_only() {
        let target = Target::parse("team-${who}+${tag}@Sub.example.net").unwrap();
        assert_eq!(target.groups().collect::<Vec<_>>(), ["who", "tag"]);
        assert_eq!(target.write(), "\"team-${who}+${tag}@sub.example.net\"");
        let found = |name: &str| if name == "who" { Some("ann") } else { None };
        assert_eq!(target.address(found).unwrap().to_string(), "team-ann+@sub.example.net");
        assert_eq!(Target::parse("a@b.example").unwrap().address(|_| None).unwrap().to_string(), "a@b.example");
        for (wrong, why) in [
            ("a@${domain}", "only the part before"),
            ("${who}@x.${domain}", "only the part before"),
            ("${who", "a group is written"),
            ("${}@b.example", "a group is written"),
            ("${a b}@b.example", "a group is written"),
            ("${who}", "after the @"),
            ("${who}..x@b.example", "makes no address"),
            ("nobody", "local-part@domain"),
        ] {
            let wrong = Target::parse(wrong).unwrap_err();
            assert!(wrong.why.as_ref().unwrap().contains(why), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn no_recipient_chooses_the_domain(found in prop_oneof![any::<String>(), "[a@\"\\\\.$ {}]{0,70}"]) {
            let target = Target::parse("${all}@b.example").unwrap();
            if let Some(address) = target.address(|_| Some(&found)) {
                prop_assert_eq!(address.domain().as_str(), "b.example");
            }
        }
    }
}
