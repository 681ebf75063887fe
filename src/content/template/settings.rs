//! Where templates lie that are files.

use crate::base::settings::settings;
use std::path::PathBuf;

settings! {
    /// Templates that are files.
    pub struct Settings in "[templates]" {
        /// A folder with one folder for each template; absent: templates beside this file, if it is there.
        live directory: Option<PathBuf> = optional("\"templates\""),
    }
}
