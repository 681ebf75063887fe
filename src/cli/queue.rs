//! `gatepost queue`: what waits, why, and what to do about it. Each command is a question to the daemon.

mod said;

use super::arguments::{Filter, Queue, Target};
use super::daemon::{Daemon, encoded, query};
use super::{Failure, show};
use crate::base::limits;
use crate::config::Origin;
use serde_json::{Map, Value, json};
use std::io::{BufRead, IsTerminal, Write};

const QUEUE: &str = "/api/v1/queue";

pub fn run(origin: &Origin, what: Queue) -> Result<(), Failure> {
    let daemon = Daemon::of(origin)?;
    match what {
        Queue::List { filter, limit, json } => list(&daemon, &filter, limit, json),
        Queue::Show { id, json } => show_email(&daemon, &id, json),
        Queue::Retry(target) => act(&daemon, "retry", &target, None),
        Queue::Hold(target) => act(&daemon, "hold", &target, None),
        Queue::Release(target) => act(&daemon, "release", &target, None),
        Queue::Cancel(target) => act(&daemon, "cancel", &target, None),
        Queue::Reroute { to, target } => act(&daemon, "reroute", &target, Some(&to)),
        Queue::Destinations { json } => destinations(&daemon, json),
        Queue::Suspend { destination, r#for, reason, json } => {
            let body = json!({ "for": r#for, "reason": reason });
            steer(&daemon, &destination, "suspend", &body, json)
        }
        Queue::Resume { destination, json } => steer(&daemon, &destination, "resume", &json!({}), json),
        Queue::Rate { destination, rate, json } => {
            let rate = (rate != "none").then_some(rate);
            steer(&daemon, &destination, "rate", &json!({ "rate": rate }), json)
        }
    }
}

/// A page after the other until the last, or until so many rows were shown.
fn pages(
    daemon: &Daemon,
    ask: impl Fn(&str, Option<&str>) -> String,
    limit: Option<u64>,
    mut print: impl FnMut(&[Value]) -> Result<(), Failure>,
) -> Result<Pages, Failure> {
    let (mut shown, mut after) = (0_u64, None::<String>);
    loop {
        let left = limit.map_or(u64::MAX, |limit| limit - shown);
        let size = left.min(limits::PAGE_ROWS_MAX as u64).to_string();
        let page = daemon.get(&ask(&size, after.as_deref()))?;
        let rows = page["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        print(rows)?;
        shown += rows.len() as u64;
        let next = page["next"].as_str().or_else(|| rows.last().and_then(|row| row["id"].as_str()));
        match next {
            Some(next) if page["has_more"] == true && after.as_deref() != Some(next) => after = Some(next.to_owned()),
            _ => return Ok(Pages { shown, more: false }),
        }
        if limit.is_some_and(|limit| shown >= limit) {
            return Ok(Pages { shown, more: true });
        }
    }
}

struct Pages {
    shown: u64,
    more: bool,
}

fn list(daemon: &Daemon, filter: &Filter, limit: Option<u64>, json: bool) -> Result<(), Failure> {
    let ask = |size: &str, after: Option<&str>| {
        let mut pairs = filter.pairs();
        pairs.extend([("limit", Some(size)), ("after", after)]);
        query(QUEUE, &pairs)
    };
    let mut table = said::deliveries();
    let pages = pages(daemon, ask, limit, |rows| match json {
        true => lines_of_json(rows),
        false if rows.is_empty() => Ok(()),
        false => show(&table.rows(&rows.iter().map(said::delivery).collect::<Vec<_>>())),
    })?;
    match (json, pages) {
        (true, _) => Ok(()),
        (false, Pages { shown: 0, more: false }) if filter.is_empty() => show("The queue is empty.\n"),
        (false, Pages { shown: 0, more: false }) => show("Nothing in the queue is like this.\n"),
        (false, Pages { shown, more: true }) => show(&format!(
            "{} shown, and there are more: raise --limit, or ask more narrowly\n",
            said::deliveries_of(shown)
        )),
        (false, Pages { shown, more: false }) => show(&format!("{}\n", said::deliveries_of(shown))),
    }
}

fn lines_of_json(rows: &[Value]) -> Result<(), Failure> {
    rows.iter().try_for_each(|row| show(&format!("{row}\n")))
}

fn show_email(daemon: &Daemon, id: &str, json: bool) -> Result<(), Failure> {
    let email = daemon.get(&format!("/api/v1/emails/{}", encoded(id))).map_err(|failure| failure.about(id))?;
    show(&if json { format!("{email}\n") } else { said::email(&email) })
}

/// Ids that somebody wrote down are meant; what a filter finds is counted and shown first.
fn act(daemon: &Daemon, action: &str, target: &Target, to: Option<&str>) -> Result<(), Failure> {
    if !target.ids.is_empty() {
        return target.ids.iter().try_for_each(|id| {
            let order = order(json!({ "id": id }), action, target, to);
            confirmed(daemon, &order, target.json).map_err(|failure| failure.about(id))
        });
    }
    if target.filter.is_empty() && !target.all {
        let why =
            format!("say what to {action}: ids, or a filter like --destination gmail.com; --all is the whole queue");
        return Err(Failure::Because(why));
    }
    let order = order(json!({ "filter": target.filter.as_json() }), action, target, to);
    if target.yes {
        return confirmed(daemon, &order, target.json);
    }
    let preview = daemon.post(&format!("{QUEUE}/actions"), &Value::Object(order.clone()))?;
    show(&if target.json { format!("{preview}\n") } else { said::action(&preview) })?;
    if preview["matched"].as_u64() == Some(0) {
        return Ok(());
    }
    if !target.json && std::io::stdin().is_terminal() && is_wanted()? {
        return confirmed(daemon, &order, target.json);
    }
    Err(Failure::Because("nothing was changed; say it again with --yes to do it".to_owned()))
}

fn order(which: Value, action: &str, target: &Target, to: Option<&str>) -> Map<String, Value> {
    let mut order = match which {
        Value::Object(order) => order,
        _ => Map::new(),
    };
    order.insert("action".to_owned(), action.into());
    let said = [("to", to), ("note", target.note.as_deref())];
    order.extend(said.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
    order
}

fn is_wanted() -> Result<bool, Failure> {
    let mut out = std::io::stdout();
    write!(out, "Do it? [y/N] ").and_then(|()| out.flush()).map_err(Failure::because)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(Failure::because)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Does it, in as many steps as the daemon takes for it.
fn confirmed(daemon: &Daemon, order: &Map<String, Value>, json: bool) -> Result<(), Failure> {
    let mut order = order.clone();
    order.insert("confirm".to_owned(), true.into());
    loop {
        let answer = daemon.post(&format!("{QUEUE}/actions"), &Value::Object(order.clone()))?;
        show(&if json { format!("{answer}\n") } else { said::action(&answer) })?;
        match answer["next"].as_str() {
            Some(next) if order.get("after").and_then(Value::as_str) != Some(next) => {
                order.insert("after".to_owned(), next.into());
            }
            _ => return Ok(()),
        }
    }
}

fn destinations(daemon: &Daemon, json: bool) -> Result<(), Failure> {
    let ask = |size: &str, after: Option<&str>| {
        query(&format!("{QUEUE}/destinations"), &[("limit", Some(size)), ("after", after)])
    };
    let mut table = said::destinations();
    let pages = pages(daemon, ask, None, |rows| match json {
        true => lines_of_json(rows),
        false if rows.is_empty() => Ok(()),
        false => show(&table.rows(&rows.iter().map(said::destination).collect::<Vec<_>>())),
    })?;
    if json || pages.shown > 0 { Ok(()) } else { show("Nothing waits for any destination.\n") }
}

fn steer(daemon: &Daemon, destination: &str, what: &str, body: &Value, json: bool) -> Result<(), Failure> {
    let answer = daemon.post(&format!("{QUEUE}/destinations/{}/{what}", encoded(destination)), body)?;
    if json {
        return show(&format!("{answer}\n"));
    }
    show(&format!("{}: {}\n", said::word(&answer["id"]), said::standing(&answer)))
}
