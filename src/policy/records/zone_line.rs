//! A record as a line of a zone file (RFC 1035 5.1), ready to be pasted: full names, texts in pieces.

/// `example.com. IN TXT "…"`. The value is as a DNS panel takes it.
pub fn zone_line(host: &str, kind: &str, value: &str) -> String {
    let value = match kind {
        "TXT" => text(value),
        // A name in the zone of another would be meant below that zone without its dot.
        _ => format!("{value}."),
    };
    format!("{host}. IN {kind} {value}")
}

/// RFC 1035 3.3: strings of 255 bytes at most; whoever reads them puts them together (RFC 6376 3.6.2.2, RFC 7208 3.3).
const STRING_BYTES_MAX: usize = 255;

fn text(value: &str) -> String {
    let mut strings = Vec::new();
    for piece in value.as_bytes().chunks(STRING_BYTES_MAX) {
        let mut string = String::from("\"");
        for byte in piece {
            match byte {
                b'"' | b'\\' => string.extend(['\\', char::from(*byte)]),
                b' '..=b'~' => string.push(char::from(*byte)),
                other => string.push_str(&format!("\\{other:03}")),
            }
        }
        string.push('"');
        strings.push(string);
    }
    if strings.is_empty() { "\"\"".to_owned() } else { strings.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::zone::Zone;
    use crate::dns::{Mx, Resolver, Source};

    #[test]
    fn lines_are_written_as_zones_are() {
        assert_eq!(zone_line("a.example", "MX", "10 mail.example"), "a.example. IN MX 10 mail.example.");
        assert_eq!(zone_line("t.example", "CNAME", "mail.example"), "t.example. IN CNAME mail.example.");
        assert_eq!(zone_line("a.example", "TXT", "v=x; \"\\é"), "a.example. IN TXT \"v=x; \\\"\\\\\\195\\169\"");
    }

    #[tokio::test]
    async fn what_is_written_reads_as_it_was() {
        let long = format!("v=DKIM1; p={}\\\"\u{e9};", "A".repeat(700));
        let zone = [zone_line("a.example", "TXT", &long), zone_line("a.example", "MX", "10 mail.example")].join("\n");
        let resolver = Resolver::new(Source::Zone(Zone::parse(&zone).unwrap()));
        let name = "a.example".parse().unwrap();
        assert_eq!(resolver.txt(&name).await.unwrap().value, [long.into_bytes()]);
        assert_eq!(resolver.mx(&name).await.unwrap().value, Mx::Hosts(vec![(10, "mail.example".parse().unwrap())]));
    }
}
