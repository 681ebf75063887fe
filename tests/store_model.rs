//! The store against a model of a few lines: whatever is done in whatever order, both say the same.

use crate::mails::{Mail, Mails};
use crate::stores::Fresh;
use gatepost::base::id;
use gatepost::model::delivery::State;
use gatepost::model::message::Form;
use gatepost::model::people::Tenant;
use gatepost::store::people::{Person, delete, new_tenant, restore};
use gatepost::store::{Store, StoreError};
use proptest::prelude::*;
use std::collections::BTreeMap;

const MAILS: usize = 4;
const TENANTS: usize = 4;
const NAMES: usize = 2;

#[derive(Clone, Debug)]
enum Act {
    /// Also again, and also after it was settled.
    Accept(usize),
    Settle {
        mail: usize,
        state: State,
        stale: bool,
    },
    /// A mail together with a tenant whose name may be taken: both or none.
    AcceptWithTenant {
        mail: usize,
        tenant: usize,
        name: usize,
    },
    MakeTenant {
        tenant: usize,
        name: usize,
    },
    Delete(usize),
    Restore(usize),
    /// The daemon starts anew: what was answered is still there.
    Reopen,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let state = prop::sample::select(
        State::ALL.into_iter().filter(|state| State::Leased.may_become(*state)).collect::<Vec<_>>(),
    );
    let act = prop_oneof![
        4 => (0..MAILS).prop_map(Act::Accept),
        4 => (0..MAILS, state, any::<bool>()).prop_map(|(mail, state, stale)| Act::Settle { mail, state, stale }),
        2 => (0..MAILS, 0..TENANTS, 0..NAMES)
            .prop_map(|(mail, tenant, name)| Act::AcceptWithTenant { mail, tenant, name }),
        3 => (0..TENANTS, 0..NAMES).prop_map(|(tenant, name)| Act::MakeTenant { tenant, name }),
        2 => (0..TENANTS).prop_map(Act::Delete),
        2 => (0..TENANTS).prop_map(Act::Restore),
        1 => Just(Act::Reopen),
    ];
    prop::collection::vec(act, 1..40)
}

/// All that the store should know.
#[derive(Default)]
struct Model {
    deliveries: BTreeMap<usize, State>,
    attempts: BTreeMap<usize, usize>,
    /// Name, and whether it lives.
    tenants: BTreeMap<usize, (usize, bool)>,
}

#[derive(Debug, PartialEq)]
enum Answer {
    Written,
    Stale,
    Conflict,
}

impl Model {
    fn accept(&mut self, mail: usize) {
        self.deliveries.entry(mail).or_insert(State::Leased);
    }

    fn settle(&mut self, mail: usize, state: State, stale: bool) -> Answer {
        // A try is kept, whoever it was; the first under its number.
        self.attempts.entry(mail).or_insert(1);
        match self.deliveries.get_mut(&mail) {
            Some(now) if *now == State::Leased && !stale => {
                *now = state;
                Answer::Written
            }
            _ => Answer::Stale,
        }
    }

    fn is_taken(&self, name: usize) -> bool {
        self.tenants.values().any(|(taken, lives)| *lives && *taken == name)
    }

    fn make_tenant(&mut self, tenant: usize, name: usize) -> Answer {
        if self.tenants.contains_key(&tenant) || self.is_taken(name) {
            return Answer::Conflict;
        }
        self.tenants.insert(tenant, (name, true));
        Answer::Written
    }

    fn delete(&mut self, tenant: usize) -> Answer {
        match self.tenants.get_mut(&tenant) {
            Some((_, lives)) if *lives => {
                *lives = false;
                Answer::Written
            }
            _ => Answer::Conflict,
        }
    }

    fn restore(&mut self, tenant: usize) -> Answer {
        match self.tenants.get(&tenant) {
            Some((name, false)) if !self.is_taken(*name) => {
                self.tenants.insert(tenant, (*name, true));
                Answer::Written
            }
            _ => Answer::Conflict,
        }
    }
}

/// The same acts on the store, with the ids of this case.
struct Case {
    mails: Mails,
    all: Vec<Mail>,
    tenants: Vec<Tenant>,
}

impl Case {
    fn new(mails: Mails) -> Self {
        let all = (0..MAILS).map(|n| mails.mail(format!("mail {n}").into_bytes())).collect();
        let now = mails.clock.now();
        let tenants = (0..TENANTS)
            .map(|_| Tenant {
                id: id::new(now, &mails.random),
                name: String::new(),
                created_at: now,
                disabled_at: None,
                deleted_at: None,
            })
            .collect();
        Self { mails, all, tenants }
    }

    fn tenant(&self, tenant: usize, name: usize) -> Tenant {
        Tenant { name: format!("name {name}"), ..self.tenants[tenant].clone() }
    }

    async fn act(&self, store: &Store, act: &Act) -> Answer {
        let now = self.mails.clock.now();
        let answer = match act {
            Act::Accept(mail) => store.write(self.all[*mail].accept.clone()).await,
            Act::Settle { mail, state, stale } => {
                let mut settle = self.mails.settle(&self.all[*mail], *state);
                settle.settlements[0].lease.epoch -= i64::from(*stale);
                store.write(settle).await
            }
            Act::AcceptWithTenant { mail, tenant, name } => {
                store.write(self.all[*mail].accept.clone().with(new_tenant(&self.tenant(*tenant, *name)))).await
            }
            Act::MakeTenant { tenant, name } => store.write(new_tenant(&self.tenant(*tenant, *name))).await,
            Act::Delete(tenant) => store.write(delete(Person::Tenant, self.tenants[*tenant].id.as_str(), now)).await,
            Act::Restore(tenant) => store.write(restore(Person::Tenant, self.tenants[*tenant].id.as_str(), now)).await,
            Act::Reopen => Ok(Default::default()),
        };
        match answer {
            Ok(written) if written.stale.is_empty() => Answer::Written,
            Ok(_) => Answer::Stale,
            Err(StoreError::Conflict { .. }) => Answer::Conflict,
            Err(error) => panic!("{act:?}: {error}"),
        }
    }

    async fn assert_like(&self, store: &Store, model: &Model) {
        for (n, mail) in self.all.iter().enumerate() {
            let deliveries = store.deliveries_of(&mail.message, "").await.unwrap();
            let state = deliveries.first().map(|delivery| delivery.state);
            assert_eq!(state, model.deliveries.get(&n).copied(), "the delivery of mail {n}");
            let there = state.is_some();
            assert_eq!(store.message(&mail.message).await.unwrap().is_some(), there, "mail {n}");
            assert_eq!(store.body(&mail.message, Form::Prepared).await.unwrap().is_some(), there, "the body of {n}");
            let attempts = store.attempts_of(mail.delivery.as_str(), 0).await.unwrap().len();
            assert_eq!(attempts, model.attempts.get(&n).copied().unwrap_or(0), "the attempts of mail {n}");
        }
        let mut living: Vec<_> = store.tenants("").await.unwrap().into_iter().map(|t| (t.id, t.name)).collect();
        let mut expected: Vec<_> = model
            .tenants
            .iter()
            .filter(|(_, (_, lives))| *lives)
            .map(|(tenant, (name, _))| (self.tenants[*tenant].id.clone(), format!("name {name}")))
            .collect();
        living.sort();
        expected.sort();
        assert_eq!(living, expected);
    }
}

fn model_act(model: &mut Model, act: &Act) -> Answer {
    match act {
        Act::Accept(mail) => {
            model.accept(*mail);
            Answer::Written
        }
        Act::Settle { mail, state, stale } => model.settle(*mail, *state, *stale),
        Act::AcceptWithTenant { mail, tenant, name } => {
            let answer = model.make_tenant(*tenant, *name);
            if answer == Answer::Written {
                model.accept(*mail);
            }
            answer
        }
        Act::MakeTenant { tenant, name } => model.make_tenant(*tenant, *name),
        Act::Delete(tenant) => model.delete(*tenant),
        Act::Restore(tenant) => model.restore(*tenant),
        Act::Reopen => Answer::Written,
    }
}

async fn agree(fresh: &Fresh, acts: &[Act]) {
    let (mut store, mails) = fresh.with_mails().await;
    let case = Case::new(mails);
    let mut model = Model::default();
    for (n, act) in acts.iter().enumerate() {
        assert_eq!(case.act(&store, act).await, model_act(&mut model, act), "act {n}, {act:?}");
        if matches!(act, Act::Reopen) {
            store.close().await;
            store = fresh.open().await;
            case.assert_like(&store, &model).await;
        }
    }
    case.assert_like(&store, &model).await;
    store.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_and_its_model_agree(acts in acts()) {
        crate::stores::run(gatepost::store::dialect::Engine::Sqlite, async |fresh| agree(fresh, &acts).await);
    }
}
