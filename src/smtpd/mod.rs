//! The SMTP doors.

pub mod settings;
