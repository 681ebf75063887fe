//! The queue as an operator sees it: pages by id through whatever waits, whichever state it moves between
//! meanwhile, and the destinations it waits for. A page looks at a bounded number of rows (the window); a
//! rare filter gives short pages with a place to go on, and never a walk through a million rows.

use super::error::StoreError;
use super::mail::{self, delivery_columns};
use super::open::Store;
use super::statement::{Binds, Columns, Statement, fetch_all, fetch_one, statements};
use super::{events, words};
use crate::base::clock::Time;
use crate::base::id::{DeliveryId, MessageId, TenantId};
use crate::base::limits;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::ReversePath;
use crate::model::delivery::{Attempt, Delivery, State};
use crate::model::event::Event;
use sqlx::any::AnyRow;

/// Which deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub which: Which,
    pub tenant: Option<TenantId>,
    pub recipient_domain: Option<DomainName>,
    /// A queue by its name: `mx:example.net`, `relay:upstream`.
    pub destination: Option<String>,
    /// Of the header's From or the envelope's sender.
    pub sender_domain: Option<DomainName>,
    pub tag: Option<String>,
}

impl Filter {
    /// How many rows a page looks at: what the indexes do not find has to be looked for.
    fn examined(&self, rows: i64) -> i64 {
        let searches = self.tenant.is_some()
            || self.recipient_domain.is_some()
            || self.sender_domain.is_some()
            || self.tag.is_some();
        if searches { limits::LIST_EXAMINED_MAX } else { rows }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// All that is not finished, the oldest first.
    #[default]
    Waiting,
    /// One state: what waits with the oldest first, what is finished with the newest.
    In(State),
    /// Everything, the newest first.
    Any,
}

/// A delivery, with what its message says to an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub delivery: Delivery,
    /// Since when it has been in its state.
    pub since: Time,
    pub sender: ReversePath,
    pub from_domain: DomainName,
    pub subject: String,
    pub header_id: String,
    pub sandboxed_at: Option<Time>,
    pub tags: Vec<String>,
}

/// A page, and where the next one begins; none behind the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// What waits for one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationSummary {
    pub destination: String,
    /// Each counted up to `DESTINATION_COUNTED_MAX`.
    pub ready: u64,
    pub leased: u64,
    pub deferred: u64,
    pub scheduled: u64,
    pub held: u64,
    /// When the oldest of them was accepted.
    pub oldest: Option<Time>,
    /// Why the youngest of those that were put off was put off.
    pub last_error: Option<String>,
}

/// What waits in one state, by id: one walk along one index. The state's own word stands in the text,
/// because the parameter ($1, '' for all) says only whether it is asked for.
macro_rules! one_state {
    ($state:literal, $more:literal, $end:literal) => {
        concat!(
            "SELECT id FROM (SELECT d.id AS id FROM deliveries d WHERE d.state = '",
            $state,
            "' AND d.finished_at IS NULL AND d.leased_by IS NULL AND $1 IN ('', '",
            $state,
            "') AND d.id > $2",
            $more,
            " ORDER BY d.id",
            $end,
            ") AS ",
            $state
        )
    };
}

/// What waits in any state, leased ones too. A row that moves from one to another meanwhile is in exactly
/// one of them, because this is one statement. What is leased is little and has no index by id: `id || ''`
/// keeps both engines from walking the primary key instead, with all that is finished.
macro_rules! all_states {
    ($more:literal, $leased:literal, $end:literal) => {
        concat!(
            one_state!("scheduled", $more, $end),
            " UNION ALL ",
            one_state!("held", $more, $end),
            " UNION ALL ",
            one_state!("ready", $more, $end),
            " UNION ALL ",
            one_state!("deferred", $more, $end),
            " UNION ALL SELECT id FROM (SELECT d.id AS id FROM deliveries d WHERE d.state = 'leased'
            AND d.leased_by > '' AND $1 IN ('', 'leased') AND d.id || '' > $2",
            $leased,
            " ORDER BY d.id || ''",
            $end,
            ") AS leased"
        )
    };
}

macro_rules! entry_columns {
    () => {
        concat!(
            delivery_columns!(),
            ", d.updated_at AS updated_at, m.sender AS sender, m.from_domain AS from_domain, m.subject AS subject,
            m.header_id AS header_id, m.sandboxed_at AS sandboxed_at, m.details AS message_details"
        )
    };
}

macro_rules! filtered {
    () => {
        " AND ($4 = '' OR d.tenant_id = $4) AND ($5 = '' OR d.recipient LIKE $5 ESCAPE '!')
        AND ($6 = '' OR m.from_domain = $6 OR m.sender LIKE $7 ESCAPE '!')
        AND ($8 = '' OR m.details LIKE $8 ESCAPE '!')"
    };
}

/// The destinations behind $1, from one to the next, however much waits for each.
macro_rules! next_destination {
    ($behind:literal) => {
        concat!(
            "SELECT d.destination FROM deliveries d WHERE d.finished_at IS NULL AND d.leased_by IS NULL
            AND d.destination > ",
            $behind,
            " ORDER BY d.destination LIMIT 1"
        )
    };
}

macro_rules! waiting_at {
    ($state:literal) => {
        concat!(
            "d.destination = p.destination AND d.state = '",
            $state,
            "' AND d.finished_at IS NULL AND d.leased_by IS NULL"
        )
    };
}

macro_rules! counted_and_oldest {
    ($state:literal) => {
        concat!(
            "(SELECT COUNT(*) FROM (SELECT d.id FROM deliveries d WHERE ",
            waiting_at!($state),
            " LIMIT $3) AS counted) AS ",
            $state,
            ", (SELECT d.created_at FROM deliveries d WHERE ",
            waiting_at!($state),
            " ORDER BY d.id LIMIT 1) AS oldest_",
            $state
        )
    };
}

statements! {
    // How far a page looks: up to which id, and how many those are.
    WAITING_WINDOW = concat!("SELECT COUNT(*) AS n, MAX(id) AS last FROM (SELECT id FROM (",
        all_states!("", "", " LIMIT $3"), ") AS w ORDER BY id LIMIT $3) AS few");
    WAITING_WINDOW_AT = concat!("SELECT COUNT(*) AS n, MAX(id) AS last FROM (SELECT id FROM (",
        all_states!(" AND d.destination = $4", " AND d.destination = $4", " LIMIT $3"), ") AS w ORDER BY id LIMIT $3) AS few");
    WAITING_PAGE = concat!("SELECT ", entry_columns!(), " FROM (", all_states!(" AND d.id <= $3", " AND d.id || '' <= $3", ""),
        ") AS w CROSS JOIN deliveries d CROSS JOIN messages m WHERE d.id = w.id AND m.id = d.message_id",
        filtered!(), " ORDER BY d.id LIMIT $9");
    WAITING_PAGE_AT = concat!("SELECT ", entry_columns!(), " FROM (",
        all_states!(" AND d.id <= $3 AND d.destination = $10", " AND d.id || '' <= $3 AND d.destination = $10", ""),
        ") AS w CROSS JOIN deliveries d CROSS JOIN messages m WHERE d.id = w.id AND m.id = d.message_id",
        filtered!(), " ORDER BY d.id LIMIT $9");
    // The newest first: from $1 downwards.
    NEWEST_WINDOW = "SELECT COUNT(*) AS n, MIN(id) AS last FROM
        (SELECT id FROM deliveries WHERE id < $1 ORDER BY id DESC LIMIT $2) AS few";
    NEWEST_PAGE = concat!("SELECT ", entry_columns!(), " FROM (SELECT id FROM deliveries
        WHERE id < $1 AND id >= $2) AS w CROSS JOIN deliveries d CROSS JOIN messages m
        WHERE d.id = w.id AND m.id = d.message_id AND ($3 = '' OR d.state = $3)", filtered!(),
        " AND ($10 = '' OR d.destination = $10) ORDER BY d.id DESC LIMIT $9");
    ENTRY = concat!("SELECT ", entry_columns!(), " FROM deliveries d CROSS JOIN messages m
        WHERE d.id = $1 AND m.id = d.message_id");
    ENTRIES_OF_MESSAGE = concat!("SELECT ", entry_columns!(), " FROM deliveries d CROSS JOIN messages m
        WHERE d.message_id = $1 AND d.id > $2 AND m.id = d.message_id ORDER BY d.id LIMIT $3");
    ATTEMPTS_OF_MESSAGE = "SELECT a.delivery_id AS delivery_id, a.number AS number, a.node_id AS node_id,
        a.started_at AS started_at, a.took_us AS took_us, a.outcome AS outcome, a.host AS host, a.address AS address,
        a.tls AS tls, a.reply AS reply, a.details AS details FROM deliveries d CROSS JOIN attempts a
        WHERE d.message_id = $1 AND a.delivery_id = d.id ORDER BY a.delivery_id, a.number LIMIT $2";
    NEWEST_EVENTS_OF_MESSAGE = "SELECT id, kind, at, tenant_id, message_id, delivery_id, data FROM events
        WHERE message_id = $1 ORDER BY id DESC LIMIT $2";
    DESTINATIONS = concat!("WITH RECURSIVE leased(destination, n) AS (SELECT l.destination, COUNT(*) FROM
            (SELECT destination FROM deliveries WHERE state = 'leased' LIMIT $4) AS l
            WHERE l.destination > $1 GROUP BY l.destination),
        found(destination, n) AS (
            SELECT destination, CAST(1 AS BIGINT) FROM (", next_destination!("$1"), ") AS first
            UNION ALL SELECT (", next_destination!("found.destination"), "), found.n + 1
            FROM found WHERE found.destination IS NOT NULL AND found.n < $2)
        SELECT p.destination AS destination, COALESCE(leased.n, 0) AS leased, ",
        counted_and_oldest!("scheduled"), ", ", counted_and_oldest!("held"), ", ", counted_and_oldest!("ready"), ", ",
        counted_and_oldest!("deferred"), ", (SELECT d.reason FROM deliveries d WHERE ", waiting_at!("deferred"),
        " ORDER BY d.id DESC LIMIT 1) AS last_error
        FROM (SELECT destination FROM (SELECT destination FROM found WHERE destination IS NOT NULL
            UNION SELECT destination FROM leased) AS named ORDER BY destination LIMIT $2) AS p
        LEFT JOIN leased ON leased.destination = p.destination ORDER BY p.destination");
}

impl Store {
    /// A page of deliveries behind `after` ("" for the first), at most so many of those that the page looks
    /// at. It may be short, or empty, and still have a next one.
    pub async fn list(&self, filter: &Filter, after: &str, rows: usize) -> Result<Page<Entry>, StoreError> {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX).clamp(1, limits::QUEUE_ROWS_MAX);
        let (found, window_end) = match filter.which {
            Which::Waiting => self.waiting(filter, "", after, rows).await?,
            Which::In(state) if !state.is_final() => self.waiting(filter, state.word(), after, rows).await?,
            Which::In(state) => self.newest(filter, state.word(), after, rows).await?,
            Which::Any => self.newest(filter, "", after, rows).await?,
        };
        let full = found.len() as i64 == rows;
        let last = found.last().map(|entry| entry.delivery.id.to_string());
        let next = if full { last } else { window_end };
        let items = found.into_iter().filter(|entry| filter.tag.as_ref().is_none_or(|tag| entry.tags.contains(tag)));
        Ok(Page { items: items.collect(), next })
    }

    /// What was found, and the end of the window if there is more behind it.
    async fn waiting(
        &self,
        filter: &Filter,
        state: &str,
        after: &str,
        rows: i64,
    ) -> Result<(Vec<Entry>, Option<String>), StoreError> {
        let examined = filter.examined(rows);
        let window = Binds::default().text(state).text(after).int(examined);
        let (window_statement, window, page_statement): (_, _, &'static Statement) = match &filter.destination {
            Some(destination) => (&WAITING_WINDOW_AT, window.text(destination), &WAITING_PAGE_AT),
            None => (&WAITING_WINDOW, window, &WAITING_PAGE),
        };
        let Some((last, end)) = self.window(window_statement, window, examined).await? else {
            return Ok((Vec::new(), None));
        };
        let mut binds = filtering(Binds::default().text(state).text(after).text(&last), filter).int(rows);
        if let Some(destination) = &filter.destination {
            binds = binds.text(destination);
        }
        let found = fetch_all(self.reads(), page_statement, binds).await?;
        Ok((found.iter().map(read_entry).collect::<Result<_, _>>()?, end))
    }

    async fn newest(
        &self,
        filter: &Filter,
        state: &str,
        after: &str,
        rows: i64,
    ) -> Result<(Vec<Entry>, Option<String>), StoreError> {
        // Behind every id: `~` follows their letters.
        let below = if after.is_empty() { "dl_~" } else { after };
        let window = Binds::default().text(below).int(limits::LIST_EXAMINED_MAX);
        let Some((last, end)) = self.window(&NEWEST_WINDOW, window, limits::LIST_EXAMINED_MAX).await? else {
            return Ok((Vec::new(), None));
        };
        let binds = filtering(Binds::default().text(below).text(&last).text(state), filter).int(rows);
        let binds = binds.text(filter.destination.as_deref().unwrap_or_default());
        let found = fetch_all(self.reads(), &NEWEST_PAGE, binds).await?;
        Ok((found.iter().map(read_entry).collect::<Result<_, _>>()?, end))
    }

    /// The last id that a page looks at, and again if there may be more behind it; none when nothing is
    /// left to look at.
    async fn window(
        &self,
        statement: &'static Statement,
        binds: Binds<'_>,
        examined: i64,
    ) -> Result<Option<(String, Option<String>)>, StoreError> {
        let Some(row) = fetch_one(self.reads(), statement, binds).await? else { return Ok(None) };
        let Some(last) = row.maybe_text("last")? else { return Ok(None) };
        let full = row.int("n")? >= examined;
        Ok(Some((last.clone(), full.then_some(last))))
    }

    /// One delivery, with what its message says.
    pub async fn entry(&self, id: &DeliveryId) -> Result<Option<Entry>, StoreError> {
        let row = fetch_one(self.reads(), &ENTRY, Binds::default().text(id.as_str())).await?;
        row.as_ref().map(read_entry).transpose()
    }

    /// A page of a message's deliveries, whatever became of them, behind `after` ("" for the first).
    pub async fn entries_of(&self, id: &MessageId, after: &str, rows: usize) -> Result<Vec<Entry>, StoreError> {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX).min(limits::QUEUE_ROWS_MAX);
        let binds = Binds::default().text(id.as_str()).text(after).int(rows);
        fetch_all(self.reads(), &ENTRIES_OF_MESSAGE, binds).await?.iter().map(read_entry).collect()
    }

    /// The tries for all recipients of a message, `LIFE_ROWS_MAX` at most.
    pub async fn attempts_of_message(&self, id: &MessageId) -> Result<Vec<Attempt>, StoreError> {
        let binds = Binds::default().text(id.as_str()).int(limits::LIFE_ROWS_MAX);
        fetch_all(self.reads(), &ATTEMPTS_OF_MESSAGE, binds).await?.iter().map(mail::read_attempt).collect()
    }

    /// The newest events of a message, `LIFE_ROWS_MAX` at most, in the order in which they happened.
    pub async fn newest_events_of(&self, id: &MessageId) -> Result<Vec<Event>, StoreError> {
        let binds = Binds::default().text(id.as_str()).int(limits::LIFE_ROWS_MAX);
        let rows = fetch_all(self.reads(), &NEWEST_EVENTS_OF_MESSAGE, binds).await?;
        rows.into_iter().rev().map(events::read_event).collect()
    }

    /// A page of the destinations that something waits for, by name, behind `after` ("" for the first).
    pub async fn destinations(&self, after: &str, rows: usize) -> Result<Page<DestinationSummary>, StoreError> {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX).clamp(1, limits::PAGE_ROWS_MAX);
        let binds = Binds::default().text(after).int(rows).int(limits::DESTINATION_COUNTED_MAX);
        let found = fetch_all(self.reads(), &DESTINATIONS, binds.int(limits::LEASED_COUNTED_MAX)).await?;
        let items: Vec<_> = found.iter().map(read_destination).collect::<Result<_, _>>()?;
        let full = items.len() as i64 == rows;
        let next = items.last().filter(|_| full).map(|last: &DestinationSummary| last.destination.clone());
        Ok(Page { items, next })
    }
}

/// The values of `filtered!`: "" asks for nothing.
fn filtering(binds: Binds<'static>, filter: &Filter) -> Binds<'static> {
    let domain = |domain: &Option<DomainName>| domain.as_ref().map_or_else(String::new, DomainName::to_string);
    let at = |domain: &Option<DomainName>| {
        domain.as_ref().map_or_else(String::new, |domain| format!("%@{}", literal(domain.as_str())))
    };
    // Written as the message's details are: a rough sieve, and `list` looks again.
    let tag = filter.tag.as_ref().map(|tag| format!("%{}%", literal(&serde_json::json!(tag).to_string())));
    binds
        .text(filter.tenant.as_ref().map_or("", TenantId::as_str))
        .text(&at(&filter.recipient_domain))
        .text(&domain(&filter.sender_domain))
        .text(&at(&filter.sender_domain))
        .text(&tag.unwrap_or_default())
}

/// A text in a pattern of LIKE that means itself.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            out.push('!');
        }
        out.push(c);
    }
    out
}

fn read_entry(row: &AnyRow) -> Result<Entry, StoreError> {
    Ok(Entry {
        delivery: mail::read_delivery(row)?,
        since: Time::from_micros(row.int("updated_at")?),
        sender: match row.maybe_text("sender")? {
            None => ReversePath::Null,
            Some(address) => ReversePath::Address(words::value(&address)?),
        },
        from_domain: words::value(&row.text("from_domain")?)?,
        subject: row.text("subject")?,
        header_id: row.text("header_id")?,
        sandboxed_at: words::time(row.maybe_int("sandboxed_at")?),
        tags: tags(&row.text("message_details")?),
    })
}

fn tags(details: &str) -> Vec<String> {
    let details: serde_json::Value = serde_json::from_str(details).unwrap_or_default();
    let tags = details.get("tags").and_then(serde_json::Value::as_array);
    tags.into_iter().flatten().filter_map(|tag| tag.as_str().map(str::to_owned)).collect()
}

fn read_destination(row: &AnyRow) -> Result<DestinationSummary, StoreError> {
    let count = |column| Ok::<_, StoreError>(words::size(row.int(column)?)? as u64);
    let mut oldest = None;
    for column in ["oldest_scheduled", "oldest_held", "oldest_ready", "oldest_deferred"] {
        let found = words::time(row.maybe_int(column)?);
        oldest = [oldest, found].into_iter().flatten().min();
    }
    Ok(DestinationSummary {
        destination: row.text("destination")?,
        ready: count("ready")?,
        leased: count("leased")?,
        deferred: count("deferred")?,
        scheduled: count("scheduled")?,
        held: count("held")?,
        oldest,
        last_error: row.maybe_text("last_error")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched_for_means_itself() {
        assert_eq!(literal("50%_off!"), "50!%!_off!!");
        assert_eq!(tags(r#"{"tags":["a","b"],"x":1}"#), ["a", "b"]);
        assert_eq!(tags("no json"), [""; 0]);
    }
}
