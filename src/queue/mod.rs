//! The life of a delivery, from acceptance to its end.

pub mod settings;
