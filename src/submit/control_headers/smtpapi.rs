//! The one header of SendGrid: a JSON object with all its orders in it. Understood is what has a counterpart here;
//! recipients of its own would be a second envelope, and are refused.

use super::asked::Asked;
use super::compat::keep_as_metadata;
use super::{Said, Why, value};
use crate::base::limits;
use crate::model::domain::Clicks;
use crate::model::wishes::{Unsubscribe, Which};
use serde_json::{Map, Value};

pub(super) fn take(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let orders = value::object(&value::text(said.value, limits::VARIABLES_BYTES_MAX)?)?;
    for (order, given) in &orders {
        match order.as_str() {
            "to" => return Err("\"to\" is not taken: the recipients are those of the envelope".to_owned()),
            "send_each_at" => return Err("\"send_each_at\" is not taken: send_at is one time for all".to_owned()),
            "category" => categories(asked, given)?,
            "unique_args" => keep_as_metadata(asked, said, map(order, given)?),
            "send_at" => {
                let seconds = given.as_i64().or_else(|| given.as_str()?.parse().ok());
                let at = value::unix_time(seconds.ok_or("\"send_at\" takes seconds since 1970")?)?;
                asked.send_at(said, at)?;
            }
            "sub" => substitutions(asked, said, map(order, given)?)?,
            "dynamic_template_data" => asked.more_variables(said, map(order, given)?.clone()),
            "asm_group_id" => group(asked, said, given)?,
            "filters" => filters(asked, said, map(order, given)?)?,
            // What they would put into a text that we do not write, and what only their queue knows.
            "section" | "batch_id" | "ip_pool" | "asm_groups_to_display" => {}
            other => asked.warn(said.header, format!("{} has no counterpart here", value::quoted(other))),
        }
    }
    Ok(())
}

fn map<'a>(order: &str, given: &'a Value) -> Result<&'a Map<String, Value>, Why> {
    given.as_object().ok_or_else(|| format!("\"{order}\" takes an object"))
}

fn categories(asked: &mut Asked<'_>, given: &Value) -> Result<(), Why> {
    let one = std::slice::from_ref(given);
    for category in given.as_array().map_or(one, Vec::as_slice) {
        let text = category.as_str().ok_or("\"category\" takes a text or a list of texts")?;
        if let Some(tag) = value::near_tag(text) {
            asked.tag(tag)?;
        }
    }
    Ok(())
}

/// Each key stands for a mark in the text, like `-name-`, with one value for each recipient of `to`. Without that
/// there is one.
fn substitutions(asked: &mut Asked<'_>, said: &Said<'_>, given: &Map<String, Value>) -> Result<(), Why> {
    for (mark, values) in given {
        let name: String = mark.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if name.is_empty() || name.len() > limits::VARIABLE_NAME_BYTES_MAX {
            return Err(format!("in \"sub\", {} names no variable", value::quoted(mark)));
        }
        let one = match values {
            Value::Array(list) if list.len() > 1 => {
                return Err("\"sub\" with several values needs \"to\", which is not taken".to_owned());
            }
            Value::Array(list) => list.first().cloned().unwrap_or(Value::Null),
            value => value.clone(),
        };
        asked.variable(said, name, one);
    }
    Ok(())
}

fn group(asked: &mut Asked<'_>, said: &Said<'_>, given: &Value) -> Result<(), Why> {
    let name = match given {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err("\"asm_group_id\" takes a number".to_owned()),
    };
    let group = name.parse().map_err(|why| format!("\"asm_group_id\": {why}"))?;
    asked.unsubscribe(said, Unsubscribe::Group(group));
    Ok(())
}

/// `{"opentrack": {"settings": {"enable": 1}}}`
fn filters(asked: &mut Asked<'_>, said: &Said<'_>, given: &Map<String, Value>) -> Result<(), Why> {
    for (filter, set) in given {
        let settings = set.get("settings").and_then(Value::as_object);
        let settings = settings.ok_or_else(|| format!("the filter {} has no settings", value::quoted(filter)))?;
        let is_on = |key: &str| match settings.get(key) {
            Some(Value::Bool(on)) => Some(*on),
            Some(Value::Number(number)) => number.as_i64().map(|number| number != 0),
            Some(Value::String(text)) => Some(text == "1" || text.eq_ignore_ascii_case("true")),
            _ => None,
        };
        let enabled = is_on("enable");
        match (filter.as_str(), enabled) {
            ("opentrack", Some(opens)) => asked.opens(said, opens),
            ("clicktrack", Some(false)) => asked.clicks(said, Clicks::None),
            ("clicktrack", Some(true)) => {
                let clicks = if is_on("enable_text") == Some(true) { Clicks::All } else { Clicks::Html };
                asked.clicks(said, clicks);
            }
            ("subscriptiontrack", Some(on)) => {
                asked.unsubscribe(said, if on { Unsubscribe::Auto } else { Unsubscribe::None });
            }
            ("templates", Some(true)) => {
                let name =
                    settings.get("template_id").and_then(Value::as_str).ok_or("\"templates\" names no template_id")?;
                let name = name.parse().map_err(|why| format!("\"template_id\": {why}"))?;
                asked.template(said, Which::Named { name, version: None });
            }
            ("bypass_list_management", Some(ignore)) => asked.ignore_suppression(said, ignore)?,
            ("templates" | "ganalytics" | "footer" | "bcc" | "dkim" | "spamcheck", Some(false)) => {}
            ("ganalytics" | "spamcheck", _) => {}
            (other, _) => {
                asked.warn(said.header, format!("the filter {} has no counterpart here", value::quoted(other)))
            }
        }
    }
    Ok(())
}
