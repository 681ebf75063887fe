//! Templates: what a mail is made of when its sender gives only what differs. Written as files or through the
//! API, compiled once, and rendered on the way of a mail without any I/O.
//!
//! A template is somebody else's program. It gets values and gives text: it opens no file, asks no clock, sees
//! nothing of this house, and its steps, its work and its output have ends (`judge`, `filters`). A value can
//! neither leave the place in the HTML where it stands nor begin a header field.

mod context;
mod files;
mod filled;
mod filters;
mod html_text;
mod judge;
mod library;
mod locale;
mod mistake;
mod plain;
mod render;
pub mod settings;
mod source;
mod variables;
mod written;

pub use files::{File, Folder, read as read_folder};
pub use filled::{Filled, Reading, Rendered};
pub use html_text::html_to_text;
pub use library::{Entry, Handle, Library, Origin, Owned, Template, Trouble, Unknown, Uses};
pub use locale::Locale;
pub use mistake::Mistake;
pub use render::{Asked, InPlace, Part, Submitted};
pub use source::{Content, Kind, Piece, Source, SubjectRule, Text};
pub use variables::{Account, Declared, Type, Values};
pub use written::Wrong;

#[cfg(test)]
mod tests;
