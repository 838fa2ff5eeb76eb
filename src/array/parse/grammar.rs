//! Tokens to statements: a Pratt parser.
//!
//! Operators of one level are a loop, so chains of any length need no stack; brackets, prefix operators and the
//! right side of `**` recurse, at most [`NESTING_MAX`] deep. Levels, weakest first: comparisons (which do not chain),
//! `|`, `^`, `&`, `+ -`, `* / // %`, prefix `- + ~`, `**`, then `x.name`, `x(...)`, `x[...]`.

use crate::{
    array::parse::{
        ast::{Argument, AssignForm, Expr, ExprId, ExprKind, IndexItem, Sign, Statement, StatementKind, Statements},
        lexer::{Token, TokenKind, tokens},
        refuse::reserved,
        source::{SourceText, Span},
    },
    error::{Error, Result},
    kernel::program::BinaryOp,
};

/// Deepest nesting of brackets and prefix operators. Some 2 KiB of stack per level in a debug build: far from any thread's limit.
pub const NESTING_MAX: usize = 200;
/// Longest chain of `x.name`, `x.name(...)` and `x[...]` behind one value. What such a chain leaves of the axes of `x` is composed link
/// by link, in time that grows with the square of its length: this one takes a tenth of a second.
const LINKS_MAX: usize = 20_000;
/// Longest text: spans are 32 bits, and no expression anyone wrote comes near.
const TEXT_BYTES_MAX: usize = 64 << 20;

const COMPARE: u8 = 1;

/// Parses `text` into statements. Nothing is looked up yet: names get their meaning in [`Program::build`](super::Program::build).
///
/// ```
/// use outcore::array::parse::parse;
/// assert_eq!(parse("m = mean(x, axis=0); x - m")?.free_names(), ["x"]);
/// assert!(parse("x +").unwrap_err().message().contains('^'));
/// # Ok::<(), outcore::Error>(())
/// ```
///
/// # Errors
/// A usage error that shows the line with a caret under the place.
pub fn parse(text: &str) -> Result<Statements> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Error::usage(format!("a text of {} bytes, more than {TEXT_BYTES_MAX}", text.len())));
    }
    let source = SourceText::new(text);
    let tokens = tokens(&source)?;
    let parser = Parser { source: &source, tokens, at: 0, depth: 0, expressions: Vec::new() };
    let (expressions, statements) = parser.run()?;
    Ok(Statements { source, expressions, statements })
}

/// Parses what stands between the brackets of `x[...]` alone, as one statement `_[...]`.
pub(super) fn parse_subscript(text: &str) -> Result<Statements> {
    parse(&format!("_[{text}]"))
}

pub(super) struct Parser<'a> {
    pub source: &'a SourceText,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    expressions: Vec<Expr>,
}

/// An operator between two operands.
#[derive(Clone, Copy)]
enum Infix {
    /// Of their elements.
    Each(BinaryOp),
    /// Of matrices.
    Matmul,
}

impl Parser<'_> {
    fn run(mut self) -> Result<(Vec<Expr>, Vec<Statement>)> {
        let mut statements = Vec::new();
        loop {
            while self.kind() == &TokenKind::Separator {
                self.at += 1;
            }
            if self.kind() == &TokenKind::End {
                return Ok((self.expressions, statements));
            }
            statements.push(self.statement()?);
            if !matches!(self.kind(), TokenKind::Separator | TokenKind::End) {
                return Err(self.unexpected("the end of the statement"));
            }
        }
    }

    pub(super) fn kind(&self) -> &TokenKind {
        &self.tokens[self.at].kind
    }

    pub(super) fn span(&self) -> Span {
        self.tokens[self.at].span
    }

    pub(super) fn text(&self) -> &str {
        self.source.slice(self.span())
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.kind(), TokenKind::Symbol(found) if *found == symbol)
    }

    fn is_word(&self, word: &str) -> bool {
        self.kind() == &TokenKind::Name && self.text() == word
    }

    /// Steps over `symbol` if it comes next.
    fn take(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    /// The end of the token before this one.
    fn previous_end(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].span
    }

    fn push(&mut self, kind: ExprKind, span: Span) -> Result<ExprId> {
        let id = u32::try_from(self.expressions.len()).map_err(|_| self.source.error(span, "a text of more than 2^32 expressions"))?;
        self.expressions.push(Expr { kind, span });
        Ok(ExprId(id))
    }

    fn span_of(&self, id: ExprId) -> Span {
        self.expressions[id.index()].span
    }

    fn statement(&mut self) -> Result<Statement> {
        let first = ExprId(u32::try_from(self.expressions.len()).unwrap_or(u32::MAX));
        let kind = if self.is_word("assert") {
            self.assertion()?
        } else if let Some((names, form)) = self.targets()? {
            let value = self.value_of_statement()?;
            if self.is_symbol("=") {
                return Err(self.source.error(self.span(), "an assignment has one `=`").hint("write `a = value; b = a`"));
            }
            StatementKind::Assign { names, value, form }
        } else {
            StatementKind::Value(self.value_of_statement()?)
        };
        Ok(Statement { kind, first })
    }

    fn assertion(&mut self) -> Result<StatementKind> {
        self.at += 1;
        let condition = self.expression()?;
        let message = if self.take(",") {
            let TokenKind::Text(message) = self.kind().clone() else { return Err(self.unexpected("a message in quotes")) };
            self.at += 1;
            Some(message)
        } else {
            None
        };
        Ok(StatementKind::Assert { condition, message })
    }

    /// The names before `=`, if this statement assigns.
    fn targets(&mut self) -> Result<Option<(Vec<Span>, AssignForm)>> {
        let start = self.at;
        let mut names = Vec::new();
        let mut form = AssignForm::Whole;
        let bracket = self.is_symbol("(") || self.is_symbol("[");
        let from = start + usize::from(bracket);
        let mut at = from;
        while self.tokens[at].kind == TokenKind::Name {
            names.push(self.tokens[at].span);
            at += 1;
            if self.tokens[at].kind == TokenKind::Symbol(",") {
                form = AssignForm::Unpack;
                at += 1;
            } else {
                break;
            }
        }
        if bracket && matches!(self.tokens[at].kind, TokenKind::Symbol(")" | "]")) {
            at += 1;
        }
        if names.is_empty() || self.tokens[at].kind != TokenKind::Symbol("=") {
            return Ok(None);
        }
        for &span in &names {
            if let Some(word) = reserved(self.source.slice(span)) {
                return Err(self.source.error(span, format!("`{word}` cannot be assigned to")));
            }
        }
        self.at = at + 1;
        Ok(Some((names, form)))
    }

    /// An expression, or several with commas between: a tuple without parentheses.
    fn value_of_statement(&mut self) -> Result<ExprId> {
        let first = self.expression()?;
        if !self.is_symbol(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.take(",") {
            if matches!(self.kind(), TokenKind::Separator | TokenKind::End) {
                break;
            }
            items.push(self.expression()?);
        }
        let span = self.span_of(first).to(self.previous_end());
        self.push(ExprKind::Tuple(items), span)
    }

    fn expression(&mut self) -> Result<ExprId> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(self
                .source
                .error(self.span(), format!("brackets and prefix operators are nested more than {NESTING_MAX} deep"))
                .hint("give inner parts names: `a = ...; b = f(a)`"));
        }
        let result = self.level(COMPARE);
        self.depth -= 1;
        result
    }

    /// An expression of operators that bind at least as strongly as `weakest`.
    fn level(&mut self, weakest: u8) -> Result<ExprId> {
        let start = self.span();
        let mut left = self.prefix()?;
        let mut compared = false;
        while let Some((op, level)) = self.operator()?.filter(|(_, level)| *level >= weakest) {
            if level == COMPARE && std::mem::replace(&mut compared, true) {
                return Err(self
                    .source
                    .error(self.span(), "comparisons do not chain")
                    .hint("write `(a < b) & (b < c)`; `&` and `|` bind tighter than comparisons, so these need parentheses"));
            }
            self.at += 1;
            let right = self.level(level + 1)?;
            // The span starts at an opening parenthesis of the left operand and ends at a closing one of the right.
            let span = start.to(self.previous_end());
            let kind = match op {
                Infix::Each(op) => ExprKind::Binary(op, left, right),
                Infix::Matmul => ExprKind::Matmul(left, right),
            };
            left = self.push(kind, span)?;
        }
        Ok(left)
    }

    /// The binary operator that comes next, `**` excepted, or an error about one that does not exist.
    fn operator(&self) -> Result<Option<(Infix, u8)>> {
        use BinaryOp::{
            Add, BitwiseAnd, BitwiseOr, BitwiseXor, Divide, Equal, FloorDivide, Greater, GreaterEqual, LeftShift, Less, LessEqual,
            Multiply, NotEqual, Remainder, RightShift, Subtract,
        };
        let found = match self.kind() {
            TokenKind::Symbol(symbol) => match *symbol {
                "<" => (Less, COMPARE),
                "<=" => (LessEqual, COMPARE),
                ">" => (Greater, COMPARE),
                ">=" => (GreaterEqual, COMPARE),
                "==" => (Equal, COMPARE),
                "!=" => (NotEqual, COMPARE),
                "|" => (BitwiseOr, 2),
                "^" => (BitwiseXor, 3),
                "&" => (BitwiseAnd, 4),
                "<<" => (LeftShift, 5),
                ">>" => (RightShift, 5),
                "+" => (Add, 6),
                "-" => (Subtract, 6),
                "*" => (Multiply, 7),
                "/" => (Divide, 7),
                "//" => (FloorDivide, 7),
                "%" => (Remainder, 7),
                "@" => return Ok(Some((Infix::Matmul, 7))),
                _ => return self.refuse_symbol(symbol).map_or(Ok(None), Err),
            },
            TokenKind::Name => return self.refuse_word().map_or(Ok(None), Err),
            _ => return Ok(None),
        };
        Ok(Some((Infix::Each(found.0), found.1)))
    }

    fn prefix(&mut self) -> Result<ExprId> {
        let sign = match self.kind() {
            TokenKind::Symbol("-") => Sign::Minus,
            TokenKind::Symbol("+") => Sign::Plus,
            TokenKind::Symbol("~") => Sign::Invert,
            _ => return self.power(),
        };
        let start = self.span();
        self.at += 1;
        let operand = self.nested(Self::prefix)?;
        let span = start.to(self.previous_end());
        self.push(ExprKind::Unary(sign, operand), span)
    }

    /// `base ** exponent`: the exponent may have a sign, and `**` again to its right.
    fn power(&mut self) -> Result<ExprId> {
        let start = self.span();
        let base = self.postfix()?;
        if !self.take("**") {
            return Ok(base);
        }
        let exponent = self.nested(Self::prefix)?;
        let span = start.to(self.previous_end());
        self.push(ExprKind::Binary(BinaryOp::Power, base, exponent), span)
    }

    /// Runs `inner` one level of nesting deeper.
    fn nested(&mut self, inner: fn(&mut Self) -> Result<ExprId>) -> Result<ExprId> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(self.source.error(self.span(), format!("operators are nested more than {NESTING_MAX} deep")));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn postfix(&mut self) -> Result<ExprId> {
        let start = self.span();
        let mut value = self.atom()?;
        for link in 0.. {
            if link == LINKS_MAX && (self.is_symbol("[") || self.is_symbol(".")) {
                let error = self.source.error(self.span(), format!("more than {LINKS_MAX} attributes, calls and indices of one value"));
                return Err(error.hint("save a part of the chain, or say it in fewer steps: `x.T.T` is `x`"));
            }
            if self.take("[") {
                let items = self.index_items()?;
                let span = start.to(self.previous_end());
                value = self.push(ExprKind::Index(value, items), span)?;
            } else if self.take(".") {
                if self.kind() != &TokenKind::Name {
                    return Err(self.unexpected("a name after `.`"));
                }
                let name = self.span();
                self.at += 1;
                let kind = if self.take("(") { ExprKind::Method(value, name, self.arguments()?) } else { ExprKind::Attribute(value, name) };
                let span = start.to(self.previous_end());
                value = self.push(kind, span)?;
            } else if self.is_symbol("(") {
                return Err(self.source.error(start.to(self.span()), "only a name can be called").hint("`*` multiplies: `a * (b)`"));
            } else {
                break;
            }
        }
        Ok(value)
    }

    fn atom(&mut self) -> Result<ExprId> {
        let span = self.span();
        match self.kind().clone() {
            TokenKind::Number(value) => {
                self.at += 1;
                self.push(ExprKind::Number(value), span)
            }
            TokenKind::Text(value) => {
                self.at += 1;
                self.push(ExprKind::Text(value), span)
            }
            TokenKind::Name => {
                if let Some(error) = self.refuse_word() {
                    return Err(error);
                }
                self.at += 1;
                if self.take("(") {
                    let arguments = self.arguments()?;
                    return self.push(ExprKind::Call(span, arguments), span.to(self.previous_end()));
                }
                self.push(ExprKind::Name, span)
            }
            TokenKind::Symbol("(") => self.parenthesis(),
            TokenKind::Symbol("[") => {
                self.at += 1;
                let (items, _) = self.items("]", span)?;
                self.push(ExprKind::List(items), span.to(self.previous_end()))
            }
            TokenKind::Symbol(symbol) => Err(self.refuse_symbol(symbol).unwrap_or_else(|| self.unexpected("a value"))),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn parenthesis(&mut self) -> Result<ExprId> {
        let start = self.span();
        self.at += 1;
        let (items, commas) = self.items(")", start)?;
        match items.as_slice() {
            [only] if commas == 0 => Ok(*only),
            _ => self.push(ExprKind::Tuple(items), start.to(self.previous_end())),
        }
    }

    /// Expressions up to `close`, and the number of commas.
    fn items(&mut self, close: &'static str, open: Span) -> Result<(Vec<ExprId>, usize)> {
        let (mut items, mut commas) = (Vec::new(), 0);
        loop {
            if self.take(close) {
                return Ok((items, commas));
            }
            items.push(self.expression()?);
            if self.take(",") {
                commas += 1;
            } else if !self.is_symbol(close) {
                return Err(self.unclosed(close, open));
            }
        }
    }

    fn arguments(&mut self) -> Result<Vec<Argument>> {
        let open = self.previous_end();
        let mut arguments: Vec<Argument> = Vec::new();
        loop {
            if self.take(")") {
                return Ok(arguments);
            }
            let named = self.kind() == &TokenKind::Name && self.tokens[self.at + 1].kind == TokenKind::Symbol("=");
            let keyword = named.then(|| self.span());
            if let Some(name) = keyword {
                let text = self.source.slice(name);
                if arguments.iter().any(|argument| argument.keyword.is_some_and(|other| self.source.slice(other) == text)) {
                    return Err(self.source.error(name, format!("`{text}=` is given twice")));
                }
                self.at += 2;
            } else if arguments.last().is_some_and(|argument| argument.keyword.is_some()) {
                return Err(self.source.error(self.span(), "an argument without a name stands after one with a name"));
            }
            let value = self.expression()?;
            arguments.push(Argument { keyword, value });
            if !self.take(",") && !self.is_symbol(")") {
                return Err(self.unclosed(")", open));
            }
        }
    }

    fn index_items(&mut self) -> Result<Vec<IndexItem>> {
        let open = self.previous_end();
        let mut items = Vec::new();
        loop {
            if self.is_symbol("]") && items.is_empty() {
                return Err(self.source.error(open.to(self.span()), "an index is missing between the brackets"));
            }
            if self.take("]") {
                return Ok(items);
            }
            items.push(self.index_item()?);
            if !self.take(",") && !self.is_symbol("]") {
                return Err(self.unclosed("]", open));
            }
        }
    }

    fn index_item(&mut self) -> Result<IndexItem> {
        if self.take("...") {
            return Ok(IndexItem::Ellipsis);
        }
        let from = self.span();
        let ends = |parser: &Self| parser.is_symbol(":") || parser.is_symbol(",") || parser.is_symbol("]");
        let start = if self.is_symbol(":") { None } else { Some(self.expression()?) };
        if !self.take(":") {
            return start.map(IndexItem::Value).ok_or_else(|| self.unexpected("an index"));
        }
        let stop = if ends(self) { None } else { Some(self.expression()?) };
        let step = if self.take(":") && !ends(self) { Some(self.expression()?) } else { None };
        Ok(IndexItem::Range { start, stop, step, span: from.to(self.previous_end()) })
    }
}
