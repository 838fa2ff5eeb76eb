//! The syntax tree: an arena whose nodes stand children before parents.
//!
//! A tree of boxes would recurse in its destructor and in every walk; a chain of 100,000 operators is a legal
//! text. In the arena every walk is a loop over a range of nodes.

use crate::{
    array::parse::source::{SourceText, Span},
    kernel::program::BinaryOp,
    nd::Scalar,
};

/// Index of an expression in [`Statements::expressions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExprId(pub u32);

impl ExprId {
    /// As an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where; without parentheses around it.
    pub span: Span,
}

/// What an expression is. Every operand is the child of exactly one node.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A number.
    Number(Scalar),
    /// A string.
    Text(String),
    /// A name that stands for a value; its text is the span.
    Name,
    /// `-x`, `+x`, `~x`.
    Unary(Sign, ExprId),
    /// An operator between two operands.
    Binary(BinaryOp, ExprId, ExprId),
    /// `a @ b`.
    Matmul(ExprId, ExprId),
    /// `(a, b)`.
    Tuple(Vec<ExprId>),
    /// `[a, b]`.
    List(Vec<ExprId>),
    /// `x.name`; the span is the name's.
    Attribute(ExprId, Span),
    /// `name(...)`; the span is the name's.
    Call(Span, Vec<Argument>),
    /// `x.name(...)`; the span is the name's.
    Method(ExprId, Span, Vec<Argument>),
    /// `x[...]`.
    Index(ExprId, Vec<IndexItem>),
}

/// A prefix operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Sign {
    Minus,
    Plus,
    Invert,
}

/// One argument of a call.
#[derive(Clone, Debug)]
pub struct Argument {
    /// The name in `name=value`.
    pub keyword: Option<Span>,
    /// The value.
    pub value: ExprId,
}

/// One item between the brackets of `x[...]`.
#[derive(Clone, Debug)]
pub enum IndexItem {
    /// An index, a mask, `None`.
    Value(ExprId),
    /// `start:stop:step`.
    Range {
        /// First coordinate.
        start: Option<ExprId>,
        /// One past the last coordinate.
        stop: Option<ExprId>,
        /// Distance.
        step: Option<ExprId>,
        /// The whole range.
        span: Span,
    },
    /// `...`.
    Ellipsis,
}

/// What a statement does.
#[derive(Clone, Debug)]
pub enum StatementKind {
    /// An expression.
    Value(ExprId),
    /// `name = value`, or `a, b = value`.
    Assign {
        /// The names.
        names: Vec<Span>,
        /// The value.
        value: ExprId,
        /// Whether the value is unpacked: `a, = value` is, with one name.
        form: AssignForm,
    },
    /// `assert condition, 'message'`.
    Assert {
        /// The condition.
        condition: ExprId,
        /// The message, if there is one.
        message: Option<String>,
    },
}

/// Whether an assignment takes the value whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignForm {
    /// `name = value`.
    Whole,
    /// `a, b = value`.
    Unpack,
}

/// One statement.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What it does.
    pub kind: StatementKind,
    /// First of its nodes; they end at the node of its expression.
    pub first: ExprId,
}

/// A parsed text. Made by [`parse`](super::parse).
#[derive(Clone, Debug)]
pub struct Statements {
    pub(super) source: SourceText,
    pub(super) expressions: Vec<Expr>,
    pub(super) statements: Vec<Statement>,
}

impl Statements {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.text()
    }

    /// Number of statements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// Whether there is no statement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// The names that are read somewhere and not assigned before, each once, in the order of the text: inputs, constants, dtypes.
    #[must_use]
    pub fn free_names(&self) -> Vec<&str> {
        let mut assigned = std::collections::HashSet::new();
        let mut seen = std::collections::HashSet::new();
        let mut free = Vec::new();
        for statement in &self.statements {
            let (StatementKind::Value(root) | StatementKind::Assign { value: root, .. } | StatementKind::Assert { condition: root, .. }) =
                &statement.kind;
            for expression in &self.expressions[statement.first.index()..=root.index()] {
                let name = self.source.slice(expression.span);
                if matches!(expression.kind, ExprKind::Name) && !assigned.contains(name) && seen.insert(name) {
                    free.push(name);
                }
            }
            if let StatementKind::Assign { names, .. } = &statement.kind {
                assigned.extend(names.iter().map(|&span| self.source.slice(span)));
            }
        }
        free
    }
}
