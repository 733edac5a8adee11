//! Trees that are built and dropped: a compiler's, a parser's or a planner's work between two results. The larger ones are more
//! blocks than an allocator keeps at hand for a thread.

use std::hint::black_box;

use crate::job::Job;
use crate::latency::timed_piece;

/// Trees of 255 to 65,535 nodes; of each depth about as many nodes are made.
const DEPTHS: [u32; 9] = [8, 9, 10, 11, 12, 13, 14, 15, 16];
const NODES_OF_A_DEPTH: u64 = 1 << 16;

struct Node {
    _value: u64,
    _left: Option<Box<Node>>,
    _right: Option<Box<Node>>,
}

fn tree(depth: u32) -> Option<Box<Node>> {
    (depth != 0).then(|| {
        let (left, right) = (tree(depth - 1), tree(depth - 1));
        Box::new(Node { _value: u64::from(depth), _left: left, _right: right })
    })
}

pub fn run(job: &Job) -> u64 {
    let mut calls = 0;
    job.timed(|| {
        for depth in DEPTHS.into_iter().cycle() {
            if calls >= job.ops {
                break;
            }
            let nodes = (1 << depth) - 1;
            for _ in 0..NODES_OF_A_DEPTH >> depth {
                timed_piece(job.sampling, || drop(black_box(tree(depth))));
                calls += 2 * nodes;
            }
        }
    });
    calls
}
