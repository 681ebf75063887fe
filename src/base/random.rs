//! Chance as a value: the system's generator in the daemon, a seeded one where a run must repeat.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

/// Chance drawn ahead for names: a call of the generator costs the same for 10 bytes as for these.
const AHEAD_BYTES: usize = 640;

/// Bytes that wait to be used, and how many of them were.
struct Ahead {
    bytes: [u8; AHEAD_BYTES],
    used: usize,
}

thread_local! {
    static AHEAD: RefCell<Ahead> = const { RefCell::new(Ahead { bytes: [0; AHEAD_BYTES], used: AHEAD_BYTES }) };
}

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

    /// Bytes for a name, drawn ahead by the thread: unguessable like any, but they lay in memory for a
    /// while, so never a key or a token.
    pub fn name_bytes<const N: usize>(&self) -> [u8; N] {
        const { assert!(N <= AHEAD_BYTES) };
        match self {
            Self::Seeded(_) => self.bytes(),
            Self::System => AHEAD.with_borrow_mut(|ahead| {
                if ahead.used + N > AHEAD_BYTES {
                    self.fill(&mut ahead.bytes);
                    ahead.used = 0;
                }
                let mut bytes = [0; N];
                bytes.copy_from_slice(&ahead.bytes[ahead.used..ahead.used + N]);
                ahead.used += N;
                bytes
            }),
        }
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
    fn names_drawn_ahead_never_repeat() {
        let drawn: std::collections::HashSet<[u8; 10]> = (0..1_000).map(|_| Random::System.name_bytes()).collect();
        assert_eq!(drawn.len(), 1_000);
        assert_eq!(Random::seeded(1).name_bytes::<10>(), Random::seeded(1).bytes::<10>());
    }

    #[test]
    fn below_stays_below() {
        let random = Random::seeded(3);
        assert!((0..1000).all(|_| random.below(7) < 7));
    }
}
