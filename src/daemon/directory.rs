//! Keeps the directory and the templates true: assembled at start, again at each reload, and whenever another node or the
//! API moved the version in the store, which is looked at every second.

use super::house::House;
use super::keyring::Keys;
use super::templates;
use crate::base::id;
use crate::base::limits;
use crate::base::random::Random;
use crate::base::shutdown::Phase;
use crate::config::Config;
use crate::model::directory::{Directory, DirectoryRows, Parts};
use crate::model::name::Name;
use crate::model::people::Tenant;
use crate::store::{Change, Store, StoreError, directory, people};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Mutex;

/// What the store has of both.
#[derive(Default)]
struct Rows {
    directory: DirectoryRows,
    templates: templates::Rows,
}

pub struct Keeper {
    house: Arc<House>,
    store: Arc<Store>,
    keys: Arc<Keys>,
    /// As last read: what a reload goes by while the store is down.
    rows: Mutex<Rows>,
}

impl Keeper {
    /// The first directory; an error when the store does not give its half.
    pub async fn start(house: Arc<House>, store: Arc<Store>, keys: Arc<Keys>) -> Result<Arc<Self>, StoreError> {
        let keeper = Arc::new(Self { house, store, keys, rows: Mutex::default() });
        keeper.try_refresh().await?;
        Ok(keeper)
    }

    /// Takes up a new configuration, with what the store says now or said last.
    pub async fn refresh(&self) {
        if let Err(error) = self.try_refresh().await {
            tracing::warn!(%error, "the directory goes by what the store said last");
            self.assemble(&*self.rows.lock().await);
        }
    }

    /// Looks at the version until the daemon drains.
    pub async fn keep(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.house.shutdown.reached(Phase::Draining) => return,
                () = tokio::time::sleep(limits::DIRECTORY_POLL) => {}
            }
            self.keys.settle();
            // A store that does not answer is told of by its health; the directory stays as it is.
            let Ok(version) = self.store.directory_version().await else { continue };
            if version != self.house.directory.load().version() {
                self.refresh().await;
            }
        }
    }

    async fn try_refresh(&self) -> Result<(), StoreError> {
        let running = self.house.running.load_full();
        self.enter_tenants(&running.config).await?;
        self.house.signer.read(&self.store).await?;
        // The directory's version is read first: what changes meanwhile is read again.
        let directory = self.store.directory_rows().await?;
        self.keys.refresh().await?;
        let (templates, versions) = self.store.ready_templates().await?;
        let read = Rows { directory, templates: templates::Rows { templates, versions } };
        let mut rows = self.rows.lock().await;
        *rows = read;
        self.assemble(&rows);
        Ok(())
    }

    fn assemble(&self, rows: &Rows) {
        let running = self.house.running.load_full();
        let config = &running.config;
        let parts = Parts {
            tenants: &config.tenant,
            relays: &config.relay,
            sources: &config.source,
            destinations: &config.destination,
            domains: &config.domain,
            streams: &config.stream,
            credentials: &config.credential,
            mailboxes: &config.mailbox,
            routes: &config.route,
        };
        let (directory, troubles) = Directory::assemble(&parts, &rows.directory);
        for trouble in troubles {
            tracing::warn!(%trouble, "in the directory");
        }
        self.house.signer.assemble(&directory);
        templates::assemble(&self.house.templates, &self.house.template_files.load(), &rows.templates, &directory);
        self.house.directory.replace(directory);
        self.house.logins.prepare();
    }

    /// Tenants that only the file names get their row, so that mail has an owner to be stored under.
    async fn enter_tenants(&self, config: &Config) -> Result<(), StoreError> {
        for name in tenants_of(config) {
            if self.store.tenant(name.as_str()).await?.is_some() {
                continue;
            }
            let now = self.house.clock.now();
            let tenant = Tenant {
                id: id::new(now, &Random::System),
                name: name.to_string(),
                created_at: now,
                disabled_at: None,
                deleted_at: None,
            };
            let entered = Change::of(people::new_tenant(&tenant)).with(directory::changed(now));
            match self.store.write(entered).await {
                // Another node was faster.
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The default one always: mail to the postmaster of our host is somebody's.
fn tenants_of(config: &Config) -> BTreeSet<Name> {
    let tenants = config.tenant.iter().map(|tenant| &tenant.name);
    let domains = config.domain.iter().map(|domain| &domain.tenant);
    let credentials = config.credential.iter().map(|credential| &credential.tenant);
    let mailboxes = config.mailbox.iter().map(|mailbox| &mailbox.tenant);
    let streams = config.stream.iter().map(|stream| &stream.tenant);
    let named = tenants.chain(domains).chain(credentials).chain(mailboxes).chain(streams);
    named.cloned().chain([Name::default_tenant()]).collect()
}
