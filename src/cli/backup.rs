//! `gatepost backup`: a copy of the store.
use super::Failure;
use crate::config::Origin;
use std::path::Path;

pub fn run(_: &Origin, _: &Path, _: bool) -> Result<(), Failure> {
    Err(Failure::Because("this build has no backup yet".to_owned()))
}
