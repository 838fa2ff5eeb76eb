//! What the parser says instead: words and symbols of other languages, brackets that do not close.

use crate::{
    array::parse::{grammar::Parser, lexer::TokenKind, source::Span},
    error::Error,
};

impl Parser<'_> {
    pub(super) fn refuse_symbol(&self, symbol: &str) -> Option<Error> {
        let (message, hint) = match symbol {
            "&&" => ("`&&` is not an operator".to_string(), "write `(a) & (b)`"),
            "||" => ("`||` is not an operator".to_string(), "write `(a) | (b)`"),
            "!" => ("`!` is not an operator".to_string(), "write `!=` to compare, `~` to invert"),
            "?" => ("`?` is not an operator".to_string(), "write `where(condition, a, b)`"),
            ":=" | "->" => (format!("`{symbol}` is not part of the language"), "write `name = value` as a statement of its own"),
            "+=" | "-=" | "*=" | "/=" | "//=" | "%=" | "**=" | "&=" | "|=" | "^=" | "<<=" | ">>=" => {
                (format!("`{symbol}` is not available: names are given values, arrays are never changed"), "write `x = x + ...`")
            }
            _ => return None,
        };
        Some(self.source.error(self.span(), message).hint(hint))
    }

    pub(super) fn refuse_word(&self) -> Option<Error> {
        let word = self.text();
        let hint = match word {
            "and" => "`&` works on each element: `(a) & (b)`, with parentheses around comparisons",
            "or" => "`|` works on each element: `(a) | (b)`, with parentheses around comparisons",
            "not" => "`~` works on each element: `~(a)`",
            "is" | "in" => "compare with `==`",
            "if" | "else" => "write `where(condition, a, b)`",
            "for" | "while" | "lambda" | "def" | "import" | "from" | "return" => {
                "every function works on whole arrays; there is no control flow"
            }
            _ => return None,
        };
        Some(self.source.error(self.span(), format!("`{word}` is not part of the language")).hint(hint))
    }

    pub(super) fn unclosed(&self, close: &str, open: Span) -> Error {
        match self.kind() {
            TokenKind::End | TokenKind::Separator | TokenKind::Symbol(")" | "]") => {
                self.source.error(open, format!("`{}` is never closed by `{close}`", self.source.slice(open)))
            }
            TokenKind::Symbol("=") => {
                self.source.error(self.span(), "`=` gives a name a value, as a statement or an argument").hint("`==` compares")
            }
            _ => self.unexpected(&format!("`,` or `{close}`")),
        }
    }

    pub(super) fn unexpected(&self, wanted: &str) -> Error {
        let found = match self.kind() {
            TokenKind::End => return self.source.error(self.span(), format!("{wanted} is missing at the end")),
            TokenKind::Separator => return self.source.error(self.span(), format!("{wanted} is missing before the end of the statement")),
            _ => self.text(),
        };
        let error = self.source.error(self.span(), format!("expected {wanted}, found `{found}`"));
        match self.kind() {
            TokenKind::Symbol("=") => {
                error.hint("only a name can be given a value; arrays are never changed in place: `where(condition, new, x)`")
            }
            TokenKind::Symbol(")" | "]") => error.hint("a bracket too many, or a value is missing before it"),
            _ => error,
        }
    }
}

/// The word, if names may not be called so.
pub(super) fn reserved(name: &str) -> Option<&'static str> {
    const WORDS: [&str; 18] = [
        "True", "False", "None", "and", "or", "not", "is", "in", "if", "else", "for", "while", "lambda", "def", "import", "from", "return",
        "assert",
    ];
    WORDS.into_iter().find(|word| *word == name)
}
