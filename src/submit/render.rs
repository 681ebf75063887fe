//! Makes of what was submitted what is sent: by a template that it names, or by being one itself, in one copy or in
//! one for each recipient.
//!
//! Nothing here reads a file or the store: templates are compiled and in memory. What a template cannot make is
//! refused, held or sent as it was written, as its sender wished; a template that is not there is always refused.

use super::happenings::{TemplateFailed, TemplateRendered};
use crate::base::id::TemplateId;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::random::Random;
use crate::content::template::{Asked, Filled, InPlace, Library, Locale, Mistake, Part, Submitted, Values};
use crate::mail::compose::{self, Body, Written};
use crate::mail::envelope::{BodyType, Envelope, Recipient};
use crate::mail::header::{Fields, Header};
use crate::mail::text::readable;
use crate::model::intake::Intake;
use crate::model::name::Name;
use crate::model::wishes::{OnError, TemplateWish, Which};
use crate::outward::{Leaving, Note};
use crate::smtp::reply::Reply;
use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// What becomes of one submitted message.
pub(super) struct Made {
    pub leaving: Vec<Leaving>,
    /// The row in which its uses are counted.
    pub template: Option<TemplateId>,
}

/// What may go wrong.
enum Failed {
    /// Whatever its sender wished.
    Always(Mistake),
    /// As its sender wished.
    AsWished(Mistake),
}

/// One message, or one for each recipient; as it came where nothing was wished.
pub(super) fn render(library: &Library, tenant: &Name, intake: Intake, random: &Random) -> Result<Made, Reply> {
    let Some(wish) = intake.wishes.template.clone() else {
        return Ok(Made { leaving: vec![intake.into()], template: None });
    };
    let begun = Instant::now();
    match made(library, tenant, &wish, &intake, random) {
        Ok((copies, template)) => {
            TemplateRendered { copies: copies.len(), took: begun.elapsed() }.record();
            let mut submitted = Some(Arc::new(intake.message));
            let leaving = copies.into_iter().map(|copy| Leaving { submitted: submitted.take(), ..Leaving::from(copy) });
            Ok(Made { leaving: leaving.collect(), template })
        }
        Err(Failed::Always(mistake)) => Err(refusal(&mistake)),
        Err(Failed::AsWished(mistake)) => instead(wish.on_error, &mistake, intake),
    }
}

fn instead(wish: OnError, mistake: &Mistake, mut intake: Intake) -> Result<Made, Reply> {
    TemplateFailed { mistake, on_error: wish }.record();
    let why = mistake.to_string();
    // No template made it.
    intake.wishes.template = None;
    let leaving = match wish {
        OnError::Reject => return Err(refusal(mistake)),
        OnError::Hold => Leaving { held: Some(why), ..Leaving::from(intake) },
        OnError::Original => {
            let data = serde_json::json!({ "template": mistake.template, "reason": why });
            Leaving { note: Some(Note { kind: "email.template_failed", data }), ..Leaving::from(intake) }
        }
    };
    Ok(Made { leaving: vec![leaving], template: None })
}

fn refusal(mistake: &Mistake) -> Reply {
    Reply::with(554, 6, 0, mistake.to_string())
}

fn made(
    library: &Library,
    tenant: &Name,
    wish: &TemplateWish,
    intake: &Intake,
    random: &Random,
) -> Result<(Vec<Intake>, Option<TemplateId>), Failed> {
    let template = match &wish.which {
        Which::Inline => None,
        Which::Named { name, version } => Some(library.find(tenant, name, *version).map_err(Failed::Always)?),
    };
    let label = template.map(|template| template.source().label()).unwrap_or_default();
    let mistake = |why: String| Failed::AsWished(Mistake::new(&label, why));
    let locale: Option<Locale> = match &wish.locale {
        None => None,
        Some(text) => Some(text.parse().map_err(|why| mistake(format!("{text}: {why}")))?),
    };
    let read =
        Read::of(intake).map_err(|why| mistake(format!("the submitted message cannot be put into it: {why}")))?;
    let common = Values::new(wish.variables.clone());
    let mut pinned = wish.clone();
    if let (Which::Named { version, .. }, Some(template)) = (&mut pinned.which, template) {
        *version = Some(template.source().version);
    }
    (pinned.variables, pinned.by_recipient) = (serde_json::Map::new(), None);
    let write = |values: &Values| match template {
        Some(template) => {
            let asked = Asked { locale: locale.as_ref(), values, submitted: &read.submitted };
            template.fill(&asked).map(|filled| read.compose(&filled, random))
        }
        None => read.in_place(&library.in_place(tenant, values)),
    };
    let copies = match &wish.by_recipient {
        None => {
            vec![copy(intake, &pinned, intake.envelope.recipients.clone(), write(&common).map_err(Failed::AsWished)?)]
        }
        Some(own) => {
            let recipients = &intake.envelope.recipients;
            if recipients.len() > limits::TEMPLATE_COPIES_MAX {
                let max = limits::TEMPLATE_COPIES_MAX;
                return Err(Failed::Always(Mistake::new(
                    &label,
                    format!("more than {max} recipients with variables of their own"),
                )));
            }
            let mut left = limits::TEMPLATE_COPIES_BYTES_MAX;
            let mut copies = Vec::with_capacity(recipients.len());
            for recipient in recipients {
                let address = recipient.address.to_string().to_lowercase();
                let own = own.iter().find(|(whose, _)| *whose == address).map(|(_, variables)| variables.clone());
                let message = write(&common.of_one(own.unwrap_or_default())).map_err(Failed::AsWished)?;
                left = left.checked_sub(message.len()).ok_or_else(|| {
                    let max = limits::TEMPLATE_COPIES_BYTES_MAX;
                    Failed::Always(Mistake::new(&label, format!("its copies have more than {max} bytes together")))
                })?;
                copies.push(copy(intake, &pinned, vec![recipient.clone()], message));
            }
            copies
        }
    };
    Ok((copies, template.and_then(|template| template.id().cloned())))
}

fn copy(intake: &Intake, pinned: &TemplateWish, recipients: Vec<Recipient>, message: Vec<u8>) -> Intake {
    let mut copy = Intake {
        origin: intake.origin,
        submitter: intake.submitter.clone(),
        hop: intake.hop.clone(),
        envelope: Envelope {
            sender: intake.envelope.sender.clone(),
            params: intake.envelope.params.clone(),
            recipients,
        },
        wishes: intake.wishes.clone(),
        message,
    };
    copy.wishes.template = Some(pinned.clone());
    if copy.message.is_ascii() {
        // RFC 6152 3: what was 8-bit before is not any more.
        copy.envelope.params.body = BodyType::SevenBit;
    }
    copy
}

/// What was submitted, taken apart.
struct Read<'a> {
    message: &'a [u8],
    header: Header<'a>,
    parts: compose::Parts,
    submitted: Submitted,
}

impl<'a> Read<'a> {
    fn of(intake: &'a Intake) -> Result<Self, compose::Unreadable> {
        let header = Header::read(&intake.message);
        let parts = compose::parts(&intake.message)?;
        let text = |written: &Option<Written>| {
            let text = written.as_ref().map(|written| written.text.clone());
            text.filter(|text| !text.trim().is_empty())
        };
        let subject = header.subject.map(|field| readable(field.value(), limits::TEMPLATE_SUBJECT_BYTES_MAX));
        let submitted = Submitted { subject, html: text(&parts.html), text: text(&parts.text) };
        Ok(Self { message: &intake.message, header, parts, submitted })
    }

    /// The submitted header but for what says how the body is written, and the template's body under it, with
    /// everything that came beside the texts.
    fn compose(&self, filled: &Filled<'_>, random: &Random) -> Vec<u8> {
        let (subject, html, text) = (&filled.subject, filled.html(), filled.text());
        // The body takes the room that it needs when it knows it.
        let mut out = Vec::with_capacity(self.header.bytes + subject.len() * 2);
        let was = self.submitted.subject.as_deref().map(str::trim).unwrap_or_default();
        let keeps_subject = self.header.subject.is_some() && was == subject.trim();
        for field in Fields::of(&self.message[..self.header.bytes]) {
            let is_of_body = field.name().get(..8).is_some_and(|begin| begin.eq_ignore_ascii_case("content-"));
            if is_of_body || field.is("mime-version") || (field.is("subject") && !keeps_subject) {
                continue;
            }
            out.extend_from_slice(&self.message[field.range()]);
            end_line(&mut out);
        }
        if !keeps_subject && !subject.is_empty() {
            out.extend_from_slice(compose::unstructured("Subject", subject).as_bytes());
        }
        let body = Body {
            text: Some(&text),
            html: html.as_ref().map(|html| html as &dyn Display),
            alternatives: slices(self.message, &self.parts.alternatives),
            inline: slices(self.message, &self.parts.inline),
            attachments: slices(self.message, &self.parts.attachments),
        };
        body.write(&mut out, || boundary(random));
        out
    }

    /// Its own texts filled in where they stand; every other byte as it is.
    fn in_place(&self, place: &InPlace<'_>) -> Result<Vec<u8>, Mistake> {
        let mut edits: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
        if let (Some(field), Some(text)) = (self.header.subject, &self.submitted.subject)
            && let Some(subject) = place.render(Part::Subject, text)?
        {
            edits.push((field.range(), compose::unstructured("Subject", &subject).into_bytes()));
        }
        for (part, written) in [(Part::Text, &self.parts.text), (Part::Html, &self.parts.html)] {
            let Some(written) = written else { continue };
            let Some(text) = place.render(part, &written.text)? else { continue };
            edits.extend(rewritten(self.message, written, &text, part));
        }
        edits.sort_by_key(|(place, _)| (place.start, place.end));
        let (mut out, mut at) = (Vec::with_capacity(self.message.len() + 1_024), 0);
        for (place, with) in edits {
            out.extend_from_slice(&self.message[at..place.start]);
            out.extend_from_slice(&with);
            at = place.end;
        }
        out.extend_from_slice(&self.message[at..]);
        Ok(out)
    }
}

fn slices<'a>(message: &'a [u8], parts: &[Range<usize>]) -> Vec<&'a [u8]> {
    parts.iter().map(|part| &message[part.clone()]).collect()
}

/// A header that is the whole message may end without a line end.
fn end_line(out: &mut Vec<u8>) {
    if !out.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
}

/// RFC 2046 5.1.1: never in a text in quoted-printable, whose `=` is followed by two digits; and chance keeps it out
/// of everything else.
fn boundary(random: &Random) -> String {
    let bytes: [u8; 15] = random.bytes();
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("=_{digits}")
}

/// The changes of one text: its character set, its encoding, and itself.
fn rewritten(message: &[u8], written: &Written, text: &str, part: Part) -> Vec<(Range<usize>, Vec<u8>)> {
    let mut edits = Vec::new();
    let kind = match (&written.kind, part) {
        (Some(at), _) => Some((at.clone(), compose::with_utf8(&message[at.clone()]))),
        (None, Part::Html | Part::Subject) => None,
        (None, Part::Text) => {
            let at = written.fields_end..written.fields_end;
            let version = if written.entity.start == 0 { "MIME-Version: 1.0\r\n" } else { "" };
            Some((at, format!("{version}Content-Type: text/plain; charset=utf-8\r\n").into_bytes()))
        }
    };
    edits.extend(kind);
    edits.extend(written.encodings.iter().map(|field| (field.clone(), Vec::new())));
    let mut body = Vec::with_capacity(text.len() + text.len() / 8 + 64);
    compose::encoded(&mut body, text);
    let ended = message[written.body.clone()].ends_with(b"\r\n");
    if !ended && written.body.end < message.len() {
        // The last line end belonged to the boundary behind it.
        body.truncate(body.len() - if body.ends_with(b"\r\n") { 2 } else { 0 });
    }
    edits.push((written.fields_end..written.body.end, body));
    edits
}
