//! What the store keeps after a story: read beside the daemon, by another program than wrote it.

use super::script::Promise;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// One message in the store.
pub struct Kept {
    sender: Option<String>,
    recipients: Vec<String>,
    envelope: String,
    bytes: Vec<u8>,
}

/// All that came from these addresses, in the order in which it came.
pub fn from(peers: [&str; 2], database: &Path) -> Vec<Kept> {
    let store = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    store.busy_timeout(crate::running::PATIENCE).unwrap();
    let mut ids = store.prepare("SELECT id, sender, details FROM messages WHERE peer IN (?1, ?2) ORDER BY id").unwrap();
    let rows = ids.query_map(peers, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(|row| {
        let (id, sender, envelope): (String, _, _) = row.unwrap();
        let recipients =
            texts(&store, "SELECT recipient FROM deliveries WHERE message_id = ?1 ORDER BY recipient", &id);
        let details = texts(&store, "SELECT details FROM deliveries WHERE message_id = ?1 ORDER BY id", &id);
        let envelope = [vec![envelope], details].concat().join(" ");
        Kept { sender, recipients, envelope, bytes: body(&store, &id) }
    })
    .collect()
}

fn texts(store: &Connection, sql: &str, id: &str) -> Vec<String> {
    let mut question = store.prepare(sql).unwrap();
    question.query_map([id], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// As it was submitted, when that is kept beside what is sent.
fn body(store: &Connection, id: &str) -> Vec<u8> {
    let sql = "SELECT form, codec, bytes FROM bodies WHERE message_id = ?1 ORDER BY form LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (form, codec, mut bytes): (String, String, Vec<u8>) = store.query_row(sql, [id], read).unwrap();
    let sql = "SELECT bytes FROM body_chunks WHERE message_id = ?1 AND form = ?2 ORDER BY seq";
    let mut chunks = store.prepare(sql).unwrap();
    for chunk in chunks.query_map([id, &form], |row| row.get::<_, Vec<u8>>(0)).unwrap() {
        bytes.extend(chunk.unwrap());
    }
    match codec.as_str() {
        "zstd" => zstd::decode_all(bytes.as_slice()).unwrap(),
        _ => bytes,
    }
}

impl Kept {
    /// Says what is otherwise than promised.
    pub fn check(&self, promise: &Promise) -> Result<(), String> {
        let (held, seen) = match promise {
            Promise::Sender(address) => {
                let sender = self.sender.clone().unwrap_or_else(|| "<>".into());
                (sender == *address, sender)
            }
            Promise::Recipients(addresses) => {
                let mut addresses = addresses.clone();
                addresses.sort();
                (self.recipients == addresses, self.recipients.join(", "))
            }
            Promise::Header(name, pattern) => match self.fields().into_iter().find(|(field, _)| is(field, name)) {
                Some((_, value)) => (pattern.fits(&value), value),
                None => (false, "no such field".into()),
            },
            Promise::NoHeader(name) => (!self.fields().iter().any(|(field, _)| is(field, name)), "it is there".into()),
            Promise::Body(wanted) => (self.parts().1 == wanted, shown(self.parts().1)),
            Promise::Message(wanted) => (self.below_received() == wanted, shown(self.below_received())),
            Promise::Envelope(pattern) => (pattern.fits(&self.envelope), self.envelope.clone()),
        };
        if held { Ok(()) } else { Err(seen) }
    }

    /// Header and body; RFC 5322 2.1: a blank line stands between them.
    fn parts(&self) -> (&[u8], &[u8]) {
        if let Some(body) = self.bytes.strip_prefix(b"\r\n") {
            return (&[], body);
        }
        match self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(at) => (&self.bytes[..at + 2], &self.bytes[at + 4..]),
            None => (&self.bytes, &[]),
        }
    }

    /// Names and unfolded values.
    fn fields(&self) -> Vec<(String, String)> {
        let header = String::from_utf8_lossy(self.parts().0).into_owned();
        let unfolded = header.replace("\r\n ", " ").replace("\r\n\t", " ");
        let fields = unfolded.lines().filter_map(|line| line.split_once(':'));
        fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
    }

    fn below_received(&self) -> &[u8] {
        let mut end = 0;
        for line in self.bytes.split_inclusive(|b| *b == b'\n') {
            let first = end == 0;
            if first && !line.starts_with(b"Received:") || !first && !matches!(line.first(), Some(b' ' | b'\t')) {
                break;
            }
            end += line.len();
        }
        &self.bytes[end..]
    }
}

fn is(field: &str, name: &str) -> bool {
    field.eq_ignore_ascii_case(name)
}

pub fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
