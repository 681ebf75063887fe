//! The quickstart's one login: made at its first start, kept in data_dir, put into each configuration that
//! is loaded. It is shown once, to a person; never to a log.

use super::NotStarted;
use crate::base::limits;
use crate::base::password::is_sendable;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::base::settings::Scalar;
use crate::config::Config;
use crate::model::credential::{Covers, Credential, Login};
use crate::model::name::Name;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub const FILE_NAME: &str = "quickstart.password";

/// Its domain stands in conf/quickstart.toml.
pub const LOGIN: &str = "app@example.com";

/// The password, and how long it has been there.
pub struct Password {
    pub text: Secret,
    pub age: Age,
    pub path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Just made: whoever started us may see it.
    New,
    Known,
}

/// Gives the configuration its login.
pub fn add_login(config: &mut Config, random: &Random) -> Result<Password, NotStarted> {
    let path = config.server.data_dir.join(FILE_NAME);
    let failed = |why: io::Error| NotStarted::new(format!("the quickstart's password {}: {why}", path.display()));
    let (text, age) = match read(&path).map_err(failed)? {
        Some(text) => (text, Age::Known),
        None => {
            let text = new_password(random);
            write(&path, &text).map_err(failed)?;
            (text, Age::New)
        }
    };
    config.credential.push(Credential {
        // Invariant: a test makes one.
        username: Login::parse(LOGIN).expect("our own login is one"),
        password: Some(text.clone()),
        scram: None,
        domains: vec![Covers::Any],
        tenant: Name::default_tenant(),
        limits: Vec::new(),
        recipient_limits: Vec::new(),
        networks: Vec::new(),
        from: Vec::new(),
        sandbox: false,
        stream: None,
        opens: None,
        clicks: None,
        compatible: Vec::new(),
        ignore_suppression: false,
    });
    Ok(Password { text, age, path })
}

fn read(path: &Path) -> io::Result<Option<Secret>> {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(limits::SECRET_FILE_BYTES_MAX).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(why),
    }
    let read = Secret::new(text);
    let line = read.expose().trim_end();
    // A crash in the middle of a first start leaves an empty file; and nobody should edit it to be one.
    if !is_sendable(line) {
        return Err(io::Error::other("holds no password; delete it, and another is made"));
    }
    Ok(Some(Secret::new(line.to_owned())))
}

/// For its owner alone.
fn write(path: &Path, text: &Secret) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", text.expose())?;
    file.sync_all()
}

/// 120 bits, in letters that no shell, no TOML and no reader takes for something else.
fn new_password(random: &Random) -> Secret {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnopqrstuvwxyz2345678";
    let letters = random.bytes::<24>().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    Secret::new(String::from_iter(letters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, quickstart};
    use std::os::unix::fs::PermissionsExt;

    fn config(data_dir: &Path) -> Config {
        let mut config = quickstart(&Environment::default()).config.unwrap();
        config.server.data_dir = data_dir.to_owned();
        config
    }

    #[test]
    fn a_password_is_made_once_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = config(directory.path());
        let made = add_login(&mut first, &Random::seeded(1)).unwrap();
        assert_eq!((made.age, made.text.expose().len()), (Age::New, 24));
        let mut second = config(directory.path());
        let found = add_login(&mut second, &Random::seeded(2)).unwrap();
        assert_eq!((found.age, found.text == made.text), (Age::Known, true));
        assert_eq!(first.credential, second.credential);
        assert_eq!((first.credential.len(), first.credential[0].username.as_str()), (1, LOGIN));
        assert_eq!(made.path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let mail_domain = LOGIN.split_once('@').unwrap().1;
        assert!(first.domain.iter().any(|domain| domain.name.as_str() == mail_domain));
    }

    #[test]
    fn a_damaged_file_is_named_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        for text in ["", "\n", "hunter2\nhunter3\n"] {
            std::fs::write(directory.path().join(FILE_NAME), text).unwrap();
            let why = add_login(&mut config(directory.path()), &Random::seeded(1)).err().unwrap().to_string();
            assert!(why.contains(FILE_NAME) && why.contains("delete it") && !why.contains("hunter"), "{why}");
        }
    }
}
