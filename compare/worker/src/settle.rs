//! What stays resident once everything is freed.

use std::time::{Duration, Instant};

use crate::block::Block;
use crate::rng::Rng;

const PAUSE: Duration = Duration::from_millis(20);
const BLOCKS: usize = 32;

/// Lets `span` pass with a few ordinary allocations in between, as an idle server makes them: an allocator that gives
/// memory back on its slow paths gets the occasion, and none is asked to by name.
pub fn settle(span: Duration) {
    let begin = Instant::now();
    let mut rng = Rng::new(7);
    while begin.elapsed() < span {
        let mut blocks = [Block::NONE; BLOCKS];
        for block in &mut blocks {
            *block = Block::new(rng.within(16, 1024));
            block.touch_ends();
        }
        for block in blocks {
            block.free();
        }
        std::thread::sleep(PAUSE);
    }
}
