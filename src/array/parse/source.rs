//! The text of a job, spans of bytes in it, and errors that point into it with a caret.

use crate::error::{Error, ErrorKind};
use std::sync::Arc;

/// Widest excerpt of a source line that an error shows, in characters: one row of a wide terminal.
const EXCERPT_CHARS_MAX: usize = 100;

/// A range of bytes of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes from `start` up to `end`.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { start: place(start), end: place(end) }
    }

    /// From the start of this span to the end of `other`.
    #[must_use]
    pub fn to(self, other: Span) -> Self {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// The text, shared by everything that points into it.
#[derive(Clone, Debug)]
pub struct SourceText(Arc<str>);

impl SourceText {
    /// Keeps a copy of `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        SourceText(Arc::from(text))
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The bytes of `span`; empty if it does not lie on characters.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.0.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// The number of the line that `span` starts on, from 1.
    #[must_use]
    pub fn line_number(&self, span: Span) -> usize {
        let before = self.0.as_bytes().get(..span.start as usize).unwrap_or(self.0.as_bytes());
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }

    /// A usage error at `span`.
    #[must_use]
    #[cold]
    pub fn error(&self, span: Span, message: impl AsRef<str>) -> Error {
        self.error_of(ErrorKind::Usage, span, message.as_ref())
    }

    /// An error of `kind` at `span`.
    #[must_use]
    #[cold]
    pub fn error_of(&self, kind: ErrorKind, span: Span, message: &str) -> Error {
        Error::new(kind, format!("{message}\n{}", self.excerpt(span)))
    }

    /// `error` of another floor, shown at `span`: kind, message and hint stay, the place in this crate's own code goes.
    #[must_use]
    #[cold]
    pub fn locate(&self, span: Span, error: &Error) -> Error {
        let mut located = self.error_of(error.kind(), span, error.message());
        if let Some(hint) = error.hint_text() {
            located = located.hint(hint);
        }
        match error.needed_bytes() {
            Some(bytes) => located.with_needed_bytes(bytes),
            None => located,
        }
    }

    /// The line of `span` and carets under it. Long lines are cut around the span, tabs count as one blank.
    fn excerpt(&self, span: Span) -> String {
        let bytes = self.0.as_bytes();
        let start = (span.start as usize).min(bytes.len());
        let line_start = bytes[..start].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let line_end = bytes[start..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| start + at);
        let end = (span.end as usize).clamp(start, line_end);
        let chars = |from: usize, to: usize| self.0.get(from..to).map_or(0, |part| part.chars().count());
        let (before, inside) = (chars(line_start, start), chars(start, end).max(1));
        let line: Vec<char> = self.0.get(line_start..line_end).unwrap_or("").chars().collect();

        // Text before the span gives way first: what is wrong stands in the span.
        let skipped = if line.len() > EXCERPT_CHARS_MAX { before.saturating_sub(EXCERPT_CHARS_MAX / 3) } else { 0 };
        let shown: String = line.iter().skip(skipped).take(EXCERPT_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { *c }).collect();
        let lead = if skipped > 0 { "..." } else { "" };
        let tail = if line.len() > skipped + EXCERPT_CHARS_MAX { "..." } else { "" };
        let indent = lead.len() + before - skipped;
        let carets = inside.min((EXCERPT_CHARS_MAX + skipped).saturating_sub(before)).max(1);
        let number = self.line_number(span).to_string();
        let margin = " ".repeat(number.len());
        format!("  {number} | {lead}{}{tail}\n  {margin} | {}{}", shown.trim_end(), " ".repeat(indent), "^".repeat(carets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_the_line_and_a_caret() {
        let source = SourceText::new("a = 1\nb = é + q; c = 2");
        let place = source.text().find('q').unwrap();
        assert_eq!(source.error(Span::new(place, place + 1), "bad").to_string(), "bad\n  2 | b = é + q; c = 2\n    |         ^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_span() {
        let source = SourceText::new(&"x + ".repeat(50_000));
        let text = source.error(Span::new(100_000, 100_001), "bad").to_string();
        assert!(text.len() < 400 && text.contains("..."), "{text}");
        let whole = source.error(Span::new(0, 200_000), "bad").to_string();
        assert!(whole.len() < 400, "{whole}");
    }

    #[test]
    fn a_span_at_the_end_or_outside_is_no_panic() {
        let source = SourceText::new("x +\n");
        for span in [Span::new(3, 3), Span::new(4, 4), Span::new(9, 99)] {
            assert!(source.error(span, "end").to_string().contains('^'));
        }
    }
}
