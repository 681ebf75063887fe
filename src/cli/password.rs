//! `gatepost password`: a password in, the two lines for its `[[credential]]` out. Nothing of it stands in
//! the arguments, where every user of the machine could read it.

use super::Failure;
use crate::base::limits;
use crate::base::password::{PasswordHash, is_sendable};
use crate::base::random::Random;
use crate::base::scram::{ITERATIONS, SALT_BYTES, ScramKeys};
use crate::base::secret::Secret;
use crate::base::settings::quoted;
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use std::io::{IsTerminal, Read, Stdin, stdin};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

pub fn run() -> Result<(), Failure> {
    let password = if stdin().is_terminal() { from_terminal()? } else { acceptable(&read_line(None)?)? };
    let text = password.expose().as_str();
    if !text.is_ascii() {
        // RFC 5802 2.2 wants names and passwords prepared by SASLprep first.
        eprintln!(
            "gatepost: with letters beyond ASCII, SCRAM works with clients that send them as they were typed here"
        );
    }
    let hash = PasswordHash::make(text, &Random::System);
    // Invariant: RFC 7677 asks for more than none.
    let iterations = NonZeroU32::new(ITERATIONS).expect("a constant above zero");
    let keys = ScramKeys::derive(text, &Random::System.bytes::<SALT_BYTES>(), iterations);
    println!("password = {}", quoted(hash.line().expose()));
    println!("scram = {}", quoted(keys.line().expose()));
    Ok(())
}

/// Asked for twice: nobody sees what they type.
fn from_terminal() -> Result<Secret, Failure> {
    let first = acceptable(&ask("Password: ")?)?;
    if acceptable(&ask("Again:    ")?)? == first {
        Ok(first)
    } else {
        Err(Failure::because("the two were not the same; nothing was made"))
    }
}

/// What a client could send (RFC 4616 2), and an admin can type.
fn acceptable(line: &[u8]) -> Result<Secret, Failure> {
    let text = std::str::from_utf8(line).map_err(|_| Failure::because("the password is not UTF-8"))?;
    if !is_sendable(text) {
        let most = limits::PASSWORD_BYTES_MAX;
        return Err(Failure::Because(format!(
            "a password is one line of 1 to {most} bytes, without control characters"
        )));
    }
    Ok(Secret::new(text.to_owned()))
}

fn ask(prompt: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let hidden = Hidden::begin().map_err(Failure::because)?;
    // Standard output is for the lines alone.
    eprint!("{prompt}");
    let line = read_line(Some(hidden.interrupt))?;
    if line.last() == Some(&hidden.interrupt) {
        eprintln!();
        return Err(Failure::because("nothing was made"));
    }
    Ok(line)
}

/// The terminal without echo, until this is dropped.
struct Hidden {
    before: Termios,
    /// The key that interrupts.
    interrupt: u8,
}

impl Hidden {
    fn begin() -> nix::Result<Self> {
        let before = tcgetattr(stdin())?;
        let interrupt = before.control_chars[SpecialCharacterIndices::VINTR as usize];
        let mut hidden = before.clone();
        hidden.local_flags.remove(LocalFlags::ECHO | LocalFlags::ISIG);
        hidden.local_flags.insert(LocalFlags::ECHONL);
        // Ctrl-C ends the line instead of us: a process that ends here leaves a terminal without echo.
        hidden.control_chars[SpecialCharacterIndices::VEOL as usize] = interrupt;
        tcsetattr(stdin(), SetArg::TCSAFLUSH, &hidden)?;
        Ok(Self { before, interrupt })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // There is nobody to tell it to but the terminal itself.
        let _ = tcsetattr(stdin(), SetArg::TCSANOW, &self.before);
    }
}

/// To the end of the input, or of its line on a terminal; without the line's end. With the key that
/// interrupts, if that ended it.
fn read_line(interrupt: Option<u8>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut line = Zeroizing::new(Vec::with_capacity(limits::PASSWORD_BYTES_MAX + 3));
    let mut byte = [0];
    // One more than a line may have tells that it is too long.
    while line.len() < limits::PASSWORD_BYTES_MAX + 3 && read_byte(&stdin(), &mut byte)? {
        line.push(byte[0]);
        if interrupt.is_some_and(|key| byte[0] == key || byte[0] == b'\n') {
            break;
        }
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    Ok(line)
}

fn read_byte(mut input: &Stdin, byte: &mut [u8; 1]) -> Result<bool, Failure> {
    input.read(byte).map(|read| read == 1).map_err(Failure::because)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line_that_a_client_could_send() {
        assert!(acceptable("p\u{e4}ss wörd".as_bytes()).is_ok());
        let long = vec![b'x'; limits::PASSWORD_BYTES_MAX + 1];
        for wrong in [&b""[..], b"a\nb", b"a\0b", b"\xff", b"\x03", &long] {
            assert!(acceptable(wrong).is_err(), "{wrong:?}");
        }
        assert!(acceptable(&long[1..]).is_ok());
    }
}
