//! The words of mail as values that are valid once they exist. Parsing happens at the border; inside
//! the house an `Address` is an address.

pub mod address;
pub mod address_list;
pub mod compose;
pub mod date;
pub mod domain_name;
pub mod dsn;
pub mod encode;
pub mod encoded_word;
pub mod envelope;
pub mod header;
pub mod mend;
pub mod message;
pub mod mime;
pub mod received;
mod settings;
pub mod status;
pub mod text;
