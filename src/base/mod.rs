//! The ground floor: time, chance, identity, secrets, bells and bounds. Nothing here knows of mail.

pub mod backoff;
pub mod budget;
pub mod clock;
pub mod gcra;
pub mod id;
pub mod limits;
pub mod metrics;
pub mod name;
pub mod observe;
pub mod password;
pub mod pem;
pub mod random;
pub mod ready;
pub mod scram;
pub mod secret;
pub mod settings;
pub mod shutdown;
pub mod sweep;
pub mod wake;
