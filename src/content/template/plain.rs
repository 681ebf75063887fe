//! Texts that only put values in, go through lists and ask whether something is there: most of those that people
//! write. They are said straight from the values as they were given, twice: once to know how long they become, and
//! once to say them. Nothing is taken of memory but what the text itself needs.
//!
//! The engine stays the one that decides. What it would say in other words, or not at all, is left to it from the
//! beginning: every other expression, a value that is missing, and whatever comes near one of its bounds.

use super::context::{Context, Said};
use super::filters::write_value;
use crate::base::limits;
use minijinja::machinery::ast::{Expr, ForLoop, IfCond, Stmt, UnaryOpKind};
use minijinja::value::Value;
use serde_json::Value as Json;
use std::fmt::{self, Write};

/// A text, ready to be said.
#[derive(Clone, Debug)]
pub(super) struct Plain(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    /// As it was written.
    Raw(String),
    Constant(Value),
    Value(Path),
    Each {
        name: String,
        of: Path,
        body: Vec<Step>,
        otherwise: Vec<Step>,
    },
    When {
        path: Path,
        is: bool,
        then: Vec<Step>,
        otherwise: Vec<Step>,
    },
}

/// `item.address.city`
#[derive(Clone, Debug)]
struct Path {
    root: String,
    fields: Vec<String>,
}

/// It is the engine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotPlain;

impl From<fmt::Error> for NotPlain {
    fn from(_: fmt::Error) -> Self {
        Self
    }
}

// What is deeper is the engine's, and so is what is too deep for that.
const _: () = assert!(limits::TEMPLATE_PLAIN_DEPTH_MAX * 2 < limits::TEMPLATE_DEPTH_MAX);

impl Plain {
    /// None: there is more in it than that.
    pub fn of(tree: &Stmt<'_>) -> Option<Self> {
        let Stmt::Template(template) = tree else { return None };
        steps(&template.children, 0).map(Self)
    }

    /// How many bytes it makes of these values.
    pub fn measure(&self, context: &Context<'_>, is_html: bool) -> Result<usize, NotPlain> {
        let mut length = Length(0);
        let mut saying = Saying { context, is_html, out: &mut length, cost: 0 };
        saying.steps(&self.0, None)?;
        if length.0 > limits::TEMPLATE_OUTPUT_BYTES_MAX { Err(NotPlain) } else { Ok(length.0) }
    }

    /// What was measured, said.
    pub fn write(&self, context: &Context<'_>, is_html: bool, out: &mut dyn Write) -> fmt::Result {
        let mut saying = Saying { context, is_html, out, cost: 0 };
        // Invariant: it was measured with the same values, so that what comes in the way here is the writer's.
        saying.steps(&self.0, None).map_err(|NotPlain| fmt::Error)
    }
}

fn steps(all: &[Stmt<'_>], depth: usize) -> Option<Vec<Step>> {
    if depth > limits::TEMPLATE_PLAIN_DEPTH_MAX {
        return None;
    }
    all.iter().map(|statement| step(statement, depth)).collect()
}

fn step(statement: &Stmt<'_>, depth: usize) -> Option<Step> {
    match statement {
        Stmt::EmitRaw(raw) => Some(Step::Raw(raw.raw.to_owned())),
        Stmt::EmitExpr(emit) => match &emit.expr {
            Expr::Const(constant) => Some(Step::Constant(constant.value.clone())),
            expr => path(expr).map(Step::Value),
        },
        Stmt::ForLoop(found) => each(found, depth + 1),
        Stmt::IfCond(found) => when(found, depth + 1),
        _ => None,
    }
}

fn each(found: &ForLoop<'_>, depth: usize) -> Option<Step> {
    let Expr::Var(target) = &found.target else { return None };
    if found.recursive || found.filter_expr.is_some() || target.id == LOOP {
        return None;
    }
    Some(Step::Each {
        name: target.id.to_owned(),
        of: path(&found.iter)?,
        body: steps(&found.body, depth)?,
        otherwise: steps(&found.else_body, depth)?,
    })
}

fn when(found: &IfCond<'_>, depth: usize) -> Option<Step> {
    let (of, is) = match &found.expr {
        Expr::UnaryOp(unary) if matches!(unary.op, UnaryOpKind::Not) => (&unary.expr, false),
        expr => (expr, true),
    };
    let (then, otherwise) = (steps(&found.true_body, depth)?, steps(&found.false_body, depth)?);
    Some(Step::When { path: path(of)?, is, then, otherwise })
}

/// What the engine knows of a loop, under its name.
const LOOP: &str = "loop";

fn path(expr: &Expr<'_>) -> Option<Path> {
    match expr {
        Expr::Var(var) if var.id != LOOP => Some(Path { root: var.id.to_owned(), fields: Vec::new() }),
        Expr::GetAttr(get) => {
            let mut path = path(&get.expr)?;
            path.fields.push(get.name.to_owned());
            Some(path)
        }
        _ => None,
    }
}

/// Counts what is said.
struct Length(usize);

impl Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// The items that the loops around have at hand, from the innermost.
struct Items<'a> {
    name: &'a str,
    item: &'a Json,
    around: Option<&'a Items<'a>>,
}

struct Saying<'a, 'w> {
    context: &'a Context<'a>,
    is_html: bool,
    out: &'w mut dyn Write,
    /// No less than the engine's steps would be.
    cost: u64,
}

impl Saying<'_, '_> {
    fn steps(&mut self, all: &[Step], items: Option<&Items<'_>>) -> Result<(), NotPlain> {
        all.iter().try_for_each(|step| self.step(step, items))
    }

    /// The engine takes two steps for a field and no more than six for anything else.
    fn pay(&mut self, fields: usize) -> Result<(), NotPlain> {
        self.cost += 2 * fields as u64 + 6;
        if self.cost < limits::TEMPLATE_STEPS_MAX { Ok(()) } else { Err(NotPlain) }
    }

    fn step(&mut self, step: &Step, items: Option<&Items<'_>>) -> Result<(), NotPlain> {
        match step {
            Step::Raw(text) => {
                self.pay(0)?;
                Ok(self.out.write_str(text)?)
            }
            Step::Constant(value) => {
                self.pay(0)?;
                Ok(write_value(self.out, self.is_html, value)?)
            }
            Step::Value(path) => {
                let said = self.find(path, items)?;
                Ok(said.write(self.out, self.is_html)?)
            }
            Step::Each { name, of, body, otherwise } => {
                // The keys of an object are the engine's to go through, and so is what is no list.
                let Said::Json(Json::Array(list)) = self.find(of, items)? else { return Err(NotPlain) };
                for item in list {
                    self.pay(0)?;
                    self.steps(body, Some(&Items { name, item, around: items }))?;
                }
                if list.is_empty() { self.steps(otherwise, items) } else { Ok(()) }
            }
            Step::When { path, is, then, otherwise } => {
                let is_so = self.find(path, items)?.is_true() == *is;
                self.steps(if is_so { then } else { otherwise }, items)
            }
        }
    }

    fn find<'s>(&mut self, path: &Path, items: Option<&'s Items<'s>>) -> Result<Said<'s>, NotPlain>
    where
        Self: 's,
    {
        self.pay(path.fields.len())?;
        let around = std::iter::successors(items, |items| items.around);
        let item = around.into_iter().find(|items| items.name == path.root).map(|items| Said::Json(items.item));
        let found = item.or_else(|| self.context.get(&path.root)).ok_or(NotPlain)?;
        path.fields.iter().try_fold(found, |of, field| match of {
            Said::Json(Json::Object(fields)) => fields.get(field).map(Said::Json).ok_or(NotPlain),
            _ => Err(NotPlain),
        })
    }
}

#[cfg(test)]
mod tests;
