//! What is allowed: how much may be sent, by whom. Decides, and writes nothing but what its own limits
//! have to remember.

pub mod limits;
