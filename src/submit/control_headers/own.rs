//! Our own control headers: each by its name, and what it says.

use super::asked::Asked;
use super::{Said, Why, value};
use crate::base::limits;
use crate::base::settings::{Scalar, nearest};
use crate::model::domain::Clicks;
use crate::model::wishes::{OnError, Unsubscribe, Which};
use crate::policy::header::CONTROL_PREFIX;
use serde_json::Value;
use std::time::Duration;

type Take = fn(&mut Asked<'_>, &Said<'_>) -> Result<(), Why>;
type TakeNamed = fn(&mut Asked<'_>, &Said<'_>, &str) -> Result<(), Why>;

/// By what stands behind the prefix.
const HEADERS: [(&str, Take); 20] = [
    ("Template", template),
    ("Variables", variables),
    ("Variables-B64", variables_b64),
    ("Recipient-Variables", recipient_variables),
    ("Recipient-Variables-B64", recipient_variables_b64),
    ("Template-On-Error", on_error),
    ("Locale", locale),
    ("Tag", tag),
    ("Tags", tag),
    ("Track-Opens", opens),
    ("Track-Clicks", clicks),
    ("Send-At", send_at),
    ("Expire-After", expire_after),
    ("Stream", stream),
    ("Relay", relay),
    ("Sandbox", sandbox),
    ("Idempotency-Key", idempotency_key),
    ("Unsubscribe", unsubscribe),
    ("Ignore-Suppression", ignore_suppression),
    // What is wished without a name is nothing.
    ("", nameless),
];

/// Those whose name goes on with a name of the sender's.
const FAMILIES: [(&str, TakeNamed); 2] = [("Var-", variable), ("Metadata-", metadata)];

pub(super) fn take(asked: &mut Asked<'_>, name: &str, said: &Said<'_>) -> Result<(), Why> {
    if let Some((_, take)) = HEADERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return take(asked, said);
    }
    for (family, take) in FAMILIES {
        if let Some((start, own)) = name.split_at_checked(family.len())
            && start.eq_ignore_ascii_case(family)
        {
            return take(asked, said, own);
        }
    }
    Err(unknown(name))
}

fn unknown(name: &str) -> Why {
    let known = HEADERS.iter().map(|(known, _)| *known).chain(FAMILIES.iter().map(|(family, _)| *family));
    // Names are compared as they are written here: each word with a capital.
    let mut at_start = true;
    let written: String = name
        .chars()
        .map(|c| {
            let letter = if at_start { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            at_start = c == '-';
            letter
        })
        .collect();
    match nearest(&written, known.filter(|known| !known.is_empty())) {
        Some(near) => format!("there is no such control header; did you mean {CONTROL_PREFIX}{near}?"),
        None => "there is no such control header".to_owned(),
    }
}

fn nameless(_: &mut Asked<'_>, _: &Said<'_>) -> Result<(), Why> {
    Err(unknown(""))
}

fn template(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let text = value::word(said.value)?;
    let which = if text.eq_ignore_ascii_case("inline") { Which::Inline } else { value::template(&text)? };
    asked.template(said, which);
    Ok(())
}

fn variables(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let variables = value::object(&value::text(said.value, limits::VARIABLES_BYTES_MAX)?)?;
    asked.variables(said, variables);
    Ok(())
}

fn variables_b64(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let variables = value::object(&value::base64(said.value)?)?;
    asked.variables(said, variables);
    Ok(())
}

fn recipient_variables(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let map = value::by_recipient(&value::text(said.value, limits::VARIABLES_BYTES_MAX)?)?;
    asked.by_recipient(said, map);
    Ok(())
}

fn recipient_variables_b64(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let map = value::by_recipient(&value::base64(said.value)?)?;
    asked.by_recipient(said, map);
    Ok(())
}

/// A name in a template has no hyphen, and a header's name has no underscore that every program lets through.
fn variable(asked: &mut Asked<'_>, said: &Said<'_>, name: &str) -> Result<(), Why> {
    let name = name.replace('-', "_");
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if name.is_empty() || name.len() > limits::VARIABLE_NAME_BYTES_MAX || !plain {
        let max = limits::VARIABLE_NAME_BYTES_MAX;
        return Err(format!("the name of a variable has 1 to {max} letters, digits, '-' and '_'"));
    }
    let text = value::maybe_text(said.value, limits::VARIABLES_BYTES_MAX)?;
    asked.variable(said, name, Value::String(text));
    Ok(())
}

fn on_error(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let on_error = value::one_of(
        said.value,
        &[("reject", OnError::Reject), ("hold", OnError::Hold), ("original", OnError::Original)],
    )?;
    asked.on_error(said, on_error);
    Ok(())
}

fn locale(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let locale = value::locale(&value::word(said.value)?)?;
    asked.locale(said, locale);
    Ok(())
}

fn tag(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let text = value::text(said.value, limits::CONTROL_VALUE_BYTES_MAX)?;
    for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
        asked.tag(value::tag(tag)?)?;
    }
    Ok(())
}

fn metadata(asked: &mut Asked<'_>, said: &Said<'_>, key: &str) -> Result<(), Why> {
    let text = value::maybe_text(said.value, limits::METADATA_VALUE_BYTES_MAX)?;
    asked.metadata(said, key, text)
}

fn opens(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let opens = value::yes_or_no(said.value)?;
    asked.opens(said, opens);
    Ok(())
}

fn clicks(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let clicks = value::one_of(said.value, &[("none", Clicks::None), ("html", Clicks::Html), ("all", Clicks::All)])?;
    asked.clicks(said, clicks);
    Ok(())
}

fn send_at(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let at = value::time(&value::word(said.value)?)?;
    asked.send_at(said, at)
}

fn expire_after(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let after = <Duration as Scalar>::parse(&value::word(said.value)?);
    asked.expire_after(said, after.map_err(|_| format!("it takes {}", Duration::EXPECTS))?)
}

fn stream(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    asked.stream(said, &value::word(said.value)?)
}

fn relay(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    asked.relay(said, &value::word(said.value)?)
}

fn sandbox(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let sandbox = value::yes_or_no(said.value)?;
    asked.sandbox(said, sandbox);
    Ok(())
}

fn idempotency_key(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let key = value::text(said.value, limits::CONTROL_VALUE_BYTES_MAX)?;
    let max = limits::IDEMPOTENCY_KEY_BYTES_MAX;
    if key.len() > max || !key.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return Err(format!("a key has 1 to {max} printable characters of ASCII"));
    }
    asked.idempotency_key(said, key);
    Ok(())
}

fn unsubscribe(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let text = value::word(said.value)?;
    let unsubscribe = match text.as_str() {
        text if text.eq_ignore_ascii_case("auto") => Unsubscribe::Auto,
        text if text.eq_ignore_ascii_case("none") => Unsubscribe::None,
        text => match text.split_once(':') {
            Some((group, name)) if group.eq_ignore_ascii_case("group") => {
                Unsubscribe::Group(name.trim().parse().map_err(|why| format!("in group:<name>, {why}"))?)
            }
            _ => return Err("it takes auto, none or group:<name>".to_owned()),
        },
    };
    asked.unsubscribe(said, unsubscribe);
    Ok(())
}

fn ignore_suppression(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let ignore = value::yes_or_no(said.value)?;
    asked.ignore_suppression(said, ignore)
}
