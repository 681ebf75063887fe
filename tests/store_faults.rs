//! The store when the world under it fails: a disk that refuses or is full, a server that stops, a
//! connection that is cut in the one moment in which nobody knows what became of a commit.

#[path = "store_faults/disk.rs"]
mod disk;
#[path = "store_faults/postgres.rs"]
mod postgres;
#[path = "store_faults/proxy.rs"]
mod proxy;
