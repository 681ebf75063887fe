//! Names and addresses as settings.

use super::address::Address;
use super::domain_name::DomainName;
use crate::base::settings::{Scalar, Wrong, quoted};

impl Scalar for DomainName {
    const EXPECTS: &'static str = "a domain name like \"example.com\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(Wrong::because)
    }

    fn write(&self) -> String {
        quoted(self.as_str())
    }
}

impl Scalar for Address {
    const EXPECTS: &'static str = "a mail address like \"support@example.com\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(Wrong::because)
    }

    fn write(&self) -> String {
        quoted(&self.to_string())
    }
}
