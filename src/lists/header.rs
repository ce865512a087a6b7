//! The header of a table: it names the columns, and the lines after it are rows of fields.

use super::fields::{Fields, Separator};

/// What a header says about the rows.
#[derive(Debug)]
pub struct Header<P> {
    separator: Separator,
    count: usize,
    /// What the reader of the table keeps of the names, such as where its columns are.
    pub columns: P,
}

impl<P> Header<P> {
    /// The header in `line`, if `find` finds its columns among the names. Names stand between commas,
    /// semicolons, tabs or blanks, and so do the fields of the rows.
    pub fn of_line(line: &str, find: impl Fn(&Fields) -> Option<P>) -> Option<Self> {
        Separator::OF_HEADERS.into_iter().find_map(|separator| {
            let names = Fields::split(line, separator).ok()?;
            Some(Header {
                separator,
                count: names.count(),
                columns: find(&names)?,
            })
        })
    }

    /// The fields of a row.
    ///
    /// # Errors
    /// The fact, for a row that has more or fewer fields than the header.
    pub fn row<'a>(&self, line: &'a str) -> Result<Fields<'a>, String> {
        let fields = Fields::split(line, self.separator)?;
        match fields.count() == self.count {
            true => Ok(fields),
            false => Err(format!(
                "{} fields instead of {}",
                fields.count(),
                self.count
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_separated_as_the_header_is() {
        let find = |names: &Fields| names.iter().position(|name| name == "b");
        for [header, line] in [
            ["a c,b", "1 2,x y"],
            ["a;b", "1,2;x y"],
            ["a\tb", "1\tx y"],
            ["\"a\" b", "1 \"x y\""],
        ] {
            let header = Header::of_line(header, find).unwrap();
            assert_eq!(&header.row(line).unwrap()[header.columns], "x y");
            let fact = header.row("1").unwrap_err();
            assert_eq!(fact, "1 fields instead of 2");
        }
        assert!(Header::of_line("a,c", find).is_none());
    }
}
