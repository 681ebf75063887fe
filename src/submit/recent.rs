//! A map with a bound: at it, what was put in longest ago makes room.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

#[derive(Debug)]
pub(super) struct Recent<K, V> {
    most: usize,
    kept: HashMap<K, (u64, V)>,
    order: BTreeMap<u64, K>,
    next: u64,
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    pub fn new(most: usize) -> Self {
        Self { most, kept: HashMap::new(), order: BTreeMap::new(), next: 0 }
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.kept.get(key).map(|(_, value)| value)
    }

    /// Puts it in as the newest, in the place of what was there.
    pub fn put(&mut self, key: K, value: V) {
        self.remove(&key);
        while self.kept.len() >= self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.kept.remove(&oldest);
        }
        self.kept.insert(key.clone(), (self.next, value));
        self.order.insert(self.next, key);
        self.next += 1;
    }

    pub fn remove(&mut self, key: &K) {
        if let Some((place, _)) = self.kept.remove(key) {
            self.order.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let mut recent = Recent::new(2);
        recent.put("a", 1);
        recent.put("b", 2);
        recent.put("a", 3);
        recent.put("c", 4);
        assert_eq!((recent.get(&"a"), recent.get(&"b"), recent.get(&"c")), (Some(&3), None, Some(&4)));
        recent.remove(&"a");
        recent.put("d", 5);
        assert_eq!((recent.get(&"c"), recent.get(&"d")), (Some(&4), Some(&5)));
        assert_eq!((recent.kept.len(), recent.order.len()), (2, 2));
    }
}
