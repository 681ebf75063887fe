//! What the store tells a caller: whose fault, and again or never.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The store cannot be reached, or is too slow. Nothing was written; ask again later.
    Unavailable { why: String },
    /// There is no room left on its disk. Nothing was written; ask again when somebody made some.
    Full { why: String },
    /// What was asked contradicts what is stored: a name that is taken, a row that is gone. Asking again
    /// changes nothing.
    Conflict { why: String },
    /// The row is damaged, or sealed under another key: an operator has to look.
    Damaged { why: String },
    /// The store refuses to be used as it is: another engine's setting, an unknown migration, a wrong key.
    Refused { why: String },
}

impl StoreError {
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full { .. })
    }

    pub(super) fn unavailable(why: impl fmt::Display) -> Self {
        Self::Unavailable { why: why.to_string() }
    }

    pub(super) fn damaged(why: impl fmt::Display) -> Self {
        Self::Damaged { why: why.to_string() }
    }

    pub(super) fn refused(why: impl fmt::Display) -> Self {
        Self::Refused { why: why.to_string() }
    }
}

/// How a COMMIT failed.
pub(super) enum Uncommitted {
    /// The database itself says so: nothing of it is there, nor will be.
    Surely(StoreError),
    /// Nobody knows: it has to be asked for.
    Perhaps(StoreError),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable { why } => write!(f, "the store is not available: {why}"),
            Self::Full { why } => write!(f, "the store is full: {why}"),
            Self::Conflict { why } => write!(f, "the store refuses this change: {why}"),
            Self::Damaged { why } => write!(f, "the store holds something that cannot be read: {why}"),
            Self::Refused { why } => write!(f, "the store cannot be used: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// The driver's errors, sorted by what the caller may do. Only an answer of the database about the data
/// itself is a conflict; everything else (connection, disk, lock, time) may be better in a moment.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::error::ErrorKind;
        match &error {
            sqlx::Error::Database(answer) => match answer.kind() {
                ErrorKind::UniqueViolation
                | ErrorKind::ForeignKeyViolation
                | ErrorKind::NotNullViolation
                | ErrorKind::CheckViolation => Self::Conflict { why: answer.message().to_owned() },
                _ if is_about_the_data(answer.as_ref()) => Self::Conflict { why: answer.message().to_owned() },
                _ if is_about_room(answer.as_ref()) => Self::Full { why: answer.message().to_owned() },
                _ => Self::unavailable(answer.message()),
            },
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
                Self::damaged(error)
            }
            _ => Self::unavailable(error),
        }
    }
}

/// SQLSTATE class 22 (data exception) of PostgreSQL; SQLITE_TOOBIG (18), SQLITE_CONSTRAINT (19),
/// SQLITE_MISMATCH (20). sqlx gives SQLite's extended code as decimal text.
fn is_about_the_data(answer: &dyn sqlx::error::DatabaseError) -> bool {
    let Some(code) = answer.code() else { return false };
    if code.len() == 5 {
        return code.starts_with("22") || code.starts_with("23");
    }
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 18..=20))
}

/// PostgreSQL's disk_full, and SQLITE_FULL.
fn is_about_room(answer: &dyn sqlx::error::DatabaseError) -> bool {
    answer.code().is_some_and(|code| matches!(&*code, "53100" | "13"))
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::TooBig | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
                Self::Conflict { why: error.to_string() }
            }
            Some(ErrorCode::DiskFull) => Self::Full { why: error.to_string() },
            _ => Self::unavailable(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_any_other_trouble() {
        let sqlite = |code| StoreError::from(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
        assert!(matches!(sqlite(rusqlite::ffi::SQLITE_FULL), StoreError::Full { .. }));
        assert!(matches!(sqlite(rusqlite::ffi::SQLITE_IOERR), StoreError::Unavailable { .. }));
        assert!(matches!(sqlite(rusqlite::ffi::SQLITE_CONSTRAINT), StoreError::Conflict { .. }));
        assert!(sqlite(rusqlite::ffi::SQLITE_FULL).is_temporary());
    }
}
