//! Reads a template before it may run: what it is allowed to say, what it refers to, and where.
//!
//! The engine counts steps (fuel) but not what a step costs: a value that is put together with itself, twice,
//! thirty times, is all memory there is, after thirty steps. So nothing that grows may be kept (`set`, `with`)
//! unless a filter stands around it, and every filter's result has a bound (`filters`); nothing is captured; and
//! lists are written with constants only, so that no list holds another one twice.

use super::filters;
use super::plain::Plain;
use crate::base::limits;
use crate::base::settings::nearest;
use minijinja::machinery::ast::{BinOpKind, Call, CallArg, CallType, Expr, Stmt};
use minijinja::machinery::{Token, parse, tokenize};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What is wrong, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub line: usize,
    pub why: String,
}

/// Another template that is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub name: String,
    pub line: usize,
    pub extends: bool,
    pub may_be_missing: bool,
}

/// What a piece says, when it may.
#[derive(Clone, Debug, Default)]
pub(super) struct Judged {
    pub references: Vec<Reference>,
    /// Variables at the top level, with the first line of each.
    pub variables: Vec<(String, usize)>,
    /// Those of them that the template itself asks for whether they are there.
    pub asked: BTreeSet<String>,
    /// The whole text, if it is so plain that it needs no engine.
    pub plain: Option<Plain>,
}

/// What templates of other makers are full of, and what to write here.
const MUSTACHE: [(&str, &str); 7] = [
    ("{{{", "{{{x}}} is not known here: {{ x }} is escaped in HTML, and {{ x|safe }} is written as it is"),
    ("{{&", "{{&x}} is not known here: {{ x|safe }} is written as it is"),
    ("{{#", "{{#x}} is not known here: write {% if x %} … {% endif %}, or {% for x in xs %} … {% endfor %}"),
    ("{{/", "{{/x}} is not known here: write {% endif %} or {% endfor %}"),
    ("{{^", "{{^x}} is not known here: write {% if not x %} … {% endif %}"),
    ("{{>", "{{> x}} is not known here: write {% include \"x\" %}"),
    ("{{!", "{{! x}} is not known here: write {# x #}"),
];

/// `{#` begins a comment only where white space or a dash stands behind it: style sheets are full of `{#id`.
pub(super) fn prepared(text: &str) -> Result<Cow<'_, str>, Fault> {
    for (mark, why) in MUSTACHE {
        if let Some(at) = text.find(mark) {
            return Err(Fault { line: line_at(text, at), why: why.to_owned() });
        }
    }
    let is_style = |at: usize| !matches!(text.as_bytes().get(at + 2), None | Some(b' ' | b'\t' | b'\r' | b'\n' | b'-'));
    if !text.match_indices("{#").any(|(at, _)| is_style(at)) {
        return Ok(Cow::Borrowed(text));
    }
    let (mut out, mut from) = (String::with_capacity(text.len() + 64), 0);
    for (at, found) in text.match_indices("{#") {
        if is_style(at) {
            out.push_str(&text[from..at]);
            out.push_str("{{ '{#' }}");
            from = at + found.len();
        }
    }
    out.push_str(&text[from..]);
    Ok(Cow::Owned(out))
}

/// Judges a text; `prepared` before.
pub(super) fn judge(text: &str) -> Result<Judged, Fault> {
    if text.len() > limits::TEMPLATE_BYTES_MAX {
        let why = format!("it is longer than {} bytes", limits::TEMPLATE_BYTES_MAX);
        return Err(Fault { line: 1, why });
    }
    tags_are_short(text)?;
    let tree = parse(text, "template", Default::default()).map_err(|error| syntax(&error))?;
    let mut walk = Walk { judged: Judged::default(), bound: Vec::new(), growing: 0 };
    walk.statement(&tree)?;
    Ok(Judged { plain: Plain::of(&tree), ..walk.judged })
}

/// What is long in one tag is deep in the tree, and whoever walks the tree goes as deep.
fn tags_are_short(text: &str) -> Result<(), Fault> {
    let mut length = 0;
    for token in tokenize(text, false, Default::default()) {
        let (token, span) = token.map_err(|error| syntax(&error))?;
        match token {
            Token::TemplateData(_) => length = 0,
            _ => length += 1,
        }
        if matches!(token, Token::VariableStart | Token::BlockStart) {
            length = 0;
        }
        if length > limits::TEMPLATE_TAG_WORDS_MAX {
            let why = format!("more than {} words and signs in one tag", limits::TEMPLATE_TAG_WORDS_MAX);
            return Err(Fault { line: usize::from(span.start_line), why });
        }
    }
    Ok(())
}

fn line_at(text: &str, at: usize) -> usize {
    text[..at].bytes().filter(|b| *b == b'\n').count() + 1
}

pub(super) fn syntax(error: &minijinja::Error) -> Fault {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    Fault { line: error.line().unwrap_or(1), why: format!("it cannot be read: {detail}") }
}

struct Walk {
    judged: Judged,
    /// Names that the template makes itself, by scope.
    bound: Vec<BTreeSet<String>>,
    /// Operators that grow in the expression at hand.
    growing: usize,
}

/// Is the value of an expression kept?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    No,
}

type Judgement = Result<(), Fault>;

fn refused(line: u16, why: impl Into<String>) -> Judgement {
    Err(Fault { line: usize::from(line), why: why.into() })
}

impl Walk {
    fn statements(&mut self, all: &[Stmt<'_>]) -> Judgement {
        all.iter().try_for_each(|statement| self.statement(statement))
    }

    /// In a scope of its own.
    fn scoped(&mut self, names: BTreeSet<String>, all: &[Stmt<'_>]) -> Judgement {
        self.bound.push(names);
        let done = self.statements(all);
        self.bound.pop();
        done
    }

    fn statement(&mut self, statement: &Stmt<'_>) -> Judgement {
        match statement {
            Stmt::Template(template) => self.scoped(BTreeSet::new(), &template.children),
            Stmt::EmitRaw(_) => Ok(()),
            Stmt::EmitExpr(emit) => match &emit.expr {
                // Only here: anywhere else what it gives would be captured.
                Expr::Call(call) if is_super(call) => Ok(()),
                expr => self.whole(expr, Kept::No),
            },
            Stmt::ForLoop(found) => {
                if found.recursive {
                    return refused(found.span().start_line, "a recursive loop is not allowed");
                }
                self.whole(&found.iter, Kept::No)?;
                let mut names = targets(&found.target);
                names.insert("loop".to_owned());
                self.bound.push(names);
                let filter = found.filter_expr.as_ref().map_or(Ok(()), |filter| self.whole(filter, Kept::No));
                let body = filter.and_then(|()| self.statements(&found.body));
                self.bound.pop();
                body?;
                self.statements(&found.else_body)
            }
            Stmt::IfCond(found) => {
                self.whole(&found.expr, Kept::No)?;
                self.statements(&found.true_body)?;
                self.statements(&found.false_body)
            }
            Stmt::WithBlock(with) => {
                let mut names = BTreeSet::new();
                for (target, value) in &with.assignments {
                    self.whole(value, Kept::Yes)?;
                    names.extend(targets(target));
                }
                self.scoped(names, &with.body)
            }
            Stmt::Set(set) => {
                self.whole(&set.expr, Kept::Yes)?;
                if !matches!(set.target, Expr::Var(_)) {
                    return refused(set.span().start_line, "\"set\" takes one plain name");
                }
                let names = targets(&set.target);
                self.bound.last_mut().into_iter().for_each(|scope| scope.extend(names.iter().cloned()));
                Ok(())
            }
            Stmt::Block(block) => self.scoped(BTreeSet::new(), &block.body),
            Stmt::Extends(extends) => self.reference(&extends.name, extends.span().start_line, true, false),
            Stmt::Include(include) => {
                self.reference(&include.name, include.span().start_line, false, include.ignore_missing)
            }
            Stmt::SetBlock(it) => refused(it.span().start_line, "a \"set\" block is not allowed: use {% set x = … %}"),
            Stmt::FilterBlock(it) => refused(it.span().start_line, "a \"filter\" block is not allowed"),
            Stmt::AutoEscape(it) => {
                refused(it.span().start_line, "HTML is always escaped; write {{ x|safe }} where it must not be")
            }
            Stmt::Import(it) => refused(it.span().start_line, "\"import\" is not allowed: use {% include \"…\" %}"),
            Stmt::FromImport(it) => refused(it.span().start_line, "\"from\" is not allowed: use {% include \"…\" %}"),
            Stmt::Do(it) => refused(it.span().start_line, "\"do\" is not allowed"),
        }
    }

    fn reference(&mut self, name: &Expr<'_>, line: u16, extends: bool, may_be_missing: bool) -> Judgement {
        let Expr::Const(name) = name else {
            return refused(line, "the name of another template is written in quotes, like \"header\"");
        };
        let Some(name) = name.value.as_str() else {
            return refused(line, "another template is named by one text, like \"header\"");
        };
        let reference = Reference { name: name.to_owned(), line: usize::from(line), extends, may_be_missing };
        self.judged.references.push(reference);
        Ok(())
    }

    /// An expression from its root.
    fn whole(&mut self, expr: &Expr<'_>, kept: Kept) -> Judgement {
        self.growing = 0;
        self.expr(expr, kept)
    }

    fn expr(&mut self, expr: &Expr<'_>, kept: Kept) -> Judgement {
        match expr {
            Expr::Var(var) => {
                self.note(var.id, expr.span().start_line);
                Ok(())
            }
            Expr::Const(_) => Ok(()),
            Expr::Slice(slice) => {
                let bounds = [&slice.start, &slice.stop, &slice.step].into_iter().flatten();
                bounds.into_iter().try_for_each(|bound| self.expr(bound, Kept::No))?;
                self.expr(&slice.expr, kept)
            }
            Expr::UnaryOp(unary) => self.expr(&unary.expr, kept),
            Expr::BinOp(operation) => {
                if matches!(operation.op, BinOpKind::Add | BinOpKind::Mul | BinOpKind::Concat) {
                    self.grows(expr.span().start_line, kept)?;
                }
                self.expr(&operation.left, kept)?;
                self.expr(&operation.right, kept)
            }
            Expr::Compare(compare) => {
                self.expr(&compare.expr, Kept::No)?;
                compare.ops.iter().try_for_each(|op| self.expr(&op.expr, Kept::No))
            }
            Expr::IfExpr(choice) => {
                self.expr(&choice.test_expr, Kept::No)?;
                self.expr(&choice.true_expr, kept)?;
                choice.false_expr.as_ref().map_or(Ok(()), |other| self.expr(other, kept))
            }
            Expr::Filter(filter) => {
                known("filter", filter.name, &filters::NAMES, expr.span().start_line)?;
                if let ("default" | "d", Some(Expr::Var(var))) = (filter.name, &filter.expr) {
                    self.judged.asked.insert(var.id.to_owned());
                }
                // Its result has a bound of its own.
                filter.expr.as_ref().map_or(Ok(()), |of| self.expr(of, Kept::No))?;
                self.arguments(&filter.args)
            }
            Expr::Test(test) => {
                known("test", test.name, &filters::TESTS, expr.span().start_line)?;
                if let ("defined" | "undefined", Expr::Var(var)) = (test.name, &test.expr) {
                    self.judged.asked.insert(var.id.to_owned());
                }
                self.expr(&test.expr, Kept::No)?;
                self.arguments(&test.args)
            }
            Expr::GetAttr(get) => self.expr(&get.expr, Kept::No),
            Expr::GetItem(get) => {
                self.expr(&get.subscript_expr, Kept::No)?;
                self.expr(&get.expr, Kept::No)
            }
            Expr::Call(call) => self.call(call, expr.span().start_line),
            Expr::List(list) => constants(list.items.iter(), expr.span().start_line),
            Expr::Tuple(tuple) => constants(tuple.items.iter(), expr.span().start_line),
            Expr::Map(map) => constants(map.keys.iter().chain(&map.values), expr.span().start_line),
        }
    }

    /// Something is put together: in one expression only so often, and never to be kept as it is.
    fn grows(&mut self, line: u16, kept: Kept) -> Judgement {
        if kept == Kept::Yes {
            return refused(
                line,
                "what +, * or ~ make is kept only behind a filter, like (a * b)|round or (a ~ b)|trim",
            );
        }
        self.growing += 1;
        match self.growing {
            count if count > limits::TEMPLATE_GROWING_MAX => {
                refused(line, format!("more than {} of +, * and ~ in one expression", limits::TEMPLATE_GROWING_MAX))
            }
            _ => Ok(()),
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) -> Judgement {
        arguments.iter().try_for_each(|argument| match argument {
            CallArg::Pos(value) | CallArg::Kwarg(_, value) => self.expr(value, Kept::No),
            CallArg::PosSplat(value) | CallArg::KwargSplat(value) => {
                refused(value.span().start_line, "arguments are written one by one")
            }
        })
    }

    fn call(&mut self, call: &Call<'_>, line: u16) -> Judgement {
        let is_loop = |of: &Expr<'_>| matches!(of, Expr::Var(var) if var.id == "loop");
        match call.identify_call() {
            CallType::Function("range") => {}
            CallType::Function("super") => {
                return refused(line, "super() stands alone: {{ super() }}");
            }
            CallType::Method(of, "cycle" | "changed") if is_loop(of) => {}
            CallType::Function(name) | CallType::Method(_, name) => {
                return refused(
                    line,
                    format!("there is no function \"{name}\": only range(), super() and loop.cycle()"),
                );
            }
            _ => return refused(line, "only range(), super() and loop.cycle() can be called"),
        }
        self.arguments(&call.args)
    }

    fn note(&mut self, name: &str, line: u16) {
        let is_bound = self.bound.iter().any(|scope| scope.contains(name));
        if !is_bound && !self.judged.variables.iter().any(|(known, _)| known == name) {
            self.judged.variables.push((name.to_owned(), usize::from(line)));
        }
    }
}

fn is_super(call: &Call<'_>) -> bool {
    matches!(call.identify_call(), CallType::Function("super")) && call.args.is_empty()
}

/// The names that a loop or a block gives.
fn targets(expr: &Expr<'_>) -> BTreeSet<String> {
    match expr {
        Expr::Var(var) => [var.id.to_owned()].into(),
        Expr::List(list) => list.items.iter().flat_map(targets).collect(),
        Expr::Tuple(tuple) => tuple.items.iter().flat_map(targets).collect(),
        _ => BTreeSet::new(),
    }
}

fn constants<'e, 's: 'e>(mut items: impl Iterator<Item = &'e Expr<'s>>, line: u16) -> Judgement {
    if items.all(|item| matches!(item, Expr::Const(_))) {
        return Ok(());
    }
    refused(line, "a list that is written in a template holds plain texts and numbers only")
}

fn known(what: &str, name: &str, names: &[&'static str], line: u16) -> Judgement {
    if names.contains(&name) {
        return Ok(());
    }
    let hint = nearest(name, names.iter().copied());
    let hint = hint.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
    refused(line, format!("there is no {what} \"{name}\"{hint}"))
}
