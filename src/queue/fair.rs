//! Who is next among those that wait for the same way: tenants in turn, and of each what is transactional
//! before what is bulk. So a mailing of a hundred thousand costs the mail of others one turn, not its end.

use crate::base::id::TenantId;
use crate::model::directory::Directory;
use crate::model::stream::{INBOUND, Kind};
use std::collections::{HashMap, VecDeque};

/// After so many transactional mails in a row one of the bulk goes too: it is late, and not for ever.
const FIRST_IN_A_ROW_MAX: u32 = 8;

/// Which of a tenant's streams goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// Somebody waits for it: transactional mail, answers, reports, mail that only passes through.
    First,
    /// A mailing.
    Later,
}

impl Rank {
    /// By the stream's name in a row. One that is no stream any more is not waited for.
    pub fn of(directory: &Directory, tenant: &TenantId, stream: &str) -> Self {
        match directory.kind_of_stream(tenant, stream) {
            Some(Kind::Transactional) => Self::First,
            None if stream == INBOUND => Self::First,
            Some(Kind::Bulk) | None => Self::Later,
        }
    }
}

#[derive(Debug)]
pub struct Fair<T> {
    /// Tenants that have something here, in the order of their turns.
    turns: VecDeque<TenantId>,
    tenants: HashMap<TenantId, Streams<T>>,
    len: usize,
}

#[derive(Debug)]
struct Streams<T> {
    first: VecDeque<T>,
    later: VecDeque<T>,
    /// How many of the first went since the last of the later.
    in_a_row: u32,
}

impl<T> Default for Fair<T> {
    fn default() -> Self {
        Self { turns: VecDeque::new(), tenants: HashMap::new(), len: 0 }
    }
}

impl<T> Default for Streams<T> {
    fn default() -> Self {
        Self { first: VecDeque::new(), later: VecDeque::new(), in_a_row: 0 }
    }
}

impl<T> Streams<T> {
    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.later.is_empty()
    }

    fn next(&mut self) -> &mut VecDeque<T> {
        let bulk_is_due = self.in_a_row >= FIRST_IN_A_ROW_MAX && !self.later.is_empty();
        if self.first.is_empty() || bulk_is_due {
            self.in_a_row = 0;
            &mut self.later
        } else {
            self.in_a_row += 1;
            &mut self.first
        }
    }
}

impl<T> Fair<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn push(&mut self, tenant: &TenantId, rank: Rank, item: T) {
        if !self.tenants.contains_key(tenant) {
            self.turns.push_back(tenant.clone());
            self.tenants.insert(tenant.clone(), Streams::default());
        }
        if let Some(streams) = self.tenants.get_mut(tenant) {
            match rank {
                Rank::First => streams.first.push_back(item),
                Rank::Later => streams.later.push_back(item),
            }
            self.len += 1;
        }
    }

    /// The next one, and with it those right behind it that go along, so many at most. Empty when nothing
    /// waits.
    pub fn pop(&mut self, max: usize, goes_along: impl Fn(&T, &T) -> bool) -> Vec<T> {
        let Some(tenant) = self.turns.pop_front() else { return Vec::new() };
        let Some(streams) = self.tenants.get_mut(&tenant) else { return Vec::new() };
        let from = streams.next();
        let mut taken = Vec::with_capacity(1);
        taken.extend(from.pop_front());
        while taken.len() < max && from.front().is_some_and(|next| goes_along(&taken[0], next)) {
            taken.extend(from.pop_front());
        }
        self.len -= taken.len();
        if streams.is_empty() {
            self.tenants.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        taken
    }

    /// Those that are like this, in no order that matters; the others keep their turns.
    pub fn pull(&mut self, is_meant: impl Fn(&T) -> bool) -> Vec<T> {
        let mut pulled = Vec::new();
        for streams in self.tenants.values_mut() {
            for queue in [&mut streams.first, &mut streams.later] {
                if queue.iter().any(&is_meant) {
                    let (out, stay) = std::mem::take(queue).into_iter().partition::<Vec<_>, _>(&is_meant);
                    pulled.extend(out);
                    queue.extend(stay);
                }
            }
        }
        self.tenants.retain(|_, streams| !streams.is_empty());
        self.turns.retain(|tenant| self.tenants.contains_key(tenant));
        self.len -= pulled.len();
        pulled
    }

    /// Everything, in no order that matters: the way is closed.
    pub fn drain(&mut self) -> Vec<T> {
        self.turns.clear();
        self.len = 0;
        self.tenants.drain().flat_map(|(_, streams)| streams.first.into_iter().chain(streams.later)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Time;
    use crate::base::id;
    use crate::base::random::Random;
    use proptest::prelude::*;

    fn tenants(n: usize) -> Vec<TenantId> {
        (0..n).map(|_| id::new(Time::default(), &Random::System)).collect()
    }

    fn one<T: Copy>(fair: &mut Fair<T>) -> Option<T> {
        fair.pop(1, |_, _| true).first().copied()
    }

    #[test]
    fn a_mailing_costs_others_one_turn() {
        let (mut fair, who) = (Fair::default(), tenants(2));
        for n in 0..1_000 {
            fair.push(&who[0], Rank::Later, n);
        }
        fair.push(&who[1], Rank::Later, -1);
        one(&mut fair);
        assert_eq!(one(&mut fair), Some(-1));
    }

    #[test]
    fn bulk_waits_for_the_rest_but_not_for_ever() {
        let (mut fair, who) = (Fair::default(), tenants(1));
        fair.push(&who[0], Rank::Later, -1);
        for n in 0..100 {
            fair.push(&who[0], Rank::First, n);
        }
        let order: Vec<i32> = std::iter::from_fn(|| one(&mut fair)).collect();
        assert_eq!(order.iter().position(|n| *n == -1), Some(FIRST_IN_A_ROW_MAX as usize));
    }

    #[test]
    fn one_message_to_many_goes_together_and_never_with_another() {
        let (mut fair, who) = (Fair::default(), tenants(1));
        for item in [(1, 'a'), (1, 'b'), (1, 'c'), (2, 'd'), (1, 'e')] {
            fair.push(&who[0], Rank::First, item);
        }
        let same = |a: &(i32, char), b: &(i32, char)| a.0 == b.0;
        assert_eq!(fair.pop(2, same), [(1, 'a'), (1, 'b')]);
        assert_eq!(fair.pop(9, same), [(1, 'c')]);
        assert_eq!(fair.pop(9, same), [(2, 'd')]);
        assert_eq!((fair.len(), fair.pop(9, same)), (1, vec![(1, 'e')]));
        assert!(fair.is_empty() && fair.pop(9, same).is_empty());
    }

    proptest! {
        #[test]
        fn nobody_waits_longer_than_a_turn_of_each_other(pushes in prop::collection::vec((0..4usize, any::<bool>()), 1..200)) {
            let (mut fair, who) = (Fair::default(), tenants(4));
            for (tenant, first) in &pushes {
                fair.push(&who[*tenant], if *first { Rank::First } else { Rank::Later }, *tenant);
            }
            let mut left: Vec<usize> = (0..4).map(|t| pushes.iter().filter(|(p, _)| *p == t).count()).collect();
            let mut waited = [0; 4];
            while let Some(served) = one(&mut fair) {
                for tenant in 0..4 {
                    waited[tenant] = if tenant == served || left[tenant] == 0 { 0 } else { waited[tenant] + 1 };
                    prop_assert!(waited[tenant] < 4, "tenant {tenant} waits");
                }
                left[served] -= 1;
            }
            prop_assert!(left.iter().all(|n| *n == 0) && fair.is_empty());
        }

        #[test]
        fn pulling_some_out_leaves_the_others_in_their_order(
            pushes in prop::collection::vec((0..3usize, any::<bool>()), 0..50),
        ) {
            let (mut fair, mut without, who) = (Fair::default(), Fair::default(), tenants(3));
            for (n, (tenant, first)) in pushes.iter().enumerate() {
                let rank = if *first { Rank::First } else { Rank::Later };
                fair.push(&who[*tenant], rank, n);
                if n % 3 > 0 {
                    without.push(&who[*tenant], rank, n);
                }
            }
            let mut pulled = fair.pull(|n| n % 3 == 0);
            pulled.sort_unstable();
            prop_assert_eq!(pulled, (0..pushes.len()).step_by(3).collect::<Vec<_>>());
            prop_assert_eq!(fair.len(), without.len());
            let mut left: Vec<usize> = std::iter::from_fn(|| one(&mut fair)).collect();
            let mut want: Vec<usize> = std::iter::from_fn(|| one(&mut without)).collect();
            // Whose turn is first may differ; of each tenant's the order may not.
            left.sort_by_key(|n| (pushes[*n].0, !pushes[*n].1));
            want.sort_by_key(|n| (pushes[*n].0, !pushes[*n].1));
            prop_assert_eq!(left, want);
            prop_assert!(fair.is_empty() && fair.turns.is_empty());
        }

        #[test]
        fn draining_leaves_nothing_and_loses_nothing(pushes in prop::collection::vec((0..3usize, any::<bool>()), 0..50)) {
            let (mut fair, who) = (Fair::default(), tenants(3));
            for (n, (tenant, first)) in pushes.iter().enumerate() {
                fair.push(&who[*tenant], if *first { Rank::First } else { Rank::Later }, n);
            }
            let mut all = fair.drain();
            all.sort_unstable();
            prop_assert_eq!(all, (0..pushes.len()).collect::<Vec<_>>());
            prop_assert!(fair.is_empty() && one(&mut fair).is_none());
        }
    }
}
