//! Maps of strings: keys and values are small blocks of their own, the map's nodes or table are larger ones.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::hint::black_box;

use crate::job::Job;
use crate::latency::{drive, Clock, Step};
use crate::rng::Rng;

/// How many different keys there are; about two thirds of them are in the map at a time.
const KEYS: usize = 100_000;

trait Map: Default {
    fn insert(&mut self, key: String, value: String);
    fn has(&self, key: &str) -> bool;
    fn remove(&mut self, key: &str);
}

/// With a fixed hasher: random keys would make each run a different one.
type Hashed = HashMap<String, String, BuildHasherDefault<DefaultHasher>>;
type Ordered = BTreeMap<String, String>;

macro_rules! map {
    ($type:ty) => {
        impl Map for $type {
            fn insert(&mut self, key: String, value: String) {
                <$type>::insert(self, key, value);
            }
            fn has(&self, key: &str) -> bool {
                self.contains_key(key)
            }
            fn remove(&mut self, key: &str) {
                <$type>::remove(self, key);
            }
        }
    };
}
map!(Hashed);
map!(Ordered);

struct Calls<M> {
    map: M,
    rng: Rng,
}

impl<M: Map> Step for Calls<M> {
    fn step<C: Clock>(&mut self, clock: &mut C) {
        let drawn = self.rng.next();
        let number = drawn as usize % KEYS;
        let key = format!("group {}/key {number}", number % 97);
        clock.time(|| match drawn >> 62 {
            0 => self.map.remove(&key),
            1 => drop(black_box(self.map.has(&key))),
            _ => {
                let value = "v".repeat((drawn >> 32) as usize % 100);
                self.map.insert(key, value);
            }
        });
    }
}

fn run<M: Map>(job: &Job) -> u64 {
    let mut calls = Calls { map: M::default(), rng: Rng::new(job.seed) };
    job.timed(|| drive(job.ops, job.sampling, &mut calls));
    job.ops
}

pub fn ordered(job: &Job) -> u64 {
    run::<Ordered>(job)
}

pub fn hashed(job: &Job) -> u64 {
    run::<Hashed>(job)
}
