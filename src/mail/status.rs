//! RFC 3463: what happened, as three numbers that every program reads alike.

/// `5.1.1`: the class of the outcome, its subject, its detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status {
    class: u8,
    subject: u16,
    detail: u16,
}

impl Status {
    /// The class is 2, 4 or 5; the others have at most three digits.
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        assert!(matches!(class, 2 | 4 | 5) && subject <= 999 && detail <= 999);
        Self { class, subject, detail }
    }

    pub const fn class(self) -> u8 {
        self.class
    }

    pub const fn subject(self) -> u16 {
        self.subject
    }

    pub const fn detail(self) -> u16 {
        self.detail
    }

    /// The same under another class: what was put off and is now given up.
    pub const fn with_class(self, class: u8) -> Self {
        Self::new(class, self.subject, self.detail)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// No enhanced status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadStatus;

impl std::fmt::Display for BadStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no enhanced status code like 5.1.1")
    }
}

impl std::error::Error for BadStatus {}

impl std::str::FromStr for Status {
    type Err = BadStatus;

    fn from_str(text: &str) -> Result<Self, BadStatus> {
        let mut parts = text.split('.').map(|part| match part.len() {
            1..=3 if part.bytes().all(|b| b.is_ascii_digit()) => part.parse::<u16>().map_err(|_| BadStatus),
            _ => Err(BadStatus),
        });
        let mut next = || parts.next().unwrap_or(Err(BadStatus));
        let (class, subject, detail) = (next()?, next()?, next()?);
        match (class, parts.next()) {
            (2 | 4 | 5, None) => Ok(Self { class: class as u8, subject, detail }),
            _ => Err(BadStatus),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_and_nothing_else() {
        assert_eq!("5.1.1".parse(), Ok(Status::new(5, 1, 1)));
        assert_eq!("4.7.650".parse(), Ok(Status::new(4, 7, 650)));
        for bad in ["", "5", "5.1", "5.1.1.1", "3.1.1", "5.1000.1", "5.x.1", "5.1.", "05.1.1.", "-5.1.1"] {
            assert_eq!(bad.parse::<Status>(), Err(BadStatus), "{bad}");
        }
        assert_eq!(Status::new(4, 4, 1).with_class(5).to_string(), "5.4.1");
    }
}
