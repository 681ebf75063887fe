//! Suppressions as CSV (RFC 4180): a list that another system kept comes in, ours goes out. The first line names the
//! columns, in any order; only `address` has to be there. What is wrong is told with its line, and does not keep the
//! others from coming in.

use super::fields::{Fields, invalid};
use super::store_failed;
use super::suppressions::{EXPORT_ROWS, causes, rfc3339, store, tenant_named};
use crate::base::clock::Time;
use crate::base::id::{self, TenantId};
use crate::base::limits;
use crate::http::auth::SuperAdmin;
use crate::http::error::ApiError;
use crate::http::router::Context;
use crate::mail::domain_name::DomainName;
use crate::model::name::Name;
use crate::model::suppression::{Cause, Suppression, Whence};
use crate::store::suppressions::suppress;
use crate::store::{Change, Store};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;

const HEAD: &str = "address,domain,stream,reason,origin,note,created_at,expires_at\r\n";
const TYPE: &str = "text/csv";

/// What an import did.
#[derive(Debug, Serialize)]
pub(super) struct Imported {
    object: &'static str,
    /// On disk: new ones, and ones that were there and say now what the list says.
    imported: u64,
    /// Over already: nothing is kept of them.
    expired: u64,
    failed: u64,
    /// The first of those that failed.
    errors: Vec<Wrong>,
}

/// A line that did not come in.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Wrong {
    line: usize,
    message: String,
}

/// The text of a request that is CSV.
pub(super) struct Csv(String);

impl<S: Send + Sync> FromRequest<S> for Csv {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(TYPE) {
            return Err(invalid("unsupported_media_type", "the list is sent as Content-Type: text/csv")
                .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|why| {
            let message =
                format!("the list has more than {} bytes, or broke off: send it in parts", limits::IMPORT_BYTES_MAX);
            invalid("body_too_large", message).with_status(why.into_response().status())
        })?;
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| invalid("malformed_body", "the list is not UTF-8"))?;
        Ok(Self(text))
    }
}

pub(super) async fn import(
    _: SuperAdmin,
    State(context): State<Context>,
    mut fields: Fields,
    Csv(text): Csv,
) -> Result<Json<Imported>, ApiError> {
    let store = store(&context)?;
    let tenant = tenant_named(&context, &mut fields)?;
    fields.end()?;
    let mut records = Records::of(text.strip_prefix('\u{feff}').unwrap_or(&text));
    let columns = Columns::read(records.next())?;
    let mut done = Imported { object: "suppression_import", imported: 0, expired: 0, failed: 0, errors: Vec::new() };
    let mut rows: Vec<Suppression> = Vec::with_capacity(limits::IMPORT_ROWS_AT_ONCE);
    for record in records {
        let now = context.clock.now();
        match record.and_then(|record| columns.row(&record, &tenant, now, &context)) {
            Ok(row) if row.expires_at.is_some_and(|at| at <= now) => done.expired += 1,
            Ok(row) => rows.push(row),
            Err(wrong) => done.fail(wrong),
        }
        if rows.len() >= limits::IMPORT_ROWS_AT_ONCE {
            done.imported += write(&store, &mut rows).await?;
        }
    }
    done.imported += write(&store, &mut rows).await?;
    Ok(Json(done))
}

/// A slice, in one transaction: mail waits for no whole list.
async fn write(store: &Store, rows: &mut Vec<Suppression>) -> Result<u64, ApiError> {
    let count = rows.len() as u64;
    if count > 0 {
        let change = rows.drain(..).fold(Change::default(), |change, row| change.with(suppress(&row)));
        store.write(change).await.map_err(store_failed)?;
    }
    Ok(count)
}

impl Imported {
    fn fail(&mut self, wrong: Wrong) {
        self.failed += 1;
        if self.errors.len() < limits::IMPORT_ERRORS_SHOWN {
            self.errors.push(wrong);
        }
    }
}

/// Where each column stands.
#[derive(Debug, Default, PartialEq, Eq)]
struct Columns {
    address: usize,
    domain: Option<usize>,
    stream: Option<usize>,
    reason: Option<usize>,
    note: Option<usize>,
    expires_at: Option<usize>,
}

impl Columns {
    fn read(first: Option<Result<Record, Wrong>>) -> Result<Self, ApiError> {
        let said = |message: String| invalid("malformed_body", message);
        let Some(first) = first else { return Err(said("the list is empty: its first line names the columns".into())) };
        let first = first.map_err(|wrong| said(format!("line {}: {}", wrong.line, wrong.message)))?;
        let names: Vec<String> = first.fields.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        let known = ["address", "domain", "stream", "reason", "origin", "note", "created_at", "expires_at"];
        if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(limits::API_NAME_SHOWN_MAX).collect();
            return Err(said(format!("unknown column \"{shown}\": known are {}", known.join(", "))));
        }
        let at = |name: &str| names.iter().position(|known| known == name);
        let address = at("address").ok_or_else(|| said("the first line names no column \"address\"".into()))?;
        Ok(Self {
            address,
            domain: at("domain"),
            stream: at("stream"),
            reason: at("reason"),
            note: at("note"),
            expires_at: at("expires_at"),
        })
    }

    fn row(&self, record: &Record, tenant: &TenantId, now: Time, context: &Context) -> Result<Suppression, Wrong> {
        let wrong = |message: String| Wrong { line: record.line, message };
        let text = |at: Option<usize>| at.and_then(|at| record.fields.get(at)).map_or("", |field| field.trim());
        let whom = text(Some(self.address));
        let whom = whom.parse().map_err(|why| wrong(format!("{whom:?} is no address, nor *@ and a domain: {why}")))?;
        let domain = match text(self.domain) {
            "" => String::new(),
            name => name.parse::<DomainName>().map_err(|why| wrong(format!("domain {name:?}: {why}")))?.to_string(),
        };
        let stream = match text(self.stream) {
            "" => String::new(),
            name => name.parse::<Name>().map_err(|why| wrong(format!("stream {name:?}: {why}")))?.to_string(),
        };
        let reason = match text(self.reason) {
            "" => Cause::Import,
            word => {
                causes().into_iter().find(|(known, _)| *known == word).map(|(_, cause)| cause).ok_or_else(|| {
                    let known: Vec<_> = causes().into_iter().map(|(word, _)| word).collect();
                    wrong(format!("reason {word:?} is none of {}", known.join(", ")))
                })?
            }
        };
        let expires_at = match text(self.expires_at) {
            "" => None,
            at => Some(
                rfc3339(at).ok_or_else(|| wrong(format!("expires_at {at:?} is no time like 2030-12-31T00:00:00Z")))?,
            ),
        };
        let note = text(self.note);
        if note.len() > limits::API_TEXT_BYTES_MAX {
            return Err(wrong(format!("a note has at most {} bytes", limits::API_TEXT_BYTES_MAX)));
        }
        Ok(Suppression {
            id: id::new(now, &context.random),
            tenant: tenant.clone(),
            domain,
            stream,
            whom,
            reason,
            origin: Whence::Api,
            note: note.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
            created_at: now,
            expires_at,
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Record {
    /// Where it begins, counted from 1.
    line: usize,
    fields: Vec<String>,
}

/// RFC 4180 2: fields between commas, quoted where they hold one; lines that end with CRLF or LF. Empty lines are
/// nothing.
struct Records<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Records<'a> {
    fn of(text: &'a str) -> Self {
        Self { rest: text, line: 1 }
    }

    /// A field, and whether the record goes on behind it.
    fn field(&mut self) -> Result<(String, bool), Wrong> {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
            let field = self.rest[..end].trim_end_matches('\r').to_owned();
            return Ok((field, self.pass(end)));
        };
        let (mut field, mut rest, mut lines) = (String::new(), quoted, 0);
        loop {
            let Some(end) = rest.find('"') else {
                let wrong = Wrong { line: self.line, message: "a quotation has no end".to_owned() };
                self.rest = "";
                return Err(wrong);
            };
            field.push_str(&rest[..end]);
            lines += rest[..end].matches('\n').count();
            rest = &rest[end + 1..];
            match rest.strip_prefix('"') {
                Some(behind) => {
                    field.push('"');
                    rest = behind;
                }
                None => break,
            }
        }
        self.rest = rest;
        let behind = rest.find([',', '\n']).unwrap_or(rest.len());
        let is_clean = rest[..behind].trim().is_empty();
        let wrong = Wrong { line: self.line, message: "text stands behind a quotation".to_owned() };
        self.line += lines;
        let goes_on = self.pass(behind);
        if is_clean {
            return Ok((field, goes_on));
        }
        while goes_on && self.field().is_ok_and(|(_, goes_on)| goes_on) {}
        Err(wrong)
    }

    /// Behind a comma or a line end; whether it was a comma.
    fn pass(&mut self, end: usize) -> bool {
        let goes_on = self.rest[end..].starts_with(',');
        self.line += usize::from(self.rest[end..].starts_with('\n'));
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        goes_on
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Wrong>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let line = self.line;
            let mut fields = Vec::new();
            loop {
                match self.field() {
                    Err(wrong) => return Some(Err(wrong)),
                    Ok((field, goes_on)) => {
                        fields.push(field);
                        if !goes_on {
                            break;
                        }
                    }
                }
            }
            if fields.iter().any(|field| !field.trim().is_empty()) {
                return Some(Ok(Record { line, fields }));
            }
        }
        None
    }
}

pub(super) async fn export(
    _: SuperAdmin,
    State(context): State<Context>,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let store = store(&context)?;
    let tenant = tenant_named(&context, &mut fields)?;
    fields.end()?;
    // The first page is read before anything is answered: a store that is down is an error, not a short list.
    let first = page(&store, &tenant, None).await.map_err(store_failed)?;
    let pages = futures_util::stream::try_unfold(Some((store, tenant, first)), async |state| {
        let Some((store, tenant, rows)) = state else { return Ok(None) };
        let text: String = rows.iter().map(line).collect();
        let next = match rows.last() {
            Some(last) if rows.len() as i64 == EXPORT_ROWS => {
                let rows = page(&store, &tenant, Some(last)).await?;
                Some((store, tenant, rows))
            }
            _ => None,
        };
        Ok::<_, crate::store::StoreError>(Some((Bytes::from(text), next)))
    });
    use futures_util::StreamExt;
    let head = futures_util::stream::once(async { Ok(Bytes::from_static(HEAD.as_bytes())) });
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (CONTENT_DISPOSITION, "attachment; filename=\"suppressions.csv\""),
    ];
    Ok((headers, Body::from_stream(head.chain(pages))).into_response())
}

async fn page(
    store: &Arc<Store>,
    tenant: &TenantId,
    after: Option<&Suppression>,
) -> Result<Vec<Suppression>, crate::store::StoreError> {
    let key = after.map(|last| last.whom.key()).unwrap_or_default();
    let behind = after.map_or(("", "", ""), |last| (key.as_str(), last.domain.as_str(), last.stream.as_str()));
    store.suppressions_behind(tenant, behind, EXPORT_ROWS).await
}

fn line(of: &Suppression) -> String {
    let end = of.expires_at.map(|at| at.to_string()).unwrap_or_default();
    let (whom, since) = (of.whom.to_string(), of.created_at.to_string());
    // A spreadsheet takes these for the beginning of a formula, even in quotes; and servers write notes.
    let shield = if of.note.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    let note = format!("{shield}{}", of.note);
    let fields = [&whom, &of.domain, &of.stream, of.reason.word(), of.origin.word(), &note, &since, &end];
    fields.map(|field: &str| quoted(field)).join(",") + "\r\n"
}

/// RFC 4180 2.5, 2.6.
fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records(text: &str) -> Vec<Result<(usize, Vec<String>), usize>> {
        let told = |record: Result<Record, Wrong>| match record {
            Ok(record) => Ok((record.line, record.fields)),
            Err(wrong) => Err(wrong.line),
        };
        Records::of(text).map(told).collect()
    }

    fn fields(fields: &[&str]) -> Vec<String> {
        fields.iter().map(|field| (*field).to_owned()).collect()
    }

    #[test]
    fn lines_are_counted_through_quotations_and_empty_ones() {
        let text = "a,b\r\n\r\n\"x,\"\"y\"\"\nz\",1\n,\nlast";
        assert_eq!(
            records(text),
            [Ok((1, fields(&["a", "b"]))), Ok((3, fields(&["x,\"y\"\nz", "1"]))), Ok((6, fields(&["last"])))]
        );
    }

    #[test]
    fn what_is_broken_costs_its_own_line() {
        assert_eq!(records("\"a\"b,c\nd\n"), [Err(1), Ok((2, fields(&["d"])))]);
        assert_eq!(records("a\n\"b"), [Ok((1, fields(&["a"]))), Err(2)]);
    }

    #[test]
    fn the_columns_are_named_and_an_unknown_one_is_refused() {
        let read = |text: &str| Columns::read(Records::of(text).next()).map_err(|why| why.message().to_owned());
        let columns = read("Reason, ADDRESS ,created_at\r\n").unwrap();
        assert_eq!((columns.address, columns.reason, columns.domain), (1, Some(0), None));
        assert!(read("email,reason\n").unwrap_err().contains("unknown column \"email\""));
        assert!(read("reason\n").unwrap_err().contains("no column \"address\""));
        assert!(read("").unwrap_err().contains("empty"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(rows in proptest::collection::vec(
            proptest::collection::vec("([a-z \"\u{e9}]|,|\r\n|\n){0,8}x", 3..4), 0..6,
        )) {
            let text: String =
                rows.iter().map(|row| row.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",") + "\r\n").collect();
            let read: Vec<_> = Records::of(&text).map(|record| record.unwrap().fields).collect();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn no_text_makes_it_panic(text in "([a-z]|\"|,|\r|\n|\\PC){0,60}") {
            let lines = text.matches('\n').count() + 1;
            for record in Records::of(&text) {
                let line = record.map_or_else(|wrong| wrong.line, |record| record.line);
                prop_assert!((1..=lines).contains(&line));
            }
        }
    }
}
