//! Which bytes of a text are the ASCII that they look like. Nothing is decoded: what is looked for is ASCII, and what
//! is written is too, so in most charsets the bytes can be read as they are.

use std::borrow::Cow;

/// How a charset goes with ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    Utf8,
    /// Bytes from 0x80 on are letters, one each or never with an ASCII byte in it; what they say is not asked.
    Beside,
    /// Nothing was said, or that it is ASCII.
    Ascii,
    /// Letters of two bytes, of which the second may look like ASCII.
    Gbk,
    Big5,
    ShiftJis,
    Uhc,
}

/// It is not known which bytes are what they look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opaque;

impl Charset {
    /// By its name (IANA's, and those that programs use). UTF-16, UTF-7, ISO-2022 and HZ are none of these: they
    /// write other letters with ASCII's bytes.
    pub fn named(name: Option<&[u8]>) -> Result<Self, Opaque> {
        let Some(name) = name else { return Ok(Self::Ascii) };
        let name = name.to_ascii_lowercase();
        let name = std::str::from_utf8(&name).map_err(|_| Opaque)?;
        let is_number = |rest: &str| rest.bytes().all(|b| b.is_ascii_digit()) && !rest.is_empty();
        Ok(match name {
            "utf-8" | "utf8" => Self::Utf8,
            "us-ascii" | "ascii" | "ansi_x3.4-1968" => Self::Ascii,
            "latin1" | "latin-1" | "latin2" | "latin9" | "iso-8859-8-i" | "iso-8859-8-e" | "iso8859-1"
            | "iso_8859-1" => Self::Beside,
            "koi8-r" | "koi8-u" | "koi8-ru" | "macintosh" | "tis-620" | "ibm866" | "cp866" | "cp850" => Self::Beside,
            // EUC: all bytes of a letter are beyond ASCII.
            "euc-jp" | "gb2312-80" | "euc-tw" => Self::Beside,
            "gbk" | "gb2312" | "gb_2312-80" | "gb18030" | "cp936" | "x-gbk" | "euc-cn" => Self::Gbk,
            "big5" | "big5-hkscs" | "cp950" => Self::Big5,
            "shift_jis" | "shift-jis" | "sjis" | "x-sjis" | "windows-31j" | "cp932" | "ms_kanji" => Self::ShiftJis,
            "euc-kr" | "ks_c_5601-1987" | "ks_c_5601" | "cp949" | "uhc" | "windows-949" => Self::Uhc,
            _ if name.strip_prefix("iso-8859-").is_some_and(is_number) => Self::Beside,
            _ if name.strip_prefix("windows-125").or(name.strip_prefix("cp125")).is_some_and(is_number) => Self::Beside,
            _ => return Err(Opaque),
        })
    }

    /// The text with every letter that is no ASCII as bytes that are none, each where it was.
    pub fn masked(self, text: &[u8]) -> Result<Cow<'_, [u8]>, Opaque> {
        // ISO-2022 by another name; a byte order mark of UTF-16; UTF-16 without one.
        let is_wide = text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff");
        if is_wide || memchr::memchr2(0x1b, 0, text).is_some() {
            return Err(Opaque);
        }
        if text.is_ascii() {
            return Ok(Cow::Borrowed(text));
        }
        match self {
            Self::Utf8 | Self::Beside => Ok(Cow::Borrowed(text)),
            // Most write UTF-8 and forget to say so. What is not could be anything.
            Self::Ascii if std::str::from_utf8(text).is_ok() => Ok(Cow::Borrowed(text)),
            Self::Ascii => Err(Opaque),
            Self::Gbk | Self::Big5 | Self::ShiftJis | Self::Uhc => self.mask(text),
        }
    }

    fn mask(self, text: &[u8]) -> Result<Cow<'_, [u8]>, Opaque> {
        let mut masked = text.to_vec();
        let mut at = 0;
        while let Some(next) = masked[at..].iter().position(|b| !b.is_ascii()) {
            at += next;
            let length = self.letter(&text[at..]).ok_or(Opaque)?;
            masked[at..at + length].fill(0xff);
            at += length;
        }
        Ok(Cow::Owned(masked))
    }

    /// How many bytes the letter has that begins here. None: it is none.
    fn letter(self, text: &[u8]) -> Option<usize> {
        let (first, second) = (*text.first()?, text.get(1).copied());
        let is_pair = |is_second: bool| is_second.then_some(2);
        match self {
            // The euro sign of some.
            Self::Gbk if first == 0x80 => Some(1),
            Self::Gbk => match second? {
                0x40..=0x7e | 0x80..=0xfe => Some(2),
                0x30..=0x39 => match text.get(2..4)? {
                    [0x81..=0xfe, 0x30..=0x39] => Some(4),
                    _ => None,
                },
                _ => None,
            },
            Self::Big5 => is_pair(first > 0x80 && matches!(second?, 0x40..=0x7e | 0xa1..=0xfe)),
            // Small katakana.
            Self::ShiftJis if matches!(first, 0xa1..=0xdf) => Some(1),
            Self::ShiftJis => {
                is_pair(matches!(first, 0x81..=0x9f | 0xe0..=0xfc) && matches!(second?, 0x40..=0x7e | 0x80..=0xfc))
            }
            Self::Uhc => is_pair(first > 0x80 && matches!(second?, 0x41..=0x5a | 0x61..=0x7a | 0x81..=0xfe)),
            Self::Utf8 | Self::Beside | Self::Ascii => Some(1),
        }
    }

    /// May a URL have letters beyond ASCII in it? Only of UTF-8 is known what they are.
    pub fn is_utf8(self) -> bool {
        self == Self::Utf8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Result<Charset, Opaque> {
        Charset::named(Some(name.as_bytes()))
    }

    #[test]
    fn charsets_that_hold_ascii_are_known_by_their_names() {
        for name in ["UTF-8", "utf8", "ISO-8859-15", "Windows-1252", "cp1251", "KOI8-R", "EUC-JP", "us-ascii"] {
            assert!(named(name).is_ok(), "{name}");
        }
        for name in [
            "utf-16",
            "UTF-16LE",
            "utf-32",
            "utf-7",
            "iso-2022-jp",
            "ISO-2022-KR",
            "hz-gb-2312",
            "ebcdic",
            "",
            "iso-8859-x",
        ] {
            assert_eq!(named(name), Err(Opaque), "{name}");
        }
        assert_eq!(Charset::named(None), Ok(Charset::Ascii));
    }

    #[test]
    fn second_bytes_are_not_what_they_look_like() {
        let masked = |name: &str, text: &[u8]| named(name).unwrap().masked(text).map(Cow::into_owned);
        // 0x5C and letters behind a first byte.
        assert_eq!(masked("shift_jis", b"\x95\\\"a\xb1\"").unwrap(), b"\xff\xff\"a\xff\"");
        assert_eq!(masked("big5", b"\xa5\\<a>").unwrap(), b"\xff\xff<a>");
        assert_eq!(masked("gb18030", b"\x84\x31\xa4\x39h\x81h").unwrap(), b"\xff\xff\xff\xffh\xff\xff");
        assert_eq!(masked("euc-kr", b"\x81a<").unwrap(), b"\xff\xff<");
        // A quotation mark that half a letter would swallow.
        for (name, text) in [
            ("shift_jis", &b"\x95\" x"[..]),
            ("big5", b"\xa5\"x"),
            ("gbk", b"\x84\x31\"x"),
            ("gbk", b"\x84"),
            ("euc-kr", b"\x81<a"),
            ("us-ascii", b"\xff\xe4"),
            ("us-ascii", b"\x1b$B<a>\x1b(B"),
            ("utf-8", b"\xff\xfe<\0"),
        ] {
            assert_eq!(masked(name, text), Err(Opaque), "{name}");
        }
        assert_eq!(masked("utf-8", b"\xff<").unwrap(), b"\xff<");
        assert_eq!(masked("us-ascii", "\u{fc}".as_bytes()).unwrap(), "\u{fc}".as_bytes());
    }
}
