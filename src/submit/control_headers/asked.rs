//! What was asked for, header by header. The first who says a thing is heard; the others are noted.

use super::{Refused, Right, Said, Why, value};
use crate::base::limits;
use crate::base::settings::nearest;
use crate::mail::header::Field;
use crate::model::domain::{Clicks, Via};
use crate::model::name::Name;
use crate::model::wishes::{OnError, TemplateWish, Unsubscribe, Warning, Which, Wishes};
use serde_json::{Map, Value};

/// What can be said once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Template,
    Version,
    Variables,
    RecipientVariables,
    OnError,
    Locale,
    Opens,
    Clicks,
    SendAt,
    ExpireAfter,
    Stream,
    Relay,
    Sandbox,
    IdempotencyKey,
    Unsubscribe,
    IgnoreSuppression,
}

pub(super) type ByRecipient = Vec<(String, Map<String, Value>)>;

pub(super) struct Asked<'a> {
    pub right: Right<'a>,
    wishes: Wishes,
    /// Who said what first.
    said: Vec<(Slot, String)>,
    template: Option<Which>,
    /// Subject and body are a template unless one is named.
    is_inline: bool,
    locale: Option<String>,
    variables: Map<String, Value>,
    /// One by one, over those that came together.
    single_variables: Map<String, Value>,
    by_recipient: Option<ByRecipient>,
    on_error: OnError,
    /// The first header that means something only with a template.
    needs_template: Option<String>,
}

impl<'a> Asked<'a> {
    pub fn by(right: Right<'a>) -> Self {
        Self {
            right,
            wishes: Wishes::default(),
            said: Vec::new(),
            template: None,
            is_inline: false,
            locale: None,
            variables: Map::new(),
            single_variables: Map::new(),
            by_recipient: None,
            on_error: OnError::default(),
            needs_template: None,
        }
    }

    /// Hears one header, and remembers that it was there.
    pub fn say(
        &mut self,
        field: &Field<'_>,
        hear: impl FnOnce(&mut Self, &Said<'_>) -> Result<(), Why>,
    ) -> Result<(), Refused> {
        let said = Said { header: field.name(), value: field.value() };
        hear(self, &said).map_err(|why| Refused { header: field.name().to_owned(), why })?;
        let shown = value::shown(field.value());
        self.wishes.removed.push((field.name().to_owned(), shown));
        Ok(())
    }

    /// All that was asked for.
    pub fn wishes(mut self) -> Wishes {
        let inline = self.is_inline.then_some(Which::Inline);
        let Some(which) = self.template.take().or(inline) else {
            if let Some(header) = self.needs_template.take() {
                self.warn(&header, "has no effect without a template".to_owned());
            }
            return self.wishes;
        };
        self.variables.append(&mut self.single_variables);
        self.wishes.template = Some(TemplateWish {
            which,
            locale: self.locale,
            variables: self.variables,
            by_recipient: self.by_recipient,
            on_error: self.on_error,
        });
        self.wishes
    }

    pub fn warn(&mut self, header: &str, why: Why) {
        if self.wishes.warnings.len() < limits::WARNINGS_MAX {
            self.wishes.warnings.push(Warning { header: header.to_owned(), why });
        }
    }

    /// Is this the first to say it? Whoever comes later is noted, and not heard.
    pub fn is_first(&mut self, slot: Slot, said: &Said<'_>) -> bool {
        if let Some((_, first)) = self.said.iter().find(|(known, _)| *known == slot) {
            let why = match first.eq_ignore_ascii_case(said.header) {
                true => "is there twice, and the first one counts".to_owned(),
                false => format!("is not heard, because {first} says it already"),
            };
            self.warn(said.header, why);
            return false;
        }
        self.said.push((slot, said.header.to_owned()));
        true
    }

    fn needs_template(&mut self, said: &Said<'_>) {
        self.needs_template.get_or_insert_with(|| said.header.to_owned());
    }

    pub fn template(&mut self, said: &Said<'_>, which: Which) {
        if self.is_first(Slot::Template, said) {
            self.template = Some(which);
        }
    }

    pub fn inline(&mut self) {
        self.is_inline = true;
    }

    /// Of the template that is named by another header.
    pub fn version(&mut self, said: &Said<'_>, number: u32) {
        if self.is_first(Slot::Version, said) {
            match &mut self.template {
                Some(Which::Named { version, .. }) => *version = Some(number),
                _ => self.warn(said.header, "has no effect without a template".to_owned()),
            }
        }
    }

    pub fn variables(&mut self, said: &Said<'_>, variables: Map<String, Value>) {
        self.needs_template(said);
        if self.is_first(Slot::Variables, said) {
            self.variables = variables;
        }
    }

    pub fn variable(&mut self, said: &Said<'_>, name: String, value: Value) {
        self.needs_template(said);
        if self.single_variables.contains_key(&name) {
            self.warn(said.header, "is there twice, and the first one counts".to_owned());
        } else {
            self.single_variables.insert(name, value);
        }
    }

    pub fn by_recipient(&mut self, said: &Said<'_>, by_recipient: ByRecipient) {
        self.needs_template(said);
        if self.is_first(Slot::RecipientVariables, said) {
            self.by_recipient = Some(by_recipient);
        }
    }

    /// Variables of one recipient, for those who name them one header each.
    pub fn of_recipient(&mut self, said: &Said<'_>, recipient: String, variables: Map<String, Value>) {
        self.needs_template(said);
        let all = self.by_recipient.get_or_insert_default();
        match all.iter_mut().find(|(known, _)| *known == recipient) {
            Some((_, known)) => known.extend(variables),
            None => all.push((recipient, variables)),
        }
    }

    /// Variables that come in pieces.
    pub fn more_variables(&mut self, said: &Said<'_>, variables: Map<String, Value>) {
        self.needs_template(said);
        self.variables.extend(variables);
    }

    pub fn on_error(&mut self, said: &Said<'_>, on_error: OnError) {
        self.needs_template(said);
        if self.is_first(Slot::OnError, said) {
            self.on_error = on_error;
        }
    }

    pub fn locale(&mut self, said: &Said<'_>, locale: String) {
        self.needs_template(said);
        if self.is_first(Slot::Locale, said) {
            self.locale = Some(locale);
        }
    }

    pub fn tag(&mut self, tag: String) -> Result<(), Why> {
        if self.wishes.tags.contains(&tag) {
            return Ok(());
        }
        if self.wishes.tags.len() >= limits::TAGS_MAX {
            return Err(format!("a message has at most {} tags", limits::TAGS_MAX));
        }
        self.wishes.tags.push(tag);
        Ok(())
    }

    pub fn metadata(&mut self, said: &Said<'_>, key: &str, text: String) -> Result<(), Why> {
        let key = value::metadata_key(key)?;
        if text.len() > limits::METADATA_VALUE_BYTES_MAX {
            return Err(value::too_long(limits::METADATA_VALUE_BYTES_MAX));
        }
        let known = &mut self.wishes.metadata;
        if known.iter().any(|(known, _)| *known == key) {
            self.warn(said.header, format!("says {key} again, and the first one counts"));
            return Ok(());
        }
        if known.len() >= limits::METADATA_KEYS_MAX {
            return Err(format!("a message has at most {} keys of metadata", limits::METADATA_KEYS_MAX));
        }
        known.push((key, text));
        Ok(())
    }

    pub fn opens(&mut self, said: &Said<'_>, opens: bool) {
        if self.is_first(Slot::Opens, said) {
            self.wishes.opens = Some(opens);
        }
    }

    pub fn clicks(&mut self, said: &Said<'_>, clicks: Clicks) {
        if self.is_first(Slot::Clicks, said) {
            self.wishes.clicks = Some(clicks);
        }
    }

    /// What is past is now.
    pub fn send_at(&mut self, said: &Said<'_>, at: crate::base::clock::Time) -> Result<(), Why> {
        if at > self.right.now.plus(limits::HOLD_MAX) {
            let days = limits::HOLD_MAX.as_secs() / 86_400;
            return Err(format!("this is more than {days} days ahead"));
        }
        if self.is_first(Slot::SendAt, said) {
            self.wishes.send_at = Some(at);
        }
        Ok(())
    }

    pub fn expire_after(&mut self, said: &Said<'_>, after: std::time::Duration) -> Result<(), Why> {
        if after < limits::EXPIRE_AFTER_MIN || after > limits::EXPIRE_MAX {
            let days = limits::EXPIRE_MAX.as_secs() / 86_400;
            return Err(format!("a message is tried for 1 minute to {days} days"));
        }
        if self.is_first(Slot::ExpireAfter, said) {
            self.wishes.expire_after = Some(after);
        }
        Ok(())
    }

    pub fn stream(&mut self, said: &Said<'_>, name: &str) -> Result<(), Why> {
        let Right { directory, tenant, .. } = self.right;
        let known = name.parse::<Name>().ok().filter(|name| directory.stream(tenant, name).is_some());
        let Some(known) = known else {
            let near = nearest(name, directory.stream_names(tenant));
            return Err(value::unknown("stream", name, near));
        };
        if self.is_first(Slot::Stream, said) {
            self.wishes.stream = Some(known);
        }
        Ok(())
    }

    pub fn relay(&mut self, said: &Said<'_>, name: &str) -> Result<(), Why> {
        let Right { directory, tenant, .. } = self.right;
        let via = match name {
            "direct" => Some(Via::Direct),
            "sandbox" => Some(Via::Sandbox),
            name => {
                let name = name.parse::<Name>().ok();
                // Another tenant's is not even said to exist.
                name.filter(|name| directory.relay(tenant, name).is_some()).map(Via::Relay)
            }
        };
        let Some(via) = via else {
            let usable = directory.relays().iter().filter(|relay| directory.relay(tenant, &relay.value.name).is_some());
            let usable = Via::RESERVED.into_iter().chain(usable.map(|relay| relay.value.name.as_str()));
            return Err(value::unknown("relay", name, nearest(name, usable)));
        };
        if self.is_first(Slot::Relay, said) {
            self.wishes.relay = Some(via);
        }
        Ok(())
    }

    /// Nobody can wish a sandbox away.
    pub fn sandbox(&mut self, said: &Said<'_>, sandbox: bool) {
        self.wishes.sandbox |= sandbox;
        self.is_first(Slot::Sandbox, said);
    }

    pub fn idempotency_key(&mut self, said: &Said<'_>, key: String) {
        if self.is_first(Slot::IdempotencyKey, said) {
            self.wishes.idempotency_key = Some(key);
        }
    }

    pub fn unsubscribe(&mut self, said: &Said<'_>, unsubscribe: Unsubscribe) {
        if self.is_first(Slot::Unsubscribe, said) {
            self.wishes.unsubscribe = unsubscribe;
        }
    }

    pub fn ignore_suppression(&mut self, said: &Said<'_>, ignore: bool) -> Result<(), Why> {
        if ignore && !self.right.ignore_suppression {
            return Err("this login has not the right to ignore suppressions".to_owned());
        }
        if self.is_first(Slot::IgnoreSuppression, said) {
            self.wishes.ignore_suppression = ignore;
        }
        Ok(())
    }
}
