//! Templates and their versions: kept, found by their words, counted, and read for the library.

use crate::stores::{Fresh, on_both};
use gatepost::base::clock::Time;
use gatepost::base::id::{self, TemplateId, TenantId};
use gatepost::base::random::Random;
use gatepost::model::people::Template;
use gatepost::store::people::{Person, delete};
use gatepost::store::templates::{VersionRow, activate, heard, new_template_of_words, new_version, rename, used};
use gatepost::store::{Change, StoreError};

on_both! {
    versions_are_kept_and_one_is_active
    templates_are_found_by_the_begins_of_their_words
    only_the_newest_versions_and_the_active_one_are_read_for_the_library
    a_change_is_heard_by_every_node
}

const NOW: Time = Time::from_micros(1_800_000_000_000_000);

fn template(tenant: &TenantId, name: &str) -> Template {
    Template {
        id: id::new(NOW, &Random::System),
        tenant: tenant.clone(),
        name: name.into(),
        kind: "email".into(),
        active_version: Some(1),
        created_at: NOW,
        deleted_at: None,
    }
}

fn version(template: &TemplateId, version: i64, locale: &str, content: &str) -> VersionRow {
    VersionRow {
        template: template.clone(),
        version,
        locale: locale.into(),
        content: content.into(),
        author: "root".into(),
        created_at: NOW,
    }
}

fn tenant() -> TenantId {
    id::new(NOW, &Random::System)
}

async fn versions_are_kept_and_one_is_active(fresh: &Fresh) {
    let store = fresh.open().await;
    let template = template(&tenant(), "welcome");
    let id = &template.id;
    let rows = [version(id, 1, "", "{\"html\":\"a\"}"), version(id, 1, "de", "{}"), version(id, 2, "", "'\"\u{e9}")];
    let change = rows.iter().map(new_version).fold(Change::of(new_template_of_words(&template, "")), Change::with);
    store.write(change).await.unwrap();
    assert_eq!(store.template_version(id, 1).await.unwrap(), rows[..2]);
    assert_eq!(store.template_version(id, 2).await.unwrap(), rows[2..]);
    let listed = store.template_versions(id, i64::MAX, 100).await.unwrap();
    assert_eq!(listed.iter().map(|row| row.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(store.template_versions(id, 2, 100).await.unwrap().len(), 1);
    let again = store.write(Change::of(new_version(&rows[2]))).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "a version never changes: {again:?}");

    let later = Time::from_micros(NOW.micros() + 1);
    store.write(Change::of(activate(id, Some(2), "words", later)).with(used(id, 3)).with(used(id, 4))).await.unwrap();
    let row = store.template(id).await.unwrap().unwrap();
    assert_eq!((row.template.active_version, row.used, row.updated_at), (Some(2), 7, later));
    store.write(Change::of(rename(id, "hello", later))).await.unwrap();
    assert_eq!(store.template(id).await.unwrap().unwrap().template.name, "hello");
    store.write(Change::of(delete(Person::Template, id.as_str(), later))).await.unwrap();
    assert_eq!(store.template(id).await.unwrap(), None);
    // What is gone is still counted by nobody, and stops nobody.
    store.write(Change::of(used(id, 1)).with(used(&id::new(NOW, &Random::System), 1))).await.unwrap();
}

async fn templates_are_found_by_the_begins_of_their_words(fresh: &Fresh) {
    let store = fresh.open().await;
    let (ours, theirs) = (tenant(), tenant());
    let mut change = Change::default();
    let mut names = Vec::new();
    for (tenant, name, words) in [
        (&ours, "order", "order bestellung gr\u{fc}\u{df}e 4711 the a"),
        (&ours, "offer", "offer bestell and or near"),
        (&theirs, "order", "order"),
    ] {
        let template = template(tenant, name);
        names.push(template.id.clone());
        change = change.with(new_template_of_words(&template, words));
    }
    store.write(change).await.unwrap();
    let found = async |text: &str| {
        let rows = store.search_templates(&ours, text, "", 100).await.unwrap();
        rows.into_iter().map(|row| row.template.name).collect::<Vec<_>>().join(" ")
    };
    for (text, names) in [
        ("bestell", "order offer"),
        ("Bestellung", "order"),
        ("GR\u{dc}\u{df}e", "order"),
        ("47", "order"),
        ("bestell order", "order"),
        ("nothing", ""),
        ("", ""),
        ("\"'*:&|()!-", ""),
        ("NEAR AND OR", "offer"),
        ("the", "order"),
        ("order'; DROP TABLE templates; --", ""),
    ] {
        let mut said: Vec<_> = found(text).await.split(' ').map(str::to_owned).collect();
        let mut expected: Vec<_> = names.split(' ').map(str::to_owned).collect();
        said.sort();
        expected.sort();
        assert_eq!(said, expected, "{text}");
    }
    // Another version says other words.
    store.write(Change::of(activate(&names[0], Some(2), "invoice", NOW))).await.unwrap();
    assert_eq!((found("invoice").await.as_str(), found("bestellung").await.as_str()), ("order", ""));
    store.write(Change::of(delete(Person::Template, names[0].as_str(), NOW))).await.unwrap();
    assert_eq!(found("invoice").await, "");
}

async fn only_the_newest_versions_and_the_active_one_are_read_for_the_library(fresh: &Fresh) {
    let store = fresh.open().await;
    let (kept, gone) = (template(&tenant(), "kept"), template(&tenant(), "gone"));
    let mut change = Change::of(new_template_of_words(&kept, "")).with(new_template_of_words(&gone, ""));
    for number in 1..=50 {
        change = change.with(new_version(&version(&kept.id, number, "", "{}")));
        change = change.with(new_version(&version(&kept.id, number, "de", "{}")));
    }
    change = change.with(new_version(&version(&gone.id, 1, "", "{}")));
    store.write(change.with(delete(Person::Template, gone.id.as_str(), NOW))).await.unwrap();
    let (templates, versions) = store.ready_templates().await.unwrap();
    assert_eq!(templates.len(), 1);
    let numbers: Vec<_> = versions.iter().map(|row| row.version).collect();
    let expected: Vec<_> = std::iter::once(1).chain(31..=50).flat_map(|number| [number, number]).collect();
    assert_eq!(numbers, expected);
}

async fn a_change_is_heard_by_every_node(fresh: &Fresh) {
    let store = fresh.open().await;
    let before = store.directory_version().await.unwrap();
    let change = Change::of(new_template_of_words(&template(&tenant(), "x"), ""));
    store.write(heard(change, NOW)).await.unwrap();
    assert!(store.directory_version().await.unwrap() > before);
}
