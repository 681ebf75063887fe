//! Where mail is kept.

use super::dialect::Location;
use crate::base::limits;
use crate::base::settings::{Scalar, Wrong, quoted, settings};
use std::path::{Path, PathBuf};

settings! {
    /// Where mail is kept: SQLite, embedded, or PostgreSQL for several nodes.
    pub struct Settings in "[store]" {
        /// sqlite:FILE (relative to data_dir) or postgres://user@host/db; GATEPOST_STORE_URL overrides it.
        restart url: Url = default(Url::Sqlite(PathBuf::from("gatepost.db"))),
        /// Connections that read.
        restart read_connections: u32 = default(4) within 1..=limits::CONNECTIONS_MAX,
        /// Connections that write; PostgreSQL only, SQLite always has one.
        restart write_connections: u32 = default(2) within 1..=limits::CONNECTIONS_MAX,
    }
}

/// The place of the store. Prints without its password.
#[derive(Clone, PartialEq, Eq)]
pub enum Url {
    /// The file; relative to the data directory.
    Sqlite(PathBuf),
    Postgres(PostgresUrl),
}

/// A PostgreSQL URL as it was given, password and all.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

impl PostgresUrl {
    /// With its password: for the driver only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Url {
    /// Where that is, with a relative file placed in the data directory.
    pub fn location(&self, data_dir: &Path) -> Location {
        match self {
            Self::Sqlite(file) => Location::File(data_dir.join(file)),
            Self::Postgres(url) => Location::Server(url.expose().to_owned()),
        }
    }
}

/// Without what may be a password: from the first `:` behind the scheme to the last `@`, wherever it
/// stands (a password may hold `@`, `/` and `?`, however wrongly), and in a `password=` parameter.
pub(super) fn masked(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let rest = match rest.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => format!("{user}@{host}"),
        },
        None => rest.to_owned(),
    };
    let hide = |pair: &str| match pair.split_once('=') {
        Some((key, _)) if key.to_ascii_lowercase().contains("pass") => format!("{key}=***"),
        _ => pair.to_owned(),
    };
    let Some((rest, query)) = rest.split_once('?') else { return format!("{scheme}://{rest}") };
    format!("{scheme}://{rest}?{}", query.split('&').map(hide).collect::<Vec<_>>().join("&"))
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "sqlite:{}", file.display()),
            Self::Postgres(url) => f.write_str(&masked(&url.0)),
        }
    }
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&masked(&self.0))
    }
}

impl Scalar for Url {
    const EXPECTS: &'static str = "\"sqlite:FILE\" or \"postgres://user@host/database\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.chars().any(char::is_control) {
            return Err(Wrong::because("it holds a control character"));
        }
        if let Some(file) = text.strip_prefix("sqlite:") {
            let file = file.strip_prefix("//").unwrap_or(file);
            // Parameters would reach the engine past our own choices (journal, synchronous, cache).
            return match file {
                "" => Err(Wrong::because("the file is missing")),
                ":memory:" => Err(Wrong::because("mail is promised on disk; memory is not")),
                _ if file.contains('?') => Err(Wrong::because("parameters are not taken here")),
                _ => Ok(Self::Sqlite(PathBuf::from(file))),
            };
        }
        let behind = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        match behind {
            Some("") => Err(Wrong::because("the host is missing")),
            Some(_) => Ok(Self::Postgres(PostgresUrl(text.to_owned()))),
            None => Err(Wrong::because("only SQLite and PostgreSQL are known")),
        }
    }

    fn write(&self) -> String {
        quoted(&self.to_string())
    }

    fn is_secret(text: &str) -> bool {
        !text.starts_with("sqlite:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        format!("{:?}", Url::parse(text).unwrap())
    }

    #[test]
    fn a_url_prints_without_its_password() {
        assert_eq!(shown("postgres://gp:hunter2@db/gatepost"), "postgres://gp:***@db/gatepost");
        assert_eq!(shown("postgresql://gp:hun@ter?/2@db/x"), "postgresql://gp:***@db/x");
        assert_eq!(
            shown("postgres://gp@db/x?password=hunter2&sslmode=require"),
            "postgres://gp@db/x?password=***&sslmode=require"
        );
        assert_eq!(shown("postgres:///x?host=/run/postgresql"), "postgres:///x?host=/run/postgresql");
    }

    #[test]
    fn sqlite_files_are_placed_in_the_data_directory() {
        let place = |text| Url::parse(text).unwrap().location(Path::new("/var/lib/gatepost")).to_string();
        assert_eq!(place("sqlite:gatepost.db"), "sqlite:/var/lib/gatepost/gatepost.db");
        assert_eq!(place("sqlite://gatepost.db"), place("sqlite:gatepost.db"));
        assert_eq!(place("sqlite:///srv/gp.db"), "sqlite:/srv/gp.db");
    }

    #[test]
    fn other_stores_are_refused() {
        for wrong in ["", "gatepost.db", "mysql://x", "sqlite:", "sqlite::memory:", "sqlite:a?mode=ro", "postgres://"] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }
}
