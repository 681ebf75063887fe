//! Housekeeping between two groups: a purge of a million rows is a thousand slices of a few
//! milliseconds, so that no mail waits behind it.

use super::super::dialect::{COMMIT, Engine, ROLLBACK};
use super::super::error::StoreError;
use super::super::link::Link;
use super::super::statement::{Binds, Statement};
use crate::base::limits;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// One statement to be repeated until it touches less than its limit. Its last parameter is that limit.
pub struct Chore {
    pub(in crate::store) statement: &'static Statement,
    pub(in crate::store) binds: Binds<'static>,
}

pub(super) struct Job {
    chore: Chore,
    rows: i64,
    touched: u64,
    answer: oneshot::Sender<Result<u64, StoreError>>,
}

/// What is left of a job after a slice.
pub(super) enum Slice {
    More(Job),
    /// Done, or nobody waits for it any more.
    Over,
    /// The connection is not to be trusted any more; the job was told.
    Broken(StoreError),
}

const FIRST_ROWS: i64 = 50;

impl Job {
    pub fn new(chore: Chore, answer: oneshot::Sender<Result<u64, StoreError>>) -> Self {
        Self { chore, rows: FIRST_ROWS, touched: 0, answer }
    }

    pub async fn slice(mut self, on: &mut Link, engine: Engine) -> Slice {
        if self.answer.is_closed() {
            return Slice::Over;
        }
        match self.run(on, engine).await {
            Err(error) => {
                let broken = error.clone();
                let _ = self.answer.send(Err(error));
                Slice::Broken(broken)
            }
            Ok((touched, took)) => {
                self.touched += touched;
                if touched < self.rows as u64 {
                    let _ = self.answer.send(Ok(self.touched));
                    return Slice::Over;
                }
                self.rows = paced(self.rows, took);
                Slice::More(self)
            }
        }
    }

    /// How many rows it touched, and how long that took without the flush: fewer rows do not make the disk
    /// faster, and on a slow one the slices would shrink to a row for each flush.
    async fn run(&self, on: &mut Link, engine: Engine) -> Result<(u64, Duration), StoreError> {
        on.execute(engine.begin(), &Binds::default()).await?;
        let begun = Instant::now();
        match on.execute(self.chore.statement, &self.chore.binds.clone().int(self.rows)).await {
            Ok(touched) => {
                let took = begun.elapsed();
                on.execute(&COMMIT, &Binds::default()).await?;
                Ok((touched, took))
            }
            Err(error) => {
                let _ = on.execute(&ROLLBACK, &Binds::default()).await;
                Err(error)
            }
        }
    }

    pub fn refuse(self, error: StoreError) {
        let _ = self.answer.send(Err(error));
    }
}

/// How many rows the next slice takes, so that it lasts at most `CHORE_SLICE_MAX`.
fn paced(rows: i64, took: Duration) -> i64 {
    let next = if took > limits::CHORE_SLICE_MAX {
        rows / 2
    } else if took < limits::CHORE_SLICE_MAX / 2 {
        rows + rows / 2 + 1
    } else {
        rows
    };
    next.clamp(1, limits::CHORE_ROWS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_shrink_when_slow_and_grow_when_fast() {
        assert_eq!(paced(100, limits::CHORE_SLICE_MAX * 2), 50);
        assert_eq!(paced(100, limits::CHORE_SLICE_MAX), 100);
        assert_eq!(paced(100, Duration::ZERO), 151);
        assert_eq!(paced(1, Duration::MAX), 1);
        assert_eq!(paced(limits::CHORE_ROWS_MAX, Duration::ZERO), limits::CHORE_ROWS_MAX);
    }
}
