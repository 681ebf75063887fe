//! What is still to be done to a prepared message when it goes out, as it stands in its row:
//! `"slots": [[encoding, at, offset, width], …]`, and `"sign": true` when its domain had keys as it was accepted.

use super::details::BadDetails;
use crate::content::slot::{Encoding, Slot};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finish {
    /// What differs by recipient.
    pub slots: Vec<Slot>,
    /// Without a signature it does not go, whatever became of the keys.
    pub is_to_be_signed: bool,
}

type Row = (u8, usize, usize, usize);

/// The fields of it in a message's details.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Fields {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    slots: Vec<Row>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sign: bool,
}

impl From<&Finish> for Fields {
    fn from(finish: &Finish) -> Self {
        let row = |slot: &Slot| {
            let encoding = match slot.encoding {
                Encoding::Plain => 0,
                Encoding::QuotedPrintable => 1,
                Encoding::Base64 => 2,
            };
            (encoding, slot.at, slot.offset, slot.width)
        };
        Self { slots: finish.slots.iter().map(row).collect(), sign: finish.is_to_be_signed }
    }
}

/// What is still to be done to a message with these details.
pub fn finish(details: &str) -> Result<Finish, BadDetails> {
    let read: Fields = serde_json::from_str(details).map_err(|why| BadDetails::new(why.to_string()))?;
    let slot = |(encoding, at, offset, width)| {
        let encoding = match encoding {
            0 => Encoding::Plain,
            1 => Encoding::QuotedPrintable,
            2 => Encoding::Base64,
            other => return Err(BadDetails::new(format!("a slot is encoded as {other}"))),
        };
        Ok(Slot { encoding, at, offset, width })
    };
    let slots = read.slots.into_iter().map(slot).collect::<Result<_, _>>()?;
    Ok(Finish { slots, is_to_be_signed: read.sign })
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
            let text = serde_json::json!({ "envid": "slots", "slots": all, "sign": true }).to_string();
            let read = finish(&text).unwrap();
            prop_assert!(read.is_to_be_signed);
            prop_assert_eq!(Fields::from(&read).slots, all);
        }
    }

    #[test]
    fn damage_is_told() {
        assert_eq!(finish("{}"), Ok(Finish::default()));
        for bad in [r#"{"slots":[[3,0,0,0]]}"#, r#"{"slots":[[1,0,0]]}"#, r#"{"slots":[[1,-1,0,1]]}"#, r#"{"sign":7}"#]
        {
            assert!(finish(bad).is_err(), "{bad}");
        }
    }
}
