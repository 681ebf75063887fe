//! Ports that a test knows before anything listens on them, and that nobody else takes meanwhile.
//!
//! They lie below the range from which the kernel hands out ports, so no `bind` to port 0 and no
//! outgoing connection gets one; and each test process claims a block of them, by holding its first
//! port for as long as it lives, so test processes beside each other do not meet.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 20_000;
const BLOCK: u16 = 200;
const BLOCKS: u16 = 50;

struct Block {
    first: u16,
    taken: AtomicU16,
    _claim: TcpListener,
}

/// A port that is free on every IPv4 address of this machine, and given out once.
pub fn known() -> u16 {
    static MINE: OnceLock<Block> = OnceLock::new();
    let block = MINE.get_or_init(claim);
    loop {
        let n = block.taken.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(n < BLOCK, "more than {BLOCK} known ports in one test process: raise BLOCK");
        let port = block.first + n;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}

/// `127.0.0.1` with such a port.
pub fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, known()).into()
}

fn claim() -> Block {
    let claimed = (0..BLOCKS).find_map(|n| {
        let first = FIRST + n * BLOCK;
        let claim = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).ok()?;
        Some(Block { first, taken: AtomicU16::new(0), _claim: claim })
    });
    claimed.expect("a free block of ports below 30000")
}
