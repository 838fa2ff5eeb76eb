//! Text to tokens. Newlines count as separators except inside brackets; comments run from `#` to the end of the line.

use crate::{
    array::parse::source::{SourceText, Span},
    error::Result,
    nd::Scalar,
};

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind {
    /// A literal number.
    Number(Scalar),
    /// A quoted string, escapes resolved.
    Text(String),
    /// A name or a word of the language; its text is the span.
    Name,
    /// An operator or a bracket.
    Symbol(&'static str),
    /// A newline outside brackets, or `;`.
    Separator,
    /// The end of the text.
    End,
}

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where.
    pub span: Span,
}

/// Symbols, longer ones first where one begins another.
const SYMBOLS: [&str; 40] = [
    "...", "**=", "//=", "<<=", ">>=", "**", "//", "==", "!=", "<=", ">=", "<<", ">>", "&&", "||", ":=", "->", "+=", "-=", "*=", "/=",
    "%=", "&=", "|=", "^=", "(", ")", "[", "]", ",", ":", ".", "=", "<", ">", "+", "-", "*", "/", "%",
];
/// Symbols of one character that begin no other.
const SINGLES: [&str; 7] = ["&", "|", "^", "~", "@", "!", "?"];

/// All tokens of `source`; the last one is [`TokenKind::End`].
pub fn tokens(source: &SourceText) -> Result<Vec<Token>> {
    Lexer { source, at: 0, brackets: 0, tokens: Vec::new() }.run()
}

struct Lexer<'a> {
    source: &'a SourceText,
    at: usize,
    /// Open brackets, so that a newline inside them is blank.
    brackets: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn run(mut self) -> Result<Vec<Token>> {
        while let Some(next) = self.peek() {
            let start = self.at;
            match next {
                '\n' | ';' => {
                    self.at += 1;
                    if next == ';' || self.brackets == 0 {
                        self.push(TokenKind::Separator, start);
                    }
                }
                '#' => self.skip_while(|c| c != '\n'),
                '\\' if self.rest()[1..].trim_start_matches([' ', '\t', '\r']).starts_with('\n') => {
                    self.skip_while(|c| c != '\n');
                    self.at += 1;
                }
                c if c.is_whitespace() || c == '\u{feff}' => self.at += c.len_utf8(),
                '\'' | '"' => self.text(next)?,
                c if c.is_ascii_digit() => self.number()?,
                '.' if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number()?,
                c if is_name_start(c) => {
                    self.skip_while(is_name_part);
                    self.push(TokenKind::Name, start);
                }
                c => self.symbol(c)?,
            }
        }
        let end = self.source.text().len();
        self.at = end;
        self.push(TokenKind::End, end);
        Ok(self.tokens)
    }

    fn rest(&self) -> &str {
        &self.source.text()[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        self.tokens.push(Token { kind, span: Span::new(start, self.at) });
    }

    fn symbol(&mut self, c: char) -> Result<()> {
        let start = self.at;
        let Some(symbol) = SYMBOLS.iter().chain(&SINGLES).find(|symbol| self.rest().starts_with(**symbol)) else {
            let error = self.source.error(Span::new(start, start + c.len_utf8()), format!("unexpected character `{}`", c.escape_default()));
            return Err(match look_alike(c) {
                Some(meant) => error.hint(format!("write `{meant}`")),
                None => error,
            });
        };
        match *symbol {
            "(" | "[" => self.brackets += 1,
            ")" | "]" => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
        self.at += symbol.len();
        self.push(TokenKind::Symbol(symbol), start);
        Ok(())
    }

    fn text(&mut self, quote: char) -> Result<()> {
        let start = self.at;
        let mut value = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((place, c)) = chars.next() {
            match c {
                '\n' => break,
                '\\' => match chars.next().map(|(_, escaped)| escaped) {
                    Some('n') => value.push('\n'),
                    Some('t') => value.push('\t'),
                    Some(escaped) if escaped != '\n' => value.push(escaped),
                    _ => break,
                },
                c if c == quote => {
                    self.at += place + 1;
                    self.push(TokenKind::Text(value), start);
                    return Ok(());
                }
                c => value.push(c),
            }
        }
        Err(self.source.error(Span::new(start, start + 1), format!("the string that starts here has no closing {quote}")))
    }

    fn number(&mut self) -> Result<()> {
        let start = self.at;
        let radix = match self.rest().get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("0x") => Some(16),
            Some("0b") => Some(2),
            Some("0o") => Some(8),
            _ => None,
        };
        let value = match radix {
            Some(radix) => {
                self.at += 2;
                self.skip_while(|c| c.is_ascii_alphanumeric() || c == '_');
                self.integer(start, start + 2, radix)?
            }
            None if self.decimal_is_float() => self.float(start)?,
            None => self.integer(start, start, 10)?,
        };
        if let Some(next) = self.peek().filter(|&c| is_name_start(c)) {
            let text = self.source.slice(Span::new(start, self.at)).to_string();
            let span = Span::new(start, self.at + next.len_utf8());
            let error = self.source.error(span, format!("a number and a name run together after `{text}`"));
            let complex = matches!(next, 'j' | 'J');
            return Err(error.hint(if complex {
                "complex numbers are not available".to_string()
            } else {
                format!("write `{text} * {next}...`")
            }));
        }
        self.push(TokenKind::Number(value), start);
        Ok(())
    }

    /// Walks over a decimal number; whether it has a point or an exponent.
    fn decimal_is_float(&mut self) -> bool {
        let digits = |c: char| c.is_ascii_digit() || c == '_';
        self.skip_while(digits);
        let mut float = false;
        // `1...` is a number and an ellipsis; `1.T` would be a float and a name, which Python refuses too.
        if self.rest().starts_with('.') && !self.rest().starts_with("...") {
            float = true;
            self.at += 1;
            self.skip_while(digits);
        }
        let exponent = self.rest().strip_prefix(['e', 'E']).map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
        if let Some(after) = exponent.filter(|after| after.starts_with(|c: char| c.is_ascii_digit())) {
            float = true;
            self.at += self.rest().len() - after.len();
            self.skip_while(digits);
        }
        float
    }

    fn integer(&self, start: usize, digits_start: usize, radix: u32) -> Result<Scalar> {
        let span = Span::new(start, self.at);
        let digits = self.digits(digits_start, span)?;
        match i128::from_str_radix(&digits, radix) {
            Ok(value) => Ok(Scalar::Int(value)),
            Err(_) if !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix)) => {
                Err(self.source.error(span, "an integer of more than 127 bits").hint("write it as a float, as in `1e40`"))
            }
            Err(_) => Err(self.source.error(span, format!("`{}` is not a number", self.source.slice(span)))),
        }
    }

    fn float(&self, start: usize) -> Result<Scalar> {
        let span = Span::new(start, self.at);
        let digits = self.digits(start, span)?;
        digits.parse().map(Scalar::Float).map_err(|_| self.source.error(span, format!("`{}` is not a number", self.source.slice(span))))
    }

    /// The text without `_`, which may stand between digits only.
    fn digits(&self, start: usize, span: Span) -> Result<String> {
        let text = self.source.slice(Span::new(start, self.at));
        if text.ends_with('_') || text.contains("__") || text.contains("_.") || text.contains("._") || text.contains("_e") {
            return Err(self.source.error(span, format!("`_` may stand between two digits only, as in `1_000`, not in `{text}`")));
        }
        Ok(text.replace('_', ""))
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What characters that word processors make were meant to be.
fn look_alike(c: char) -> Option<&'static str> {
    match c {
        '\u{2018}' | '\u{2019}' => Some("'"),
        '\u{201c}' | '\u{201d}' => Some("\""),
        '\u{2212}' | '\u{2013}' | '\u{2014}' => Some("-"),
        '\u{d7}' | '\u{b7}' => Some("*"),
        '\u{f7}' => Some("/"),
        '\u{2264}' => Some("<="),
        '\u{2265}' => Some(">="),
        '\u{2260}' => Some("!="),
        '\u{2026}' => Some("..."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(&SourceText::new(text)).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn numbers_are_pythons() {
        let cases: [(&str, Scalar); 14] = [
            ("0", Scalar::Int(0)),
            ("1_000", Scalar::Int(1000)),
            ("0x1F", Scalar::Int(31)),
            ("0b101", Scalar::Int(5)),
            ("0o17", Scalar::Int(15)),
            ("1.5", Scalar::Float(1.5)),
            (".5", Scalar::Float(0.5)),
            ("5.", Scalar::Float(5.0)),
            ("1e-3", Scalar::Float(1e-3)),
            ("1.e5", Scalar::Float(1e5)),
            ("2E+2", Scalar::Float(200.0)),
            ("1_0.0_1", Scalar::Float(10.01)),
            ("1e999", Scalar::Float(f64::INFINITY)),
            ("170141183460469231731687303715884105727", Scalar::Int(i128::MAX)),
        ];
        for (text, want) in cases {
            assert_eq!(kinds(text), [TokenKind::Number(want), TokenKind::End], "{text}");
        }
        for bad in ["1__0", "1_", "0x", "0xg", "2x", "1j", "170141183460469231731687303715884105728", "1_.5"] {
            assert!(tokens(&SourceText::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn newlines_separate_outside_brackets_only() {
        let count = |text: &str| kinds(text).iter().filter(|kind| **kind == TokenKind::Separator).count();
        assert_eq!(count("a\nb;c # d ; e\nf"), 3);
        assert_eq!(count("(a\n+b)\n"), 1);
        assert_eq!(count("a + \\\n b"), 0);
    }

    #[test]
    fn strings_and_symbols() {
        assert_eq!(kinds(r#"'it\'s'"#)[0], TokenKind::Text("it's".to_string()));
        assert_eq!(kinds("a**-b//...")[1], TokenKind::Symbol("**"));
        assert!(tokens(&SourceText::new("'open")).unwrap_err().message().contains("no closing"));
        assert!(tokens(&SourceText::new("a \u{2212} b")).unwrap_err().to_string().contains("write `-`"));
    }
}
