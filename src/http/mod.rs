//! The HTTP door.

pub mod settings;
