//! What becomes of a message's content before it leaves: templates, links and opens, what a recipient is given
//! to unsubscribe by. Pure functions on bytes: no store, no clock, no network; keys come in as values.

mod html_links;
pub mod personal;
pub mod rewrite;
pub mod slot;
pub mod template;
mod text_links;
pub mod token;
pub mod unsubscribe;
