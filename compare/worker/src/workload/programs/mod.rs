//! The work of real programs, through crates that people use.

pub mod json;
pub mod maps;
pub mod markdown;
pub mod rust_parser;
pub mod tokio_tasks;

use std::collections::VecDeque;

/// The results that a program still holds: the last few.
struct Kept<T> {
    items: VecDeque<T>,
    most: usize,
}

impl<T> Kept<T> {
    fn new(most: usize) -> Self {
        Self { items: VecDeque::with_capacity(most + 1), most }
    }

    fn push(&mut self, item: T) {
        self.items.push_back(item);
        if self.items.len() > self.most {
            self.items.pop_front();
        }
    }
}
