//! Control headers of other providers, for credentials that list them: each by its name, and what of ours it means.
//! What has no counterpart here is taken out and noted; what only ever spoke to that provider is taken out quietly.

use super::asked::Asked;
use super::{Said, Why, smtpapi, value};
use crate::base::limits;
use crate::model::credential::Compatible;
use crate::model::domain::Clicks;
use crate::model::name::Name;
use crate::model::stream::{BULK, TRANSACTIONAL};
use crate::model::wishes::{OnError, Unsubscribe, Which};
use crate::policy::header::steers_a_provider;
use serde_json::{Map, Value};
use std::time::Duration;
use time::PrimitiveDateTime;
use time::macros::format_description;

type Take = fn(&mut Asked<'_>, &Said<'_>) -> Result<(), Why>;

/// Whose orders a header is.
pub(super) fn provider_of(name: &str) -> Option<Compatible> {
    const PREFIXES: [(&str, Compatible); 7] = [
        ("X-PM-", Compatible::Postmark),
        ("X-Mailgun-", Compatible::Mailgun),
        ("X-SES-", Compatible::Ses),
        ("X-Postal-", Compatible::Postal),
        ("X-MC-", Compatible::Mandrill),
        ("X-MJ-", Compatible::Mailjet),
        ("X-Mailjet-", Compatible::Mailjet),
    ];
    if name.eq_ignore_ascii_case("X-SMTPAPI") {
        return Some(Compatible::Sendgrid);
    }
    let begins = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let found = PREFIXES.iter().find(|(prefix, _)| begins(prefix));
    found.filter(|_| steers_a_provider(name)).map(|(_, provider)| *provider)
}

#[rustfmt::skip]
const HEADERS: &[(&str, Take)] = &[
    ("X-PM-Tag", tag),
    ("X-PM-TrackOpens", opens),
    ("X-PM-TrackLinks", postmark_links),
    ("X-PM-Message-Stream", postmark_stream),
    ("X-PM-KeepID", nothing),
    ("X-Mailgun-Tag", tag),
    ("X-Mailgun-Variables", mailgun_variables),
    ("X-Mailgun-Recipient-Variables", recipient_variables),
    ("X-Mailgun-Template-Name", template),
    ("X-Mailgun-Template-Version", version),
    ("X-Mailgun-Template-Variables", variables),
    ("X-Mailgun-Track", track),
    ("X-Mailgun-Track-Clicks", mailgun_clicks),
    ("X-Mailgun-Track-Opens", opens),
    ("X-Mailgun-Deliver-By", send_at),
    ("X-Mailgun-Deliver-Within", deliver_within),
    ("X-Mailgun-Drop-Message", drop_message),
    ("X-SES-CONFIGURATION-SET", stream),
    ("X-SES-MESSAGE-TAGS", ses_tags),
    ("X-SES-LIST-MANAGEMENT-OPTIONS", list_management),
    ("X-SES-SOURCE-ARN", nothing),
    ("X-SES-FROM-ARN", nothing),
    ("X-SES-RETURN-PATH-ARN", nothing),
    ("X-Postal-Tag", tag),
    ("X-MC-Tags", tags),
    ("X-MC-Template", mandrill_template),
    ("X-MC-MergeVars", merge_vars),
    ("X-MC-Track", mandrill_track),
    ("X-MC-SendAt", mandrill_send_at),
    ("X-MC-Metadata", metadata),
    ("X-MC-GoogleAnalytics", nothing),
    ("X-MC-GoogleAnalyticsCampaign", nothing),
    ("X-MC-Autotext", nothing),
    ("X-MC-AutoHtml", nothing),
    ("X-MC-URLStripQS", nothing),
    ("X-MC-InlineCSS", nothing),
    ("X-MC-Important", nothing),
    ("X-MC-ViewContentLink", nothing),
    ("X-MC-MergeLanguage", nothing),
    ("X-MJ-TemplateID", template),
    ("X-MJ-TemplateLanguage", template_language),
    ("X-MJ-Vars", variables),
    ("X-MJ-CustomID", custom_id),
    ("X-MJ-EventPayload", event_payload),
    ("X-MJ-Campaign", tag),
    ("X-Mailjet-Campaign", tag),
    ("X-MJ-TrackOpen", mailjet_opens),
    ("X-Mailjet-TrackOpen", mailjet_opens),
    ("X-MJ-TrackClick", mailjet_clicks),
    ("X-Mailjet-TrackClick", mailjet_clicks),
    ("X-MJ-TemplateErrorDeliver", error_deliver),
    ("X-MJ-TemplateErrorReporting", nothing),
    ("X-SMTPAPI", smtpapi::take),
];

pub(super) fn take(asked: &mut Asked<'_>, provider: Compatible, said: &Said<'_>) -> Result<(), Why> {
    const METADATA: &str = "X-PM-Metadata-";
    if let Some((_, take)) = HEADERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(said.header)) {
        return take(asked, said);
    }
    if let Some((prefix, key)) = said.header.split_at_checked(METADATA.len())
        && prefix.eq_ignore_ascii_case(METADATA)
    {
        let text = value::maybe_text(said.value, limits::METADATA_VALUE_BYTES_MAX)?;
        return asked.metadata(said, key, text);
    }
    asked.warn(said.header, format!("has no counterpart here, so {} would do more", provider.as_str()));
    Ok(())
}

fn nothing(_: &mut Asked<'_>, _: &Said<'_>) -> Result<(), Why> {
    Ok(())
}

fn tag(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let text = value::text(said.value, limits::CONTROL_VALUE_BYTES_MAX)?;
    value::near_tag(&text).map_or(Ok(()), |tag| asked.tag(tag))
}

fn tags(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let text = value::text(said.value, limits::CONTROL_VALUE_BYTES_MAX)?;
    text.split(',').filter_map(value::near_tag).try_for_each(|tag| asked.tag(tag))
}

fn opens(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let opens = value::yes_or_no(said.value)?;
    asked.opens(said, opens);
    Ok(())
}

fn postmark_links(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let words = [
        ("None", Clicks::None),
        ("HtmlOnly", Clicks::Html),
        ("HtmlAndText", Clicks::All),
        // Links in plain text alone are nobody's choice here.
        ("TextOnly", Clicks::All),
    ];
    let clicks = value::one_of(said.value, &words)?;
    asked.clicks(said, clicks);
    Ok(())
}

fn postmark_stream(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    match value::word(said.value)?.as_str() {
        "outbound" => asked.stream(said, TRANSACTIONAL),
        "broadcast" => asked.stream(said, BULK),
        name => asked.stream(said, name),
    }
}

fn stream(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    asked.stream(said, &value::word(said.value)?)
}

fn object(said: &Said<'_>) -> Result<Map<String, Value>, Why> {
    value::object(&value::text(said.value, limits::VARIABLES_BYTES_MAX)?)
}

fn variables(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let variables = object(said)?;
    asked.variables(said, variables);
    Ok(())
}

/// What comes back in its events, and is known to its templates too.
fn mailgun_variables(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let variables = object(said)?;
    keep_as_metadata(asked, said, &variables);
    asked.more_variables(said, variables);
    Ok(())
}

fn metadata(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let map = object(said)?;
    keep_as_metadata(asked, said, &map);
    Ok(())
}

/// As far as it fits: the other provider's bounds were others.
pub(super) fn keep_as_metadata(asked: &mut Asked<'_>, said: &Said<'_>, map: &Map<String, Value>) {
    for (key, value) in map {
        let text = match value {
            Value::String(text) => text.chars().filter(|c| !c.is_control()).collect(),
            value => value.to_string(),
        };
        if let Err(why) = asked.metadata(said, key, text) {
            asked.warn(said.header, format!("{} is not kept as metadata: {why}", value::quoted(key)));
        }
    }
}

fn recipient_variables(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let map = value::by_recipient(&value::text(said.value, limits::VARIABLES_BYTES_MAX)?)?;
    asked.by_recipient(said, map);
    Ok(())
}

fn named(text: &str) -> Result<Which, Why> {
    let name = text.trim().parse::<Name>().map_err(|why| why.to_string())?;
    Ok(Which::Named { name, version: None })
}

fn template(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let which = named(&value::word(said.value)?)?;
    asked.template(said, which);
    Ok(())
}

/// `name|block`: the block of its own kind of template is not known here.
fn mandrill_template(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let text = value::word(said.value)?;
    let which = named(text.split('|').next().unwrap_or_default())?;
    asked.template(said, which);
    Ok(())
}

/// A number is one of ours; a word is one that only the other provider knows.
fn version(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    match value::word(said.value)?.trim_start_matches(['v', 'V']).parse() {
        Ok(number) if number > 0 => asked.version(said, number),
        _ => asked.warn(said.header, "is no number, so the active version is taken".to_owned()),
    }
    Ok(())
}

fn template_language(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    if value::yes_or_no(said.value)? {
        asked.inline();
    }
    Ok(())
}

fn error_deliver(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let words = [
        ("deliver", OnError::Original),
        ("true", OnError::Original),
        ("1", OnError::Original),
        ("false", OnError::Reject),
        ("0", OnError::Reject),
    ];
    let on_error = value::one_of(said.value, &words)?;
    asked.on_error(said, on_error);
    Ok(())
}

fn track(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let clicks = clicks_of(said)?;
    asked.clicks(said, clicks);
    asked.opens(said, clicks != Clicks::None);
    Ok(())
}

fn mailgun_clicks(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let clicks = clicks_of(said)?;
    asked.clicks(said, clicks);
    Ok(())
}

fn clicks_of(said: &Said<'_>) -> Result<Clicks, Why> {
    let (no, html, all) = (Clicks::None, Clicks::Html, Clicks::All);
    let words =
        [("no", no), ("false", no), ("htmlonly", html), ("html", html), ("yes", all), ("true", all), ("all", all)];
    value::one_of(said.value, &words)
}

/// Words in a list: opens, clicks_all, clicks_htmlonly, clicks_textonly, or none.
fn mandrill_track(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let text = value::word(said.value)?.to_ascii_lowercase();
    let (mut opens, mut clicks) = (false, Clicks::None);
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            "opens" => opens = true,
            "clicks" | "clicks_all" | "clicks_textonly" => clicks = Clicks::All,
            "clicks_htmlonly" => clicks = Clicks::Html,
            "none" | "no" => {}
            other => {
                return Err(format!(
                    "it takes opens, clicks_all and clicks_htmlonly, and not {}",
                    value::quoted(other)
                ));
            }
        }
    }
    asked.opens(said, opens);
    asked.clicks(said, clicks);
    Ok(())
}

/// 0 leaves it to the account, 1 is off, 2 is on.
fn mailjet_switch(said: &Said<'_>) -> Result<Option<bool>, Why> {
    let words = [
        ("0", None),
        ("1", Some(false)),
        ("2", Some(true)),
        ("account_default", None),
        ("disabled", Some(false)),
        ("enabled", Some(true)),
    ];
    value::one_of(said.value, &words)
}

fn mailjet_opens(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    if let Some(opens) = mailjet_switch(said)? {
        asked.opens(said, opens);
    }
    Ok(())
}

fn mailjet_clicks(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    if let Some(clicks) = mailjet_switch(said)? {
        asked.clicks(said, if clicks { Clicks::Html } else { Clicks::None });
    }
    Ok(())
}

fn send_at(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let at = value::time(&value::word(said.value)?)?;
    asked.send_at(said, at)
}

/// `2026-11-21 12:00:00`, in UTC.
fn mandrill_send_at(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let text = value::word(said.value)?;
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let at = match PrimitiveDateTime::parse(&text, form) {
        Ok(at) => value::unix_time(at.assume_utc().unix_timestamp())?,
        Err(_) => value::time(&text)?,
    };
    asked.send_at(said, at)
}

/// `1h30m`
fn deliver_within(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    use crate::base::settings::Scalar;
    let after = <Duration as Scalar>::parse(&value::word(said.value)?);
    asked.expire_after(said, after.map_err(|_| "it takes a time like 1h30m".to_owned())?)
}

fn drop_message(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let sandbox = value::yes_or_no(said.value)?;
    asked.sandbox(said, sandbox);
    Ok(())
}

/// `key=value, key=value`
fn ses_tags(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let text = value::text(said.value, limits::VARIABLES_BYTES_MAX)?;
    for pair in text.split([',', ';']).map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, text) = pair.split_once('=').ok_or("it takes pairs like key=value")?;
        asked.metadata(said, key.trim(), text.trim().to_owned())?;
    }
    Ok(())
}

/// `contactListName=list; topic=name`: what can be left is the topic, or the whole list.
fn list_management(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let text = value::word(said.value)?;
    let (mut list, mut topic) = (None, None);
    for part in text.split(';').map(str::trim) {
        match part.split_once('=') {
            Some((key, name)) if key.trim().eq_ignore_ascii_case("topic") => topic = Some(name.trim()),
            Some((_, name)) => list = Some(name.trim()),
            None if list.is_none() && !part.is_empty() => list = Some(part),
            None => {}
        }
    }
    let group = topic.or(list).ok_or("it takes contactListName=name; topic=name")?;
    let group = group.parse::<Name>().map_err(|why| why.to_string())?;
    asked.unsubscribe(said, Unsubscribe::Group(group));
    Ok(())
}

/// Variables of all recipients, or of the one under `_rcpt`.
fn merge_vars(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let mut variables = object(said)?;
    match variables.remove("_rcpt") {
        None => asked.more_variables(said, variables),
        Some(Value::String(recipient)) => {
            let recipient = value::recipient(&recipient)?;
            asked.of_recipient(said, recipient, variables);
        }
        Some(_) => return Err("behind _rcpt stands no mail address".to_owned()),
    }
    Ok(())
}

fn custom_id(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let text = value::text(said.value, limits::METADATA_VALUE_BYTES_MAX)?;
    asked.metadata(said, "custom_id", text)
}

fn event_payload(asked: &mut Asked<'_>, said: &Said<'_>) -> Result<(), Why> {
    let text = value::text(said.value, limits::METADATA_VALUE_BYTES_MAX)?;
    asked.metadata(said, "event_payload", text)
}
