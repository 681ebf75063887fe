//! The slots of a message as they stand in its row: `[[encoding, at, offset, width], …]`.

use super::details::BadDetails;
use crate::content::slot::{Encoding, Slot};
use serde::Deserialize;

type Row = (u8, usize, usize, usize);

pub(super) fn rows(slots: &[Slot]) -> Vec<Row> {
    let row = |slot: &Slot| {
        let encoding = match slot.encoding {
            Encoding::Plain => 0,
            Encoding::QuotedPrintable => 1,
            Encoding::Base64 => 2,
        };
        (encoding, slot.at, slot.offset, slot.width)
    };
    slots.iter().map(row).collect()
}

#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    slots: Vec<Row>,
}

/// What differs by recipient in a message with these details.
pub fn slots(details: &str) -> Result<Vec<Slot>, BadDetails> {
    // Most have none, and their details need not be read twice.
    if !details.contains("\"slots\"") {
        return Ok(Vec::new());
    }
    let read: Read = serde_json::from_str(details).map_err(|why| BadDetails::new(why.to_string()))?;
    let slot = |(encoding, at, offset, width)| {
        let encoding = match encoding {
            0 => Encoding::Plain,
            1 => Encoding::QuotedPrintable,
            2 => Encoding::Base64,
            other => return Err(BadDetails::new(format!("a slot is encoded as {other}"))),
        };
        Ok(Slot { encoding, at, offset, width })
    };
    read.slots.into_iter().map(slot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(
            all in proptest::collection::vec((0_u8..3, 0_usize..1 << 40, 0_usize..1 << 40, 0_usize..2000), 0..20),
        ) {
            let text = serde_json::json!({ "envid": "slots", "slots": all }).to_string();
            let read = slots(&text).unwrap();
            prop_assert_eq!(rows(&read), all);
        }
    }

    #[test]
    fn damage_is_told() {
        assert_eq!(slots("{}"), Ok(Vec::new()));
        for bad in [r#"{"slots":[[3,0,0,0]]}"#, r#"{"slots":[[1,0,0]]}"#, r#"{"slots":[[1,-1,0,1]]}"#, r#"{"slots":7}"#] {
            assert!(slots(bad).is_err(), "{bad}");
        }
    }
}
