//! What the store holds, read beside the daemon by another program than wrote it.

use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// One message in the store.
pub struct Stored {
    pub sender: Option<String>,
    /// In alphabetical order: the rows of one message have none.
    pub recipients: Vec<String>,
    /// What its envelope wished beyond that, of the message and then of each recipient.
    pub wishes: String,
    pub bytes: Vec<u8>,
}

/// All of them, in the order in which they came.
pub fn all(database: &Path) -> Vec<Stored> {
    let store = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut ids = store.prepare("SELECT id, sender, details FROM messages ORDER BY id").unwrap();
    let rows = ids.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(|row| {
        let (id, sender, wishes): (String, _, String) = row.unwrap();
        let of_recipients =
            texts(&store, "SELECT details FROM deliveries WHERE message_id = ?1 ORDER BY recipient", &id);
        let recipients =
            texts(&store, "SELECT recipient FROM deliveries WHERE message_id = ?1 ORDER BY recipient", &id);
        let wishes = [vec![wishes], of_recipients].concat().join(" ");
        Stored { sender, recipients, wishes, bytes: body(&store, &id) }
    })
    .collect()
}

fn texts(store: &Connection, sql: &str, id: &str) -> Vec<String> {
    let mut question = store.prepare(sql).unwrap();
    question.query_map([id], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn body(store: &Connection, id: &str) -> Vec<u8> {
    let sql = "SELECT codec, bytes FROM bodies WHERE message_id = ?1 ORDER BY form LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (codec, bytes): (String, Vec<u8>) = store.query_row(sql, [id], read).unwrap();
    match codec.as_str() {
        "zstd" => zstd::decode_all(bytes.as_slice()).unwrap(),
        _ => bytes,
    }
}

impl Stored {
    /// Our trace on top, with this protocol, and below it the message to the last byte.
    pub fn is(&self, message: &str, with: &str) {
        let (trace, rest) = self.below_received();
        assert!(trace.contains(&format!(" with {with} ")), "with {with}?\n{trace}");
        assert_eq!(rest.escape_ascii().to_string(), message.as_bytes().escape_ascii().to_string());
    }

    /// The first Received field, unfolded, and all that follows it.
    pub fn below_received(&self) -> (String, &[u8]) {
        assert!(self.bytes.starts_with(b"Received:"), "{}", self.bytes.escape_ascii());
        let ends = |n: &usize| self.bytes[*n] == b'\n' && !matches!(self.bytes.get(n + 1), Some(b' ' | b'\t'));
        let end = (0..self.bytes.len()).find(ends).unwrap() + 1;
        let trace = String::from_utf8_lossy(&self.bytes[..end]).split_whitespace().collect::<Vec<_>>().join(" ");
        (trace, &self.bytes[end..])
    }
}
