//! Rust source, as far as the checks of this tree need it: words, strings and comments, each with its
//! line. A lexer and no parser: what the checks ask for (paths, calls, marks) is visible in the words.

use std::path::{Path, PathBuf};

/// One word of code: an identifier, `::`, or a single mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub line: usize,
    pub text: String,
}

/// A file taken apart. Lines count from 1.
#[derive(Default)]
pub struct Source {
    pub words: Vec<Word>,
    pub strings: Vec<Word>,
    /// One entry a line of comment, without its slashes.
    pub comments: Vec<Word>,
    pub lines: usize,
}

impl Source {
    pub fn read(text: &str) -> Self {
        let mut lexer = Lexer { chars: text.chars().collect(), at: 0, line: 1, source: Source::default() };
        lexer.run();
        lexer.source.lines = text.lines().count();
        lexer.source
    }

    pub fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |w| w.text.as_str())
    }

    /// Where the bracket opened at `open` closes (the last word when it never does).
    pub fn closing(&self, open: usize) -> usize {
        let mut depth = 0usize;
        for at in open..self.words.len() {
            match self.word(at) {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return at;
            }
        }
        self.words.len().saturating_sub(1)
    }
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    source: Source,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn next(&mut self) -> char {
        let c = self.peek(0);
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        c
    }

    fn run(&mut self) {
        while self.at < self.chars.len() {
            let line = self.line;
            match (self.peek(0), self.peek(1)) {
                ('/', '/') => self.line_comment(),
                ('/', '*') => self.block_comment(),
                ('"', _) => self.string(),
                ('\'', _) => self.quote(),
                (':', ':') => {
                    self.at += 2;
                    self.source.words.push(Word { line, text: "::".into() });
                }
                (c, _) if c.is_alphanumeric() || c == '_' => self.identifier(),
                (c, _) => {
                    self.next();
                    if !c.is_whitespace() {
                        self.source.words.push(Word { line, text: c.into() });
                    }
                }
            }
        }
    }

    fn line_comment(&mut self) {
        let line = self.line;
        let mut text = String::new();
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            text.push(self.next());
        }
        let text = text.trim_start_matches('/').trim_start_matches('!').trim().to_owned();
        self.source.comments.push(Word { line, text });
    }

    fn block_comment(&mut self) {
        let (mut depth, mut line, mut text) = (0, self.line, String::new());
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => (depth, self.at) = (depth + 1, self.at + 2),
                ('*', '/') => (depth, self.at) = (depth - 1, self.at + 2),
                ('\n', _) => {
                    self.source.comments.push(Word { line, text: std::mem::take(&mut text) });
                    self.next();
                    line = self.line;
                }
                _ => text.push(self.next()),
            }
            if depth == 0 {
                break;
            }
        }
        self.source.comments.push(Word { line, text });
    }

    fn string(&mut self) {
        let line = self.line;
        self.next();
        let mut text = String::new();
        while self.at < self.chars.len() {
            match self.next() {
                '"' => break,
                '\\' => {
                    let escaped = self.next();
                    text.push(if escaped.is_whitespace() { ' ' } else { escaped });
                }
                c => text.push(c),
            }
        }
        self.source.strings.push(Word { line, text });
    }

    fn raw_string(&mut self) {
        let (line, mut hashes) = (self.line, 0);
        while self.peek(0) == '#' {
            self.next();
            hashes += 1;
        }
        self.next();
        let mut text = String::new();
        while self.at < self.chars.len() {
            let c = self.next();
            if c == '"' && (0..hashes).all(|i| self.peek(i) == '#') {
                self.at += hashes;
                break;
            }
            text.push(c);
        }
        self.source.strings.push(Word { line, text });
    }

    /// A character, whose quote may hold a bracket or a quote, or a lifetime, which is no word here.
    fn quote(&mut self) {
        self.next();
        if self.peek(0) == '\\' {
            self.at += 2;
            while self.at < self.chars.len() && self.next() != '\'' {}
        } else if self.peek(1) == '\'' {
            self.next();
            self.next();
        }
    }

    fn identifier(&mut self) {
        let line = self.line;
        let mut text = String::new();
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            text.push(self.next());
        }
        let raw = {
            let hashes = (0..).take_while(|i| self.peek(*i) == '#').count();
            self.peek(hashes) == '"' && matches!(text.as_str(), "r" | "br" | "cr")
        };
        match (text.as_str(), self.peek(0)) {
            _ if raw => self.raw_string(),
            ("b" | "c", '"') => self.string(),
            ("b", '\'') => self.quote(),
            ("r", '#') => {
                self.next();
                self.identifier();
            }
            _ => self.source.words.push(Word { line, text }),
        }
    }
}

/// This package's folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file below a folder of this package, with its path from the package's root, sorted.
pub fn rust_files(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a source file is readable");
            let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
            (name, text)
        })
        .collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("a folder lists").path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn comments_strings_and_lifetimes_are_told_apart() {
    let source = Source::read(
        "fn a<'l>(x: &'l str) -> char { // note\n let s = r#\"a \"b\" // c\"#; '\\'' }\n/* x /* y */ z */ b'\"'; \"q\\\"r\"",
    );
    let words: Vec<_> = source.words.iter().map(|w| w.text.as_str()).collect();
    assert_eq!(words.join(" "), "fn a < l > ( x : & l str ) - > char { let s = ; } ;");
    assert_eq!(source.strings.iter().map(|s| s.text.as_str()).collect::<Vec<_>>(), ["a \"b\" // c", "q\"r"]);
    assert_eq!(source.comments[0], Word { line: 1, text: "note".into() });
    assert_eq!(source.words.last().map(|w| w.line), Some(3));
}
