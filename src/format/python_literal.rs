//! The few Python literals that an npy header is made of: dict, tuple, list, string, int, True, False, None.
//!
//! A header is parsed, never evaluated. Nesting is bounded, so a hostile header cannot exhaust the stack.

use crate::error::{Error, Result};

/// Deepest nesting accepted. A header we can read needs 2; a structured dtype, which is refused by name, rarely more than 8.
const DEPTH_MAX: usize = 32;

/// A Python literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer; Python 2's `L` suffix is accepted. Saturates at the ends of `i128`.
    Integer(i128),
    /// `'…'` or `"…"`.
    Text(String),
    /// `(…)`.
    Tuple(Vec<Literal>),
    /// `[…]`.
    List(Vec<Literal>),
    /// `{…}`: every key, with the place where it stands, and its value.
    Dict(Vec<Entry>),
}

/// One entry of a dict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Place of the key in the text, in bytes.
    pub at: usize,
    /// Place of the value in the text, in bytes.
    pub value_at: usize,
    /// The key.
    pub key: Literal,
    /// The value.
    pub value: Literal,
}

impl Literal {
    /// What an error calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Literal::None => "None",
            Literal::Bool(_) => "a boolean",
            Literal::Integer(_) => "an integer",
            Literal::Text(_) => "a string",
            Literal::Tuple(_) => "a tuple",
            Literal::List(_) => "a list",
            Literal::Dict(_) => "a dict",
        }
    }
}

/// Parses all of `text` as one literal; `base` is added to the places that errors name.
pub(super) fn parse(text: &str, base: usize) -> Result<Literal> {
    let mut parser = Parser { text, at: 0, base };
    let literal = parser.literal(0)?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(literal),
        Some(found) => Err(parser.error(format!("unexpected {found:?} after {}", literal.kind()))),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    base: usize,
}

impl Parser<'_> {
    fn error(&self, what: impl std::fmt::Display) -> Error {
        Error::data(format!("npy header, byte {}: {what}", self.base + self.at))
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r', '\x0c']).len();
    }

    fn literal(&mut self, depth: usize) -> Result<Literal> {
        if depth > DEPTH_MAX {
            return Err(self.error(format!("nested more than {DEPTH_MAX} deep")));
        }
        self.skip_space();
        match self.peek() {
            None => Err(self.error("the header ends where a value should stand")),
            Some('{') => self.dict(depth),
            Some('(') => self.parenthesis(depth),
            Some('[') => Ok(Literal::List(self.items(']', depth)?.0)),
            Some('\'' | '"') => self.string().map(Literal::Text),
            Some('0'..='9' | '-' | '+') => self.integer(),
            Some(found) => self.word(found),
        }
    }

    /// `(a)` is `a`, `(a,)` is a tuple, as in Python.
    fn parenthesis(&mut self, depth: usize) -> Result<Literal> {
        let (mut items, comma) = self.items(')', depth)?;
        match items.pop() {
            Some(only) if items.is_empty() && comma == LastComma::Absent => Ok(only),
            last => {
                items.extend(last);
                Ok(Literal::Tuple(items))
            }
        }
    }

    fn items(&mut self, close: char, depth: usize) -> Result<(Vec<Literal>, LastComma)> {
        self.at += 1;
        let mut items = Vec::new();
        let mut comma = LastComma::Absent;
        loop {
            self.skip_space();
            if self.peek() == Some(close) {
                self.at += 1;
                return Ok((items, comma));
            }
            if !items.is_empty() && comma == LastComma::Absent {
                return Err(self.expected(format_args!("`,` or `{close}`")));
            }
            items.push(self.literal(depth + 1)?);
            comma = self.comma();
        }
    }

    fn dict(&mut self, depth: usize) -> Result<Literal> {
        self.at += 1;
        let mut entries = Vec::new();
        let mut comma = LastComma::Absent;
        loop {
            self.skip_space();
            if self.peek() == Some('}') {
                self.at += 1;
                return Ok(Literal::Dict(entries));
            }
            if !entries.is_empty() && comma == LastComma::Absent {
                return Err(self.expected("`,` or `}`"));
            }
            let at = self.base + self.at;
            let key = self.literal(depth + 1)?;
            self.skip_space();
            if self.peek() != Some(':') {
                return Err(self.expected("`:` after a key"));
            }
            self.at += 1;
            self.skip_space();
            let value_at = self.base + self.at;
            let value = self.literal(depth + 1)?;
            entries.push(Entry { at, value_at, key, value });
            comma = self.comma();
        }
    }

    fn comma(&mut self) -> LastComma {
        self.skip_space();
        if self.peek() == Some(',') {
            self.at += 1;
            return LastComma::Present;
        }
        LastComma::Absent
    }

    fn expected(&self, what: impl std::fmt::Display) -> Error {
        match self.peek() {
            Some(found) => self.error(format!("expected {what}, found {found:?}")),
            None => self.error(format!("expected {what}, found the end of the header")),
        }
    }

    fn string(&mut self) -> Result<String> {
        let start = self.at;
        let mut characters = self.rest().char_indices();
        let quote = characters.next().map_or('\'', |(_, quote)| quote);
        let mut value = String::new();
        while let Some((place, found)) = characters.next() {
            if found == quote {
                self.at = start + place + 1;
                return Ok(value);
            }
            // Escapes occur in field names only, which are refused whatever they are: the next character is kept as it is.
            value.push(if found == '\\' { characters.next().map_or('\\', |(_, escaped)| escaped) } else { found });
        }
        Err(self.error("a string is not closed"))
    }

    fn integer(&mut self) -> Result<Literal> {
        let digits_at = self.at + usize::from(self.rest().starts_with(['-', '+']));
        let digits = self.text[digits_at..].bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(self.error("a sign without digits"));
        }
        let negative = self.rest().starts_with('-');
        let magnitude: i128 = self.text[digits_at..digits_at + digits].parse().unwrap_or(i128::MAX);
        self.at = digits_at + digits;
        // Python 2 wrote long integers with an L.
        self.at += usize::from(self.rest().starts_with('L'));
        if self.rest().starts_with(|next: char| next.is_alphanumeric() || next == '_' || next == '.') {
            return Err(self.expected("the end of an integer"));
        }
        Ok(Literal::Integer(if negative { -magnitude } else { magnitude }))
    }

    fn word(&mut self, found: char) -> Result<Literal> {
        let length = self.rest().bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let literal = match &self.rest()[..length] {
            "True" => Literal::Bool(true),
            "False" => Literal::Bool(false),
            "None" => Literal::None,
            "" => return Err(self.error(format!("unexpected {found:?}"))),
            other => return Err(self.error(format!("unexpected word `{other}`"))),
        };
        self.at += length;
        Ok(literal)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LastComma {
    Present,
    Absent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_parse_as_in_python() {
        let integers = |values: &[i128]| values.iter().map(|&value| Literal::Integer(value)).collect::<Vec<_>>();
        for (text, want) in [
            ("(3, 4)", Literal::Tuple(integers(&[3, 4]))),
            (" ( 3L , ) ", Literal::Tuple(integers(&[3]))),
            ("(3)", Literal::Integer(3)),
            ("()", Literal::Tuple(vec![])),
            ("[1, -2,]", Literal::List(integers(&[1, -2]))),
            ("\"<f4\"", Literal::Text("<f4".into())),
            ("'it\\'s'", Literal::Text("it's".into())),
            ("True", Literal::Bool(true)),
            ("99999999999999999999999999999999999999999999", Literal::Integer(i128::MAX)),
        ] {
            assert_eq!(parse(text, 0).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn errors_name_the_place() {
        for (text, want) in [
            ("{'a': 1", "byte 17: expected `,` or `}`, found the end"),
            ("(1 2)", "byte 13: expected `,` or `)`, found '2'"),
            ("'abc", "byte 10: a string is not closed"),
            ("spam", "unexpected word `spam`"),
            ("1 2", "unexpected '2' after an integer"),
            ("{'a' 1}", "expected `:` after a key"),
            ("é", "unexpected 'é'"),
            ("1.5", "expected the end of an integer, found '.'"),
            ("-", "a sign without digits"),
        ] {
            let error = parse(text, 10).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
        assert!(parse(&"(".repeat(100_000), 0).unwrap_err().to_string().contains("nested"));
    }
}
