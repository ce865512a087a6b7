//! Splits a line into fields at tabs, blanks, commas or semicolons. A field that contains one of
//! these stands in quotes.
//!
//! Not by the crate csv, because that splits at one byte only, not at any number of blanks, and copies
//! each line, while here fields are borrowed from it.

use std::{borrow::Cow, ops::Index};

/// What stands between the fields of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separator {
    /// Tabs if the line has one, otherwise one or more blanks.
    Blank,
    /// A comma or a semicolon.
    Char(u8),
}

impl Separator {
    /// What may stand between the names of a header, in the order in which they are tried.
    pub const OF_HEADERS: [Separator; 3] = [
        Separator::Char(b','),
        Separator::Char(b';'),
        Separator::Blank,
    ];
}

/// Fields that are kept without an allocation. Nearly every line has fewer.
const FIRST: usize = 16;

/// The fields of a line.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    first: [Cow<'a, str>; FIRST],
    /// The fields after these.
    rest: Vec<Cow<'a, str>>,
    count: usize,
}

impl Index<usize> for Fields<'_> {
    type Output = str;

    fn index(&self, at: usize) -> &str {
        match at.checked_sub(FIRST) {
            None => &self.first[at],
            Some(at) => &self.rest[at],
        }
    }
}

impl<'a> Fields<'a> {
    /// Splits `line` into its fields, without the blanks around each field.
    ///
    /// # Errors
    /// The fact, if the quotes do not match.
    pub fn split(line: &'a str, separator: Separator) -> Result<Self, &'static str> {
        let text = line.trim_ascii();
        let has = |byte: u8| memchr::memchr(byte, text.as_bytes()).is_some();
        let (text, gap) = match separator {
            Separator::Char(gap) => (text, Some(gap)),
            // A tab at either end has an empty field beside it.
            Separator::Blank if has(b'\t') => (line.trim_matches([' ', '\r']), Some(b'\t')),
            Separator::Blank => (text, None),
        };
        let mut fields = Fields::default();
        if has(b'"') {
            fields.add_quoted(text, gap)?;
            return Ok(fields);
        }
        match gap {
            Some(gap) => {
                let parts = text.split(char::from(gap));
                parts.for_each(|field| fields.push(field.trim_ascii().into()));
            }
            None => {
                let words = text.split(is_blank).filter(|word| !word.is_empty());
                words.for_each(|word| fields.push(word.into()));
            }
        }
        Ok(fields)
    }

    /// Number of fields in the line.
    pub fn count(&self) -> usize {
        self.count
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let all = self.first.iter().chain(&self.rest);
        all.take(self.count).map(|field| &**field)
    }

    /// Takes a field out.
    pub fn take(&mut self, at: usize) -> Cow<'a, str> {
        std::mem::take(match at.checked_sub(FIRST) {
            None => &mut self.first[at],
            Some(at) => &mut self.rest[at],
        })
    }

    /// Leaves out the fields from `count` on.
    pub fn truncate(&mut self, count: usize) {
        self.count = self.count.min(count);
    }

    fn push(&mut self, field: Cow<'a, str>) {
        match self.first.get_mut(self.count) {
            Some(place) => *place = field,
            None => self.rest.push(field),
        }
        self.count += 1;
    }

    /// Adds the fields of a line with quotes, in which `""` stands for a quote. Fields end at
    /// `gap`, or at blanks.
    fn add_quoted(&mut self, text: &'a str, gap: Option<u8>) -> Result<(), &'static str> {
        let is_gap = |c: char| match gap {
            Some(gap) => c == char::from(gap),
            None => is_blank(c),
        };
        let mut rest = text;
        loop {
            rest = match gap {
                Some(_) => rest.trim_start_matches(' '),
                None => rest.trim_start_matches(is_blank),
            };
            // Quotes in a comment need not match.
            if gap.is_none() && is_comment(self.count, rest) {
                return Ok(());
            }
            let field;
            (field, rest) = match rest.strip_prefix('"') {
                Some(inside) => quoted(inside)?,
                None => {
                    let (field, rest) = rest.split_at(rest.find(is_gap).unwrap_or(rest.len()));
                    (Cow::Borrowed(field.trim_ascii_end()), rest)
                }
            };
            self.push(field);
            if gap.is_some() {
                rest = rest.trim_start_matches(' ');
            }
            match rest.chars().next() {
                None => return Ok(()),
                // Every gap is a single byte.
                Some(c) if is_gap(c) => rest = &rest[1..],
                Some(_) => return Err("text after a closing quote"),
            }
        }
    }
}

fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace()
}

/// Whether a comment begins at the field of this number, as in `a b # why` and `a b 1.5 #why`. The
/// shortest line has two fields, and the third field may be a name that begins with `#`.
pub fn is_comment(number: usize, field: &str) -> bool {
    match number {
        0 | 1 => false,
        2 => field == "#" || field.starts_with("# "),
        _ => field.starts_with('#'),
    }
}

/// The field whose text begins at `inside`, after the quote, and what follows the closing quote.
fn quoted(inside: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    let mut end = 0;
    loop {
        let quote = inside[end..].find('"');
        end += quote.ok_or("a quote that is not closed")? + 1;
        if !inside[end..].starts_with('"') {
            let field = &inside[..end - 1];
            let field = match field.contains('"') {
                true => field.replace("\"\"", "\"").into(),
                false => field.into(),
            };
            return Ok((field, &inside[end..]));
        }
        end += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str, separator: Separator) -> Result<Vec<String>, &'static str> {
        let fields = Fields::split(line, separator)?;
        assert_eq!(fields.count(), fields.iter().count());
        Ok(fields.iter().map(String::from).collect())
    }

    #[test]
    fn fields_stand_between_separators() {
        let comma = Separator::Char(b',');
        for (line, separator, fields) in [
            ("  1  a b ", Separator::Blank, vec!["1", "a", "b"]),
            ("1\tmy a\tb", Separator::Blank, vec!["1", "my a", "b"]),
            ("\ta\tb\t", Separator::Blank, vec!["", "a", "b", ""]),
            ("1 a b\t", Separator::Blank, vec!["1", "a", "b"]),
            ("a\u{a0}b c", Separator::Blank, vec!["a\u{a0}b", "c"]),
            (" 1, my a ,b,", comma, vec!["1", "my a", "b", ""]),
            ("1;a;b", Separator::Char(b';'), vec!["1", "a", "b"]),
            ("1 \"my a\" b", Separator::Blank, vec!["1", "my a", "b"]),
            ("\"a\"\"b\" \"\"", Separator::Blank, vec!["a\"b", ""]),
            ("\"a,b\" ,c, \"d\",", comma, vec!["a,b", "c", "d", ""]),
            ("\"my a\"\tb\t", Separator::Blank, vec!["my a", "b", ""]),
            (
                "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 \"1 7\"",
                Separator::Blank,
                vec![
                    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14",
                    "15", "16", "1 7",
                ],
            ),
            (
                "\"my a\" b 1 # 5\" or \"6",
                Separator::Blank,
                vec!["my a", "b", "1"],
            ),
            ("6\" 7\"", Separator::Blank, vec!["6\"", "7\""]),
        ] {
            assert_eq!(split(line, separator).unwrap(), fields, "{line:?}");
        }
    }

    #[test]
    fn quotes_match() {
        for (line, fact) in [
            ("1 \"a b", "a quote that is not closed"),
            ("1 \"a\"b c", "text after a closing quote"),
            ("\"a\" b,c", "text after a closing quote"),
        ] {
            let separator = match line.contains(',') {
                true => Separator::Char(b','),
                false => Separator::Blank,
            };
            assert_eq!(split(line, separator).unwrap_err(), fact, "{line}");
        }
    }
}
