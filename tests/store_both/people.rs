//! Tenants, users, contacts and templates: deleted softly, so that their history keeps its names.

use crate::stores::{Fresh, on_both};
use gatepost::base::clock::{Clock, Time};
use gatepost::base::id::{self, ContactId, Named, TemplateId, TenantId, UserId};
use gatepost::base::random::Random;
use gatepost::model::people::{Contact, Role, Template, Tenant, User};
use gatepost::store::change::Step;
use gatepost::store::people::{Person, delete, new_contact, new_tenant, new_user, restore};
use gatepost::store::templates::new_template;
use gatepost::store::{Change, Store, StoreError};

on_both! {
    people_are_read_back
    what_is_deleted_is_gone_from_the_lists_and_its_name_is_free
    what_is_deleted_comes_back_unless_its_name_was_taken
    names_are_taken_within_their_tenant_only
    what_is_not_there_can_neither_be_deleted_nor_brought_back
    more_people_than_a_page_are_paged
    hostile_names_are_names
}

fn now() -> Time {
    Clock::System.now()
}

fn new_id<I: Named>() -> I {
    id::new(now(), &Random::System)
}

fn tenant(name: &str) -> Tenant {
    Tenant { id: new_id(), name: name.into(), created_at: now(), disabled_at: None, deleted_at: None }
}

fn user(tenant: &TenantId, email: &str) -> User {
    User {
        id: new_id(),
        tenant: tenant.clone(),
        email: email.into(),
        name: "Ada".into(),
        role: Role::Agent,
        created_at: now(),
        disabled_at: None,
        deleted_at: None,
    }
}

fn contact(tenant: &TenantId, email: &str) -> Contact {
    let (tenant, email) = (tenant.clone(), email.into());
    Contact { id: new_id(), tenant, email, name: "Grace".into(), created_at: now(), deleted_at: None }
}

fn template(tenant: &TenantId, name: &str, active_version: Option<i64>) -> Template {
    Template {
        id: new_id(),
        tenant: tenant.clone(),
        name: name.into(),
        kind: "mail".into(),
        active_version,
        created_at: now(),
        deleted_at: None,
    }
}

/// A new person of this kind with this name, and its id.
fn made(person: Person, tenant_id: &TenantId, name: &str) -> (String, Step) {
    match person {
        Person::Tenant => {
            let tenant = tenant(name);
            (tenant.id.to_string(), new_tenant(&tenant))
        }
        Person::User => {
            let user = user(tenant_id, name);
            (user.id.to_string(), new_user(&user))
        }
        Person::Contact => {
            let contact = contact(tenant_id, name);
            (contact.id.to_string(), new_contact(&contact))
        }
        Person::Template => {
            let template = template(tenant_id, name, None);
            (template.id.to_string(), new_template(&template))
        }
    }
}

/// The living of this kind, as (id, name).
async fn living(store: &Store, person: Person, tenant: &TenantId, after: &str) -> Vec<(String, String)> {
    match person {
        Person::Tenant => {
            let page = store.tenants(after).await.unwrap();
            page.into_iter().map(|t| (t.id.to_string(), t.name)).collect()
        }
        Person::User => {
            let page = store.users(tenant, after).await.unwrap();
            page.into_iter().map(|u| (u.id.to_string(), u.email)).collect()
        }
        Person::Contact => {
            let page = store.contacts(tenant, after).await.unwrap();
            page.into_iter().map(|c| (c.id.to_string(), c.email)).collect()
        }
        Person::Template => {
            let page = store.templates(tenant, after).await.unwrap();
            page.into_iter().map(|t| (t.id.to_string(), t.name)).collect()
        }
    }
}

fn assert_conflict<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{answer:?}");
}

async fn people_are_read_back(fresh: &Fresh) {
    let store = fresh.open().await;
    let acme = tenant("acme");
    let users: Vec<User> = Role::ALL
        .into_iter()
        .map(|role| User { role, ..user(&acme.id, &format!("{}@acme.example", role.word())) })
        .collect();
    let contact = contact(&acme.id, "customer@example.net");
    let (plain, active) = (template(&acme.id, "plain", None), template(&acme.id, "active", Some(3)));
    let steps = users.iter().map(new_user);
    let change = steps.fold(Change::of(new_tenant(&acme)), Change::with);
    let change = change.with(new_contact(&contact)).with(new_template(&plain)).with(new_template(&active));
    store.write(change).await.unwrap();
    assert_eq!(store.tenant("acme").await, Ok(Some(acme.clone())));
    assert_eq!(store.tenant("ACME").await, Ok(None));
    assert_eq!(store.tenants("").await, Ok(vec![acme.clone()]));
    let mut expected = users;
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(store.users(&acme.id, "").await, Ok(expected));
    assert_eq!(store.contacts(&acme.id, "").await, Ok(vec![contact]));
    let mut expected = vec![plain, active];
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(store.templates(&acme.id, "").await, Ok(expected));
    assert_eq!(store.users(&new_id::<TenantId>(), "").await, Ok(vec![]));
}

async fn what_is_deleted_is_gone_from_the_lists_and_its_name_is_free(fresh: &Fresh) {
    let store = fresh.open().await;
    let of = new_id();
    for person in Person::ALL {
        let (first, step) = made(person, &of, "same");
        store.write(step).await.unwrap();
        assert_conflict(store.write(made(person, &of, "same").1).await);
        store.write(delete(person, &first, now())).await.unwrap();
        assert_eq!(living(&store, person, &of, "").await, [], "{person:?}");
        let (second, step) = made(person, &of, "same");
        store.write(step).await.unwrap();
        assert_eq!(living(&store, person, &of, "").await, [(second, "same".to_owned())], "{person:?}");
        if person == Person::Tenant {
            assert_ne!(store.tenant("same").await.unwrap().unwrap().id.as_str(), first);
        }
    }
    assert_eq!(fresh.count("tenants WHERE deleted_at IS NOT NULL").await, 1, "the history keeps it");
}

async fn what_is_deleted_comes_back_unless_its_name_was_taken(fresh: &Fresh) {
    let store = fresh.open().await;
    let of = new_id();
    for person in Person::ALL {
        let (first, step) = made(person, &of, "same");
        store.write(step).await.unwrap();
        store.write(delete(person, &first, now())).await.unwrap();
        store.write(restore(person, &first, now())).await.unwrap();
        assert_eq!(living(&store, person, &of, "").await, [(first.clone(), "same".to_owned())], "{person:?}");

        store.write(delete(person, &first, now())).await.unwrap();
        let (second, step) = made(person, &of, "same");
        store.write(step).await.unwrap();
        assert_conflict(store.write(restore(person, &first, now())).await);
        assert_eq!(living(&store, person, &of, "").await, [(second.clone(), "same".to_owned())], "{person:?}");
        // The name is free again when the second goes.
        store.write(delete(person, &second, now())).await.unwrap();
        store.write(restore(person, &first, now())).await.unwrap();
        assert_eq!(living(&store, person, &of, "").await, [(first, "same".to_owned())], "{person:?}");
    }
}

async fn names_are_taken_within_their_tenant_only(fresh: &Fresh) {
    let store = fresh.open().await;
    for person in [Person::Contact, Person::Template] {
        for of in [new_id(), new_id()] {
            store.write(made(person, &of, "same@example.net").1).await.unwrap();
            assert_eq!(living(&store, person, &of, "").await.len(), 1);
        }
    }
    // A user logs in with the address alone: it is one in the whole house.
    store.write(made(Person::User, &new_id(), "ada@example.net").1).await.unwrap();
    assert_conflict(store.write(made(Person::User, &new_id(), "ada@example.net").1).await);
}

async fn what_is_not_there_can_neither_be_deleted_nor_brought_back(fresh: &Fresh) {
    let store = fresh.open().await;
    let of = new_id();
    let absent = [
        new_id::<TenantId>().to_string(),
        new_id::<UserId>().to_string(),
        new_id::<ContactId>().to_string(),
        new_id::<TemplateId>().to_string(),
        "' OR 1 = 1 --".to_owned(),
        String::new(),
    ];
    for person in Person::ALL {
        let (living_id, step) = made(person, &of, "living");
        store.write(step).await.unwrap();
        for id in &absent {
            assert_conflict(store.write(delete(person, id, now())).await);
            assert_conflict(store.write(restore(person, id, now())).await);
        }
        assert_conflict(store.write(restore(person, &living_id, now())).await);
        store.write(delete(person, &living_id, now())).await.unwrap();
        assert_conflict(store.write(delete(person, &living_id, now())).await);
    }
}

async fn more_people_than_a_page_are_paged(fresh: &Fresh) {
    let store = fresh.open().await;
    let of = new_id();
    for person in Person::ALL {
        let mut expected = Vec::new();
        let mut all = Change::default();
        for n in 0..230 {
            let (id, step) = made(person, &of, &format!("name {n}"));
            expected.push((id, format!("name {n}")));
            all = all.with(step);
        }
        store.write(all).await.unwrap();
        expected.sort();
        let mut found: Vec<(String, String)> = Vec::new();
        loop {
            let after = found.last().map_or("", |(id, _)| id.as_str()).to_owned();
            let page = living(&store, person, &of, &after).await;
            assert!(page.len() <= 100);
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found, expected, "{person:?}");
    }
}

async fn hostile_names_are_names(fresh: &Fresh) {
    let store = fresh.open().await;
    let of = new_id();
    for name in ["'; DROP TABLE tenants; --", "$1", "?", "\"", "\\", "%", "_", "Ünïcödé 東京 🦀", " ", "a\r\nb"]
    {
        for person in Person::ALL {
            let (id, step) = made(person, &of, name);
            store.write(step).await.unwrap();
            assert!(living(&store, person, &of, "").await.contains(&(id, name.to_owned())), "{person:?} {name:?}");
        }
        assert_eq!(store.tenant(name).await.unwrap().unwrap().name, name);
    }
}
