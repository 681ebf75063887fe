//! The engine as templates find it: which filters, tests and functions there are, what each may cost, and how a
//! value gets into text.
//!
//! A filter's work and its result have bounds here, since the engine's fuel counts a filter as one step, however
//! long the text is that it goes through.

use crate::base::limits;
use minijinja::filters as builtin;
use minijinja::value::{Object, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use std::cell::Cell;
use std::fmt::Write;
use std::sync::Arc;

/// What may be written behind `|`.
pub(super) const NAMES: [&str; 46] = [
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
];

/// What may be written behind `is`.
pub(super) const TESTS: [&str; 28] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
];

thread_local! {
    /// What is left of the work of the rendering at hand: one runs on a thread from its begin to its end.
    static WORK: Cell<usize> = const { Cell::new(0) };
}

/// A rendering begins: it may do so much.
pub(super) fn begin() {
    WORK.set(limits::TEMPLATE_WORK_BYTES_MAX);
}

/// Text that is HTML already: what a client submitted as such.
#[derive(Debug)]
pub(super) struct Markup(pub String);

impl Object for Markup {
    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn too_much(why: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}

fn size(value: &Value) -> usize {
    match value.as_str() {
        Some(text) => text.len(),
        None if matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) => {
            value.len().unwrap_or(0).saturating_mul(16)
        }
        None => 16,
    }
}

fn charge(name: &str, values: &[Value]) -> Result<(), Error> {
    let cost: usize = values.iter().map(size).fold(16, usize::saturating_add);
    let left = WORK.get();
    if cost > left {
        return Err(too_much(format!("its filters have too much work to do (at \"{name}\")")));
    }
    WORK.set(left - cost);
    Ok(())
}

fn check_size(name: &str, bytes: usize) -> Result<(), Error> {
    if bytes <= limits::TEMPLATE_VALUE_BYTES_MAX {
        return Ok(());
    }
    let max = limits::TEMPLATE_VALUE_BYTES_MAX;
    Err(too_much(format!("\"{name}\" would make a value of more than {max} bytes")))
}

/// What the result could become, for filters that make more of what they get.
fn check_growth(name: &str, args: &[Value]) -> Result<(), Error> {
    let text = |n: usize| args.get(n).and_then(Value::as_str);
    let number = |n: usize| args.get(n).and_then(Value::as_usize).unwrap_or(0);
    match name {
        "replace" => {
            let (Some(of), Some(from), Some(to)) = (text(0), text(1), text(2)) else { return Ok(()) };
            let found = if from.is_empty() { of.len() + 1 } else { of.matches(from).count() };
            check_size(name, of.len().saturating_add(found.saturating_mul(to.len())))
        }
        "join" => {
            let count = args.first().and_then(Value::len).unwrap_or(0);
            check_size(name, count.saturating_mul(text(1).map_or(0, str::len)))
        }
        "indent" => {
            let lines = text(0).map_or(0, |text| text.matches('\n').count() + 1);
            check_size(name, lines.saturating_mul(number(1)))
        }
        "batch" | "slice" => check_size(name, number(1).saturating_mul(16)),
        "sum" => {
            let items = args.first().map(|list| list.try_iter()).transpose()?;
            match items.is_none_or(|mut items| items.all(|item| item.kind() == ValueKind::Number)) {
                true => Ok(()),
                false => Err(too_much("\"sum\" takes a list of numbers".to_owned())),
            }
        }
        _ => Ok(()),
    }
}

/// The filter `inner`, with its work counted and its result bounded.
fn bounded(environment: &mut Environment<'static>, name: &'static str, inner: Value) {
    environment.add_filter(name, move |state: &mut State, args: &[Value]| -> Result<Value, Error> {
        charge(name, args)?;
        check_growth(name, args)?;
        let made = inner.call(state, args)?;
        check_size(name, size(&made))?;
        charge(name, std::slice::from_ref(&made))?;
        Ok(made)
    });
}

/// `text|truncate(40)`: cut at a word, with a sign that there was more.
fn truncate(text: &str, length: Option<usize>) -> String {
    let length = length.unwrap_or(80);
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let cut: String = text.chars().take(length.saturating_sub(1)).collect();
    let whole = cut.rfind(char::is_whitespace).filter(|at| *at > cut.len() / 2).map_or(cut.as_str(), |at| &cut[..at]);
    format!("{}\u{2026}", whole.trim_end())
}

/// An engine without templates.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    let of = Value::from_function::<fn(&str, Option<usize>) -> String, _, _>;
    let all: [(&'static str, Value); 46] = [
        ("abs", Value::from_function(builtin::abs)),
        ("attr", Value::from_function(builtin::attr)),
        ("batch", Value::from_function(builtin::batch)),
        ("bool", Value::from_function(builtin::bool)),
        ("capitalize", Value::from_function(builtin::capitalize)),
        ("count", Value::from_function(builtin::length)),
        ("d", Value::from_function(builtin::default)),
        ("default", Value::from_function(builtin::default)),
        ("dictsort", Value::from_function(builtin::dictsort)),
        ("e", Value::from_function(builtin::escape)),
        ("escape", Value::from_function(builtin::escape)),
        ("first", Value::from_function(builtin::first)),
        ("float", Value::from_function(builtin::float)),
        ("groupby", Value::from_function(builtin::groupby)),
        ("indent", Value::from_function(builtin::indent)),
        ("int", Value::from_function(builtin::int)),
        ("items", Value::from_function(builtin::items)),
        ("join", Value::from_function(builtin::join)),
        ("last", Value::from_function(builtin::last)),
        ("length", Value::from_function(builtin::length)),
        ("lines", Value::from_function(builtin::lines)),
        ("list", Value::from_function(builtin::list)),
        ("lower", Value::from_function(builtin::lower)),
        ("map", Value::from_function(builtin::map)),
        ("max", Value::from_function(builtin::max)),
        ("min", Value::from_function(builtin::min)),
        ("reject", Value::from_function(builtin::reject)),
        ("rejectattr", Value::from_function(builtin::rejectattr)),
        ("replace", Value::from_function(builtin::replace)),
        ("reverse", Value::from_function(builtin::reverse)),
        ("round", Value::from_function(builtin::round)),
        ("safe", Value::from_function(builtin::safe)),
        ("select", Value::from_function(builtin::select)),
        ("selectattr", Value::from_function(builtin::selectattr)),
        ("slice", Value::from_function(builtin::slice)),
        ("sort", Value::from_function(builtin::sort)),
        ("split", Value::from_function(builtin::split)),
        ("string", Value::from_function(builtin::string)),
        ("sum", Value::from_function(builtin::sum)),
        ("title", Value::from_function(builtin::title)),
        ("tojson", Value::from_function(builtin::tojson)),
        ("trim", Value::from_function(builtin::trim)),
        ("truncate", of(truncate)),
        ("unique", Value::from_function(builtin::unique)),
        ("upper", Value::from_function(builtin::upper)),
        ("urlencode", Value::from_function(builtin::urlencode)),
    ];
    for (name, inner) in all {
        bounded(&mut environment, name, inner);
    }
    add_tests(&mut environment);
    environment.add_function("range", minijinja::functions::range);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .set_auto_escape_callback(|name| if name.ends_with(":html") { AutoEscape::Html } else { AutoEscape::None });
    environment.set_formatter(emit);
    environment.set_fuel(Some(limits::TEMPLATE_STEPS_MAX));
    environment.set_recursion_limit(limits::TEMPLATE_DEPTH_MAX);
    // Errors then know which variable they are about.
    environment.set_debug(true);
    environment
}

fn add_tests(environment: &mut Environment<'static>) {
    use minijinja::tests as builtin;
    environment.add_test("boolean", builtin::is_boolean);
    environment.add_test("defined", builtin::is_defined);
    environment.add_test("divisibleby", builtin::is_divisibleby);
    environment.add_test("endingwith", builtin::is_endingwith);
    environment.add_test("eq", builtin::is_eq);
    environment.add_test("equalto", builtin::is_eq);
    environment.add_test("even", builtin::is_even);
    environment.add_test("false", builtin::is_false);
    environment.add_test("float", builtin::is_float);
    environment.add_test("ge", builtin::is_ge);
    environment.add_test("greaterthan", builtin::is_gt);
    environment.add_test("gt", builtin::is_gt);
    environment.add_test("in", builtin::is_in);
    environment.add_test("integer", builtin::is_integer);
    environment.add_test("iterable", builtin::is_iterable);
    environment.add_test("le", builtin::is_le);
    environment.add_test("lessthan", builtin::is_lt);
    environment.add_test("lt", builtin::is_lt);
    environment.add_test("mapping", builtin::is_mapping);
    environment.add_test("ne", builtin::is_ne);
    environment.add_test("none", builtin::is_none);
    environment.add_test("number", builtin::is_number);
    environment.add_test("odd", builtin::is_odd);
    environment.add_test("sequence", builtin::is_sequence);
    environment.add_test("startingwith", builtin::is_startingwith);
    environment.add_test("string", builtin::is_string);
    environment.add_test("true", builtin::is_true);
    environment.add_test("undefined", builtin::is_undefined);
}

/// As the engine says a value.
fn emit(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let is_html = matches!(state.auto_escape(), AutoEscape::Html);
    Ok(write_value(out, is_html, value)?)
}

/// `none` is nothing, markup is itself, and in HTML everything else is escaped.
pub(super) fn write_value(out: &mut dyn Write, is_html: bool, value: &Value) -> std::fmt::Result {
    if value.is_none() || value.is_undefined() {
        return Ok(());
    }
    if value.is_safe() || value.downcast_object_ref::<Markup>().is_some() {
        return write!(out, "{value}");
    }
    // As JSON and most people write it.
    if value.kind() == ValueKind::Bool {
        return out.write_str(if value.is_true() { "true" } else { "false" });
    }
    match value.as_str() {
        Some(text) => write_text(out, is_html, text),
        None if is_html => write!(Escaping(out), "{value}"),
        None => write!(out, "{value}"),
    }
}

pub(super) fn write_text(out: &mut dyn Write, is_html: bool, text: &str) -> std::fmt::Result {
    if is_html { Escaping(out).write_str(text) } else { out.write_str(text) }
}

/// HTML in text and in quoted attributes: the five signs that mean something there.
struct Escaping<'a>(&'a mut dyn Write);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let mut from = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escaped = match byte {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                b'\'' => "&#39;",
                _ => continue,
            };
            self.0.write_str(&text[from..at])?;
            self.0.write_str(escaped)?;
            from = at + 1;
        }
        self.0.write_str(&text[from..])
    }
}
