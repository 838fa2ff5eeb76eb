//! Statements to lazy arrays: names, literals, asserts, and what each statement is worth.
//!
//! Nodes of a statement stand children before parents, so a statement is evaluated by one loop over its nodes: no
//! recursion, whatever the length of a chain. Nothing is read from any input here.

use crate::{
    array::{
        Array, Session,
        node::Kind,
        parse::{
            ast::{Argument, AssignForm, Expr, ExprId, ExprKind, Sign, Statement, StatementKind, Statements},
            fold,
            functions::FunctionDoc,
            lineage::{Lineage, Notes},
            source::{SourceText, Span},
            suggest::nearest,
            value::Value,
        },
    },
    error::{Error, ErrorKind, Result},
    expr::Op,
    kernel::program::UnaryOp,
    nd::{DType, Scalar},
    numeric::{Finish, SumMode},
};
use std::collections::{HashMap, HashSet};

/// How a text is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// How reductions add floats.
    pub sum_mode: SumMode,
    /// Whether an axis note is an error.
    pub strict: bool,
}

/// What a text is worth.
#[derive(Clone, Debug)]
pub struct Built {
    /// Assigned names that are arrays or numbers, in the order of their first assignment, with their last value.
    pub values: Vec<(String, Array)>,
    /// Value of the last statement that has one, and its name: the assigned one, or `result`.
    pub result: Option<(String, Value)>,
    /// Messages and conditions that must be true everywhere; what could be decided without data has been.
    pub asserts: Vec<(String, Array)>,
    /// Axis notes, one line each.
    pub notes: Vec<String>,
}

impl Built {
    /// The array called `name`.
    ///
    /// # Errors
    /// A usage error that suggests the nearest name.
    pub fn array(&self, name: &str) -> Result<Array> {
        if let Some((_, array)) = self.values.iter().rev().find(|(known, _)| known == name) {
            return Ok(array.clone());
        }
        match &self.result {
            Some((known, Value::Array(array))) if known == name => return Ok(array.clone()),
            _ => {}
        }
        let error = Error::usage(format!("no statement gives `{name}` an array"));
        Err(match nearest(name, self.values.iter().map(|(known, _)| known.as_str())) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => error.hint(format!("add a statement `{name} = ...`")),
        })
    }
}

/// The way from statements to arrays.
#[derive(Clone, Copy, Debug)]
pub struct Program;

impl Program {
    /// Gives every name its meaning and builds the arrays. Static asserts are decided here.
    ///
    /// ```
    /// use outcore::array::parse::{BuildOptions, Program, parse};
    /// let x = outcore::Session::default_session().imagine(outcore::DType::F32, [1_000_000, 128]);
    /// let text = "assert x.shape[1] == 128; z = (x - mean(x, axis=0)) / std(x, axis=0)";
    /// let built = Program::build(&parse(text)?, &[("x".to_string(), x)], &BuildOptions::default())?;
    /// assert_eq!(built.array("z")?.shape()?, [1_000_000, 128]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first error of an input, unchanged; else the first error of the text, with its line and a caret.
    pub fn build(statements: &Statements, inputs: &[(String, Array)], options: &BuildOptions) -> Result<Built> {
        let mut builder = Builder::new(statements, inputs, *options)?;
        for statement in &statements.statements {
            builder.statement(statement)?;
        }
        builder.finish()
    }
}

/// A value and the past of its axes.
#[derive(Clone)]
pub(super) struct Item {
    pub value: Value,
    pub lineage: Lineage,
}

impl From<Value> for Item {
    fn from(value: Value) -> Self {
        Item { value, lineage: Lineage::default() }
    }
}

pub(super) struct Builder<'a> {
    pub statements: &'a Statements,
    pub source: &'a SourceText,
    pub options: BuildOptions,
    pub notes: Notes,
    pub inputs: &'a [(String, Array)],
    pub names: HashMap<&'a str, Item>,
    /// Assigned names, first assignment first.
    order: Vec<&'a str>,
    assigned: HashSet<&'a str>,
    bases: u32,
    asserts: Vec<(String, Array)>,
    result: Option<(String, Value, Span)>,
    /// Both sides of the last comparison that was decided here: what a failed assert shows.
    pub compared: Option<(ExprId, String)>,
}

/// Values of the nodes of one statement; each is taken once, by its parent.
pub(super) struct Values {
    first: usize,
    items: Vec<Option<Item>>,
}

impl Values {
    pub fn take(&mut self, id: ExprId) -> Result<Item> {
        let slot = id.index().checked_sub(self.first).and_then(|place| self.items.get_mut(place));
        slot.and_then(Option::take).ok_or_else(|| Error::internal("a node of the syntax tree was used twice"))
    }
}

impl<'a> Builder<'a> {
    fn new(statements: &'a Statements, inputs: &'a [(String, Array)], options: BuildOptions) -> Result<Self> {
        let mut builder = Builder {
            statements,
            source: &statements.source,
            options,
            notes: Notes::default(),
            inputs,
            names: HashMap::new(),
            order: Vec::new(),
            assigned: HashSet::new(),
            bases: 0,
            asserts: Vec::new(),
            result: None,
            compared: None,
        };
        for (name, array) in inputs {
            let item = builder.base(array.checked()?)?;
            if builder.names.insert(name, item).is_some() {
                return Err(Error::usage(format!("the input `{name}` is given twice")));
            }
        }
        Ok(builder)
    }

    fn statement(&mut self, statement: &'a Statement) -> Result<()> {
        match &statement.kind {
            StatementKind::Value(root) => {
                let item = self.evaluate(statement.first, *root)?;
                let expression = self.expression(*root);
                let name = if matches!(expression.kind, ExprKind::Name) { self.source.slice(expression.span) } else { "result" };
                self.result = Some((name.to_string(), item.value, expression.span));
            }
            StatementKind::Assign { names, value, form } => {
                let item = self.evaluate(statement.first, *value)?;
                self.result = Some((self.joined(names), item.value.clone(), self.span(*value)));
                match form {
                    AssignForm::Whole => self.assign(names[0], item),
                    AssignForm::Unpack => self.unpack(names, item, self.expression(*value))?,
                }
            }
            StatementKind::Assert { condition, message } => {
                let item = self.evaluate(statement.first, *condition)?;
                self.assertion(*condition, message.as_deref(), item)?;
            }
        }
        Ok(())
    }

    fn joined(&self, names: &[Span]) -> String {
        names.iter().map(|&span| self.source.slice(span)).collect::<Vec<_>>().join(", ")
    }

    fn assign(&mut self, name: Span, item: Item) {
        let statements: &'a Statements = self.statements;
        let name = statements.source.slice(name);
        if self.assigned.insert(name) {
            self.order.push(name);
        }
        self.names.insert(name, item);
    }

    fn unpack(&mut self, names: &[Span], item: Item, expression: &Expr) -> Result<()> {
        let items = match item.value {
            Value::Tuple(items) | Value::List(items) => items,
            other => {
                let error =
                    self.source.error(expression.span, format!("{} cannot be unpacked into {} names", other.describe(), names.len()));
                return Err(error.hint("take its parts by index: `a = x[0]; b = x[1]`"));
            }
        };
        if items.len() != names.len() {
            return Err(self.source.error(expression.span, format!("{} values for {} names", items.len(), names.len())));
        }
        for (&name, value) in names.iter().zip(items) {
            self.assign(name, Item::from(value));
        }
        Ok(())
    }

    fn assertion(&mut self, condition: ExprId, message: Option<&str>, item: Item) -> Result<()> {
        let span = self.expression(condition).span;
        let words: Vec<&str> = self.source.slice(span).split_whitespace().collect();
        let text = format!("assert {}", words.join(" "));
        let item = self.literal_to_array(item, span)?;
        match item.value {
            Value::Scalar(Scalar::Bool(true)) => Ok(()),
            Value::Scalar(Scalar::Bool(false)) => {
                let facts = self.compared.take().filter(|(id, _)| *id == condition).map(|(_, facts)| format!(": {facts}"));
                let said = message.map(|message| format!(" ({message})")).unwrap_or_default();
                let failed = format!("`{text}` does not hold{said}{}", facts.unwrap_or_default());
                Err(self.source.error_of(ErrorKind::Assert, span, &failed))
            }
            Value::Array(array) => {
                let dtype = array.dtype()?;
                if dtype != DType::Bool {
                    let error = self.source.error(span, format!("assert needs a bool condition, this one is {dtype}"));
                    return Err(error.hint("compare, as in `all(x != 0)`"));
                }
                let said = message.map(|message| format!(" ({message})")).unwrap_or_default();
                self.asserts.push((format!("{text}{said}"), elements_of_all(&array).unwrap_or(array)));
                Ok(())
            }
            Value::Tuple(_) => Err(self
                .source
                .error(span, "a tuple is always true, so this assert checks nothing")
                .hint("write `assert condition, 'message'` without parentheses")),
            other => {
                let error = self.source.error(span, format!("assert needs a condition, not {}", other.describe()));
                Err(error.hint("compare it, as in `x.shape[1] == 128`"))
            }
        }
    }

    fn finish(mut self) -> Result<Built> {
        let notes = std::mem::take(&mut self.notes).finish();
        if let Some(note) = notes.first().filter(|_| self.options.strict) {
            return Err(self.source.error(note.span, &note.text));
        }
        let notes = notes.iter().map(|note| format!("line {}: {}", self.source.line_number(note.span), note.text)).collect();
        let mut values = Vec::new();
        for &name in &self.order {
            // A list or an integer that is no array may still have served as something else.
            if let Some(array) = self.names.get(name).and_then(|item| self.settled(&item.value).ok().flatten()) {
                values.push((name.to_string(), array));
            }
        }
        let result = match self.result.take() {
            // A list of numbers is an array literal; a list of arrays stays one.
            Some((name, list @ Value::List(_), span)) => {
                let array = self.settled(&list).map_err(|error| self.source.locate(span, &error))?;
                Some((name, array.map_or(list, Value::Array)))
            }
            other => other.map(|(name, value, _)| (name, value)),
        };
        Ok(Built { values, result, asserts: self.asserts, notes })
    }

    /// A value that can be saved as an array.
    fn settled(&self, value: &Value) -> Result<Option<Array>> {
        match value {
            Value::Array(array) => Ok(Some(array.clone())),
            Value::Scalar(scalar) => Array::scalar(*scalar).checked().map(Some),
            Value::List(items) if !contains_array(items) => self.array_of_list(items).map(Some),
            _ => Ok(None),
        }
    }

    pub(super) fn expression(&self, id: ExprId) -> &'a Expr {
        &self.statements.expressions[id.index()]
    }

    pub(super) fn span(&self, id: ExprId) -> Span {
        self.expression(id).span
    }

    /// An array that is a base of its own.
    pub(super) fn base(&mut self, array: Array) -> Result<Item> {
        let rank = array.rank()?;
        self.bases += 1;
        Ok(Item { value: Value::Array(array), lineage: Lineage::base(self.bases, rank) })
    }

    /// Computes one statement's expression: all nodes from `first` to `root`, children before parents.
    fn evaluate(&mut self, first: ExprId, root: ExprId) -> Result<Item> {
        let mut values = Values { first: first.index(), items: Vec::with_capacity(root.index() + 1 - first.index()) };
        for index in first.index()..=root.index() {
            let id = ExprId(u32::try_from(index).map_err(|_| Error::internal("more than 2^32 nodes"))?);
            let item = self.node(id, &mut values)?;
            values.items.push(Some(item));
        }
        values.take(root)
    }

    fn node(&mut self, id: ExprId, values: &mut Values) -> Result<Item> {
        let expression = self.expression(id);
        match &expression.kind {
            ExprKind::Number(value) => Ok(Value::Scalar(*value).into()),
            ExprKind::Text(text) => Ok(Value::Text(text.clone()).into()),
            ExprKind::Name => self.name(expression.span),
            ExprKind::Unary(sign, operand) => {
                let item = values.take(*operand)?;
                self.sign(*sign, item, expression.span)
            }
            ExprKind::Binary(op, left, right) => {
                let (a, b) = (values.take(*left)?, values.take(*right)?);
                self.operator(*op, (a, *left), (b, *right), id)
            }
            ExprKind::Matmul(left, right) => {
                let (a, b) = (values.take(*left)?, values.take(*right)?);
                self.matrix_product((a, *left), (b, *right), expression.span)
            }
            ExprKind::Tuple(items) => Ok(Value::Tuple(self.gather(items, values, expression.span)?).into()),
            ExprKind::List(items) => Ok(Value::List(self.gather(items, values, expression.span)?).into()),
            ExprKind::Attribute(owner, name) => {
                let item = values.take(*owner)?;
                self.attribute(item, *owner, *name, expression.span)
            }
            ExprKind::Call(name, arguments) => {
                let function = self.function(*name)?;
                self.call_with(function, None, arguments, values, id)
            }
            ExprKind::Method(owner, name, arguments) => {
                let item = values.take(*owner)?;
                let function = self.method(&item.value, *name)?;
                self.call_with(function, Some((item, *owner)), arguments, values, id)
            }
            ExprKind::Index(owner, items) => {
                let item = values.take(*owner)?;
                self.index(item, *owner, items, values, expression.span)
            }
        }
    }

    fn gather(&self, items: &[ExprId], values: &mut Values, span: Span) -> Result<Vec<Value>> {
        let gathered = items.iter().map(|&id| values.take(id).map(|item| item.value)).collect::<Result<Vec<Value>>>()?;
        // Names can repeat a list, so its size is not bounded by the text.
        let mut elements = 0;
        if !measure(&gathered, 1, &mut elements) {
            let message = format!("a list or tuple deeper than {LIST_DEPTH_MAX} or of more than {LIST_ELEMENTS_MAX} elements");
            return Err(self.source.error(span, message).hint("make large arrays with arange, full, or from a file"));
        }
        Ok(gathered)
    }

    fn call_with(
        &mut self,
        function: &'static FunctionDoc,
        owner: Option<(Item, ExprId)>,
        arguments: &[Argument],
        values: &mut Values,
        id: ExprId,
    ) -> Result<Item> {
        let mut positional: Vec<(Item, ExprId)> = owner.into_iter().collect();
        let mut named = Vec::new();
        for argument in arguments {
            let item = values.take(argument.value)?;
            match argument.keyword {
                Some(keyword) => named.push((keyword, item, argument.value)),
                None => positional.push((item, argument.value)),
            }
        }
        self.call(function, positional, named, id)
    }

    fn sign(&mut self, sign: Sign, item: Item, span: Span) -> Result<Item> {
        match item.value {
            Value::Scalar(value) => {
                fold::unary(sign, value).map(|value| Value::Scalar(value).into()).map_err(|error| self.source.locate(span, &error))
            }
            _ => match sign {
                Sign::Plus => {
                    let (array, lineage) = self.array(item, span)?;
                    Ok(Item { value: Value::Array(array), lineage })
                }
                Sign::Minus => self.unary(UnaryOp::Negative, item, span, span),
                Sign::Invert => self.unary(UnaryOp::Invert, item, span, span),
            },
        }
    }

    /// The text of `span` for a sentence: one line, not too long.
    pub(super) fn excerpt(&self, span: Span) -> String {
        const CHARS_MAX: usize = 60;
        let mut words = String::new();
        for word in self.source.slice(span).split_whitespace() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(word);
            if words.len() > 4 * CHARS_MAX {
                break;
            }
        }
        if words.chars().count() <= CHARS_MAX { words } else { format!("{}...", words.chars().take(CHARS_MAX).collect::<String>()) }
    }

    /// The session that array literals belong to: that of the inputs.
    pub(super) fn session(&self) -> Session {
        self.inputs.first().map_or_else(Session::default_session, |(_, array)| array.session())
    }
}

/// What `all(condition)` is about, so that the first place where it fails can be told; `None` if its length depends on data.
fn elements_of_all(array: &Array) -> Option<Array> {
    let Kind::Op(Op::Reduce(reduction)) = &array.0.kind else { return None };
    let condition = array.0.args.first().filter(|_| reduction.finish == Finish::All)?;
    let whole = array.rank().ok()? == 0 && condition.dtype().ok()? == DType::Bool && condition.shape().is_ok();
    whole.then(|| condition.clone())
}

/// Deepest list; NumPy's arrays end at 64 axes.
const LIST_DEPTH_MAX: usize = 32;
/// Largest list literal. Literals live in memory beside the budget, as text does.
const LIST_ELEMENTS_MAX: usize = 1 << 20;

/// Whether a list stays below the bounds.
fn measure(items: &[Value], depth: usize, elements: &mut usize) -> bool {
    *elements += items.len();
    depth <= LIST_DEPTH_MAX
        && *elements <= LIST_ELEMENTS_MAX
        && items.iter().all(|item| match item {
            Value::List(inner) | Value::Tuple(inner) => measure(inner, depth + 1, elements),
            _ => true,
        })
}

pub(super) fn contains_array(items: &[Value]) -> bool {
    items.iter().any(|item| match item {
        Value::List(inner) | Value::Tuple(inner) => contains_array(inner),
        Value::Array(_) => true,
        _ => false,
    })
}
