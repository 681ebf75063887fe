//! Chance as a value: the system's generator in the daemon, a seeded one where a run must repeat.

use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone, Debug, Default)]
pub enum Random {
    /// AWS-LC's generator: fit for keys, tokens and ids.
    #[default]
    System,
    /// Splitmix64 from a seed: repeatable, and never to be used for a key.
    Seeded(Arc<Mutex<u64>>),
}

impl Random {
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(seed)))
    }

    pub fn fill(&self, bytes: &mut [u8]) {
        match self {
            Self::System => {
                // Invariant: the kernel's generator cannot fail after it was seeded at boot, and a
                // process without chance could make neither ids nor keys. Better no process.
                aws_lc_rs::rand::fill(bytes).expect("the system's random generator answers");
            }
            Self::Seeded(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                for chunk in bytes.chunks_mut(8) {
                    chunk.copy_from_slice(&splitmix(&mut state).to_le_bytes()[..chunk.len()]);
                }
            }
        }
    }

    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A number below `bound` (which must not be 0); the bias is below 2^-32 for bounds below 2^32.
    pub fn below(&self, bound: u64) -> u64 {
        u64::from_le_bytes(self.bytes()) % bound.max(1)
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_another_differs() {
        let draw = |seed| Random::seeded(seed).bytes::<32>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(Random::System.bytes::<16>(), Random::System.bytes::<16>());
    }

    #[test]
    fn below_stays_below() {
        let random = Random::seeded(3);
        assert!((0..1000).all(|_| random.below(7) < 7));
    }
}
