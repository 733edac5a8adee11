//! Much memory that is built, used and freed as a whole, again and again, each time in blocks of another size: what a server does
//! with a large request, or a tool with the next file. What counts is what the allocator gives back in between, and what that costs.

use crate::block::Block;
use crate::job::Job;
use crate::latency::timed_piece;
use crate::rng::Rng;

const MIB: usize = 1 << 20;
const BUILT: usize = 160 * MIB;
const SIZES: [usize; 5] = [400, 6_000, 90_000, 1_400_000, 20_000_000];

pub fn run(job: &Job) -> u64 {
    let mut rng = Rng::new(job.seed);
    let mut built = 0;
    job.timed(|| {
        for size in SIZES.into_iter().cycle() {
            if built >= job.ops {
                break;
            }
            timed_piece(job.sampling, || build_and_free(size, &mut rng));
            built += (BUILT / MIB) as u64;
        }
    });
    built
}

fn build_and_free(size: usize, rng: &mut Rng) {
    let mut blocks = Vec::with_capacity(BUILT / size + 1);
    let mut bytes = 0;
    while bytes < BUILT {
        let block = Block::new(rng.within(size - size / 8, size + size / 8));
        block.touch_pages();
        bytes += block.size();
        blocks.push(block);
    }
    blocks.into_iter().for_each(Block::free);
}
