//! The part for people: what happened, and what to do next.

use super::fields::{Script, clean};
use super::{Action, Report, Returned, Told};
use crate::mail::date::Date;

const LINE: usize = 74;

pub(super) fn for_people(report: &Report<'_>, script: Script) -> String {
    let mut text = format!("This is the mail server {}.\r\n\r\n", report.reporting_mta);
    // In the part of a text, UTF-8 has its charset and asks nothing of the road.
    let subject = clean(report.subject, Script::Utf8);
    paragraph(&mut text, "", &format!("This report is about your message of {}", Date(report.arrived)));
    if !subject.trim().is_empty() {
        paragraph(&mut text, "", &format!("with the subject: {}", subject.trim()));
    }
    text.push_str("\r\n");
    for (action, heading) in [
        (Action::Failed, "It could not be delivered to, and is not tried again for:"),
        (
            Action::Delayed,
            "It could not be delivered yet to the following; it is tried again, and you need not send it again:",
        ),
        (Action::Delivered, "It was delivered to:"),
        (Action::Relayed, "It was passed on to a server that sends no reports, for:"),
        (Action::Expanded, "It was passed on to several recipients behind:"),
    ] {
        let mut told = report.told.iter().filter(|told| told.action == action).peekable();
        if told.peek().is_some() {
            paragraph(&mut text, "", heading);
            text.push_str("\r\n");
            told.for_each(|told| about(&mut text, told, script));
        }
    }
    let attached = match report.returned {
        Returned::Full | Returned::Headers => {
            "The message, or its header, is attached, and so are the same facts for programs."
        }
        Returned::Nothing => {
            "The message itself cannot be read any more and is not attached; the same facts are, for programs."
        }
    };
    paragraph(&mut text, "", attached);
    text
}

fn about(text: &mut String, told: &Told, script: Script) {
    let recipient = told.recipient.to_string();
    let named = told.original.as_ref().filter(|original| original.address != recipient);
    let who = match named {
        Some(original) => format!("<{recipient}> (sent to {})", original.address),
        None => format!("<{recipient}>"),
    };
    paragraph(text, "  ", &clean(&who, Script::Utf8));
    for sentence in [&told.what, &told.advice] {
        if !sentence.is_empty() {
            paragraph(text, "    ", &clean(sentence, script));
        }
    }
    if let Some(until) = told.retry_until.filter(|_| told.action == Action::Delayed) {
        paragraph(text, "    ", &format!("It is tried until {}.", Date(until)));
    }
    text.push_str("\r\n");
}

/// Lines of readable length; a word that no line holds is cut.
fn paragraph(text: &mut String, indent: &str, words: &str) {
    let mut length = 0;
    for word in words.split_whitespace() {
        let mut rest = word;
        while !rest.is_empty() {
            let end = (0..=900.min(rest.len())).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(0);
            let (piece, behind) = rest.split_at(end);
            let width = piece.chars().count();
            if length > 0 && length + 1 + width > LINE {
                text.push_str("\r\n");
                length = 0;
            }
            match length {
                0 => {
                    text.push_str(indent);
                    length = indent.len();
                }
                _ => {
                    text.push(' ');
                    length += 1;
                }
            }
            text.push_str(piece);
            length += width;
            rest = behind;
        }
    }
    text.push_str("\r\n");
}
