//! `gatepost password`: what it prints goes into the configuration as it is, and what it is told is shown
//! to nobody.

use crate::running::{Ran, Yard};
use gatepost::base::password::PasswordHash;
use gatepost::base::scram::ScramKeys;
use nix::pty::{OpenptyResult, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

const PASSWORD: &str = "pÄss \"wörd\" 1";

/// The values of the two lines.
fn read(out: &str) -> (PasswordHash, ScramKeys) {
    let lines: toml::Table = out.parse().unwrap_or_else(|why| panic!("{why} in {out}"));
    assert_eq!((lines.len(), out.lines().count()), (2, 2), "{out}");
    let value = |key: &str| lines[key].as_str().unwrap_or_else(|| panic!("{key} in {out}"));
    (PasswordHash::read(value("password")).unwrap(), ScramKeys::read(value("scram")).unwrap())
}

/// With this as its standard input.
fn told(yard: &Yard, input: &[u8]) -> Ran {
    let (read, write) = nix::unistd::pipe().unwrap();
    let mut write = File::from(write);
    // Far less than a pipe holds.
    write.write_all(input).unwrap();
    drop(write);
    Ran::of(yard.command(&["password"]).stdin(Stdio::from(read)))
}

#[test]
fn a_password_from_a_pipe_becomes_two_lines_for_the_file() {
    let yard = Yard::empty();
    let ran = told(&yard, format!("{PASSWORD}\n").as_bytes());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.out.contains("wörd") && !ran.err.contains("wörd"), "{ran:?}");
    let (hash, keys) = read(&ran.out);
    assert!(hash.opens_with(PASSWORD) && keys.opens_with(PASSWORD));
    let again = told(&yard, PASSWORD.as_bytes());
    assert_ne!(again.out, ran.out, "each has its own salt");

    let credential = format!("[[credential]]\nusername = \"app\"\ndomains = [\"*\"]\n{}", ran.out);
    let yard = Yard::with(&credential);
    assert_eq!(yard.run(&["check"]).code, Some(0));
    let yard = Yard::with(&credential.replace("t=2", "t=0"));
    assert_eq!(yard.run(&["check"]).code, Some(78));
}

#[test]
fn what_is_no_password_is_refused() {
    let yard = Yard::empty();
    for (input, why) in [
        (&b""[..], "1 to 1024 bytes"),
        (b"\n", "1 to 1024 bytes"),
        (b"two\nlines\n", "control characters"),
        (b"\xff\n", "UTF-8"),
        (&[b'x'; 5000], "1 to 1024 bytes"),
    ] {
        let ran = told(&yard, input);
        assert!(ran.code == Some(1) && ran.out.is_empty() && ran.err.contains(why), "{input:?}: {ran:?}");
    }
}

/// `gatepost password` on a terminal of its own.
struct Terminal {
    child: Child,
    keys: File,
    said: String,
}

impl Terminal {
    fn new(mut command: Command) -> Self {
        let OpenptyResult { master, slave } = openpty(None, None).unwrap();
        let child = command.stdin(Stdio::from(slave)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Else our own end of the slave would keep the terminal from ending.
        drop(command);
        Self { child, keys: File::from(master), said: String::new() }
    }

    /// Waits for a prompt, then types.
    fn types(&mut self, prompt: &str, keys: &[u8]) {
        let from = self.said.len();
        let err = self.child.stderr.as_mut().unwrap();
        let mut byte = [0];
        while !self.said[from..].ends_with(prompt) {
            assert_eq!(err.read(&mut byte).unwrap(), 1, "{prompt:?} never came: {}", self.said);
            self.said.push(byte[0].into());
        }
        self.keys.write_all(keys).unwrap();
    }

    /// How it ended, what it said, and what the terminal showed.
    fn ends(mut self) -> (Ran, String) {
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut self.said).unwrap();
        let code = self.child.wait().unwrap().code();
        let mut shown = Vec::new();
        // A terminal that nobody holds any more ends with EIO.
        let _ = self.keys.read_to_end(&mut shown);
        (Ran { code, out, err: self.said }, String::from_utf8_lossy(&shown).into_owned())
    }
}

#[test]
fn on_a_terminal_it_is_asked_for_twice_and_not_shown() {
    let yard = Yard::empty();
    let mut terminal = Terminal::new(yard.command(&["password"]));
    terminal.types("Password: ", b"hunter2\n");
    terminal.types("Again:    ", b"hunter2\n");
    let (ran, shown) = terminal.ends();
    assert_eq!((ran.code, shown.trim()), (Some(0), ""), "{ran:?}");
    assert!(read(&ran.out).0.opens_with("hunter2"));

    let mut terminal = Terminal::new(yard.command(&["password"]));
    terminal.types("Password: ", b"hunter2\n");
    terminal.types("Again:    ", b"hunter3\n");
    let (ran, _) = terminal.ends();
    assert!(ran.code == Some(1) && ran.out.is_empty() && ran.err.contains("not the same"), "{ran:?}");
}

#[test]
fn interrupting_it_leaves_nothing_and_a_terminal_with_echo() {
    let yard = Yard::empty();
    let mut terminal = Terminal::new(yard.command(&["password"]));
    let watched = terminal.keys.try_clone().unwrap();
    terminal.types("Password: ", b"hunt\x03");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(1));
    let echo = nix::sys::termios::LocalFlags::ECHO | nix::sys::termios::LocalFlags::ISIG;
    assert!(nix::sys::termios::tcgetattr(&watched).unwrap().local_flags.contains(echo));
    drop(watched);
    let (ran, shown) = terminal.ends();
    assert!(ran.out.is_empty() && ran.err.contains("nothing was made") && !shown.contains("hunt"), "{ran:?}");
}
