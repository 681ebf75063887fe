//! Columns that align, for terminals. What servers and senders wrote is shown without the characters that
//! would let them write on somebody's screen.

/// Wider cells of an aligned column are cut in their middle: both ends of an address tell more.
const CELL_MAX: usize = 44;

/// How a column is aligned. The last one of a table is never cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

pub struct Table {
    columns: Vec<(&'static str, Align)>,
    /// They only grow, so that pages printed one after the other still align.
    widths: Vec<usize>,
    headed: bool,
}

impl Table {
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        let widths = columns.iter().map(|(name, _)| name.chars().count()).collect();
        Self { columns: columns.to_vec(), widths, headed: false }
    }

    /// The next rows; before the first ones the names of the columns.
    pub fn rows(&mut self, rows: &[Vec<String>]) -> String {
        let last = self.columns.len().saturating_sub(1);
        let cell = |at: usize, text: &String| if at == last { plain(text) } else { cut(&plain(text)) };
        let rows: Vec<Vec<_>> =
            rows.iter().map(|row| row.iter().enumerate().map(|(at, text)| cell(at, text)).collect()).collect();
        for row in &rows {
            for (width, text) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(text.chars().count());
            }
        }
        let mut text = String::new();
        if !std::mem::replace(&mut self.headed, true) {
            let names: Vec<_> = self.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            self.line(&names, &mut text);
        }
        for row in &rows {
            self.line(row, &mut text);
        }
        text
    }

    fn line(&self, row: &[String], text: &mut String) {
        let mut line = String::new();
        for ((cell, (_, align)), width) in row.iter().zip(&self.columns).zip(&self.widths) {
            match align {
                Align::Left => line.push_str(&format!("{cell:<width$}  ")),
                Align::Right => line.push_str(&format!("{cell:>width$}  ")),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// On one line, and without control characters: a remote server's reply could hold an escape sequence. Nor
/// with those that turn the direction of writing around.
pub fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() || turns(c) => '?',
        c => c,
    };
    text.chars().map(shown).collect()
}

fn cut(text: &str) -> String {
    let length = text.chars().count();
    if length <= CELL_MAX {
        return text.to_owned();
    }
    let half = (CELL_MAX - 1) / 2;
    let head: String = text.chars().take(CELL_MAX - 1 - half).collect();
    let tail: String = text.chars().skip(length - half).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn columns_align_over_pages() {
        let mut table = Table::new(&[("ID", Align::Left), ("TRIES", Align::Right), ("WHY", Align::Left)]);
        let first = table.rows(&[row(&["dl_1", "3", "451 é"]), row(&["dl_22", "10", ""])]);
        assert_eq!(first, "ID     TRIES  WHY\ndl_1       3  451 é\ndl_22     10\n");
        assert_eq!(table.rows(&[row(&["dl_3", "1", "x"])]), "dl_3       1  x\n");
    }

    #[test]
    fn nobody_writes_on_the_screen() {
        assert_eq!(plain("\x1b]0;owned\x07 a\r\nb\u{202e}c"), "?]0;owned? a  b?c");
    }

    #[test]
    fn a_long_cell_keeps_both_ends_and_the_last_column_all() {
        let mut table = Table::new(&[("A", Align::Left), ("B", Align::Left)]);
        let long = format!("{}@{}", "a".repeat(60), "example.net");
        let text = table.rows(&[row(&[&long, &long])]);
        assert!(text.contains("aaa…") && text.contains("@example.net  aaa") && text.ends_with(&format!("{long}\n")));
    }
}
