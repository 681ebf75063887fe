//! What the store promises, told once and held by both engines: each scenario here runs on SQLite and on
//! PostgreSQL, over a store of its own.

#[path = "store_both/bodies.rs"]
mod bodies;
#[path = "store_both/damage.rs"]
mod damage;
#[path = "store_both/directory.rs"]
mod directory;
#[path = "store_both/giving_up.rs"]
mod giving_up;
#[path = "store_both/groups.rs"]
mod groups;
#[path = "store_both/housekeeping.rs"]
mod housekeeping;
#[path = "store_both/idempotency.rs"]
mod idempotency;
#[path = "store_both/links.rs"]
mod links;
#[path = "store_both/mail.rs"]
mod mail;
#[path = "store_both/nodes.rs"]
mod nodes;
#[path = "store_both/opening.rs"]
mod opening;
#[path = "store_both/people.rs"]
mod people;
#[path = "store_both/plans.rs"]
mod plans;
#[path = "store_both/policies.rs"]
mod policies;
#[path = "store_both/queue.rs"]
pub mod queue;
#[path = "store_both/secrets.rs"]
mod secrets;
#[path = "store_both/statements.rs"]
mod statements;
#[path = "store_both/steering.rs"]
mod steering;
#[path = "store_both/templates.rs"]
mod templates;
#[path = "store_both/waiting.rs"]
mod waiting;
