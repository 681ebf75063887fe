//! Every bound of the house, with its unit and its reason. A bound that is not here does not exist;
//! at a bound the answer is polite and temporary, counted, and tested.

mod doors;
mod keeping;
mod message;
mod sending;

pub use doors::*;
pub use keeping::*;
pub use message::*;
pub use sending::*;
