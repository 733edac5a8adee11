//! A service that takes JSON documents in, changes them and writes them out.

use std::fmt::Write;
use std::hint::black_box;

use serde_json::Value;

use super::Kept;
use crate::job::Job;
use crate::latency::timed_piece;
use crate::rng::Rng;

const RECORDS: usize = 2000;
const KEPT: usize = 16;

pub fn run(job: &Job) -> u64 {
    let text = document(&mut Rng::new(job.seed));
    let mut kept = Kept::new(KEPT);
    job.timed(|| {
        for number in 0..job.ops {
            kept.push(timed_piece(job.sampling, || serve(&text, number)));
        }
    });
    drop(kept);
    job.ops
}

fn serve(text: &str, number: u64) -> Value {
    let mut document: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    if let Some(records) = document["records"].as_array_mut() {
        records.retain(|record| record["id"].as_u64().is_some_and(|id| id % 3 != number % 3));
        for record in records {
            record["seen"] = Value::from(format!("request {number}"));
        }
    }
    black_box(serde_json::to_string(&document).map(|written| written.len()).unwrap_or(0));
    document
}

fn document(rng: &mut Rng) -> String {
    let mut text = String::from("{\"version\": 3, \"records\": [");
    for id in 0..RECORDS {
        let comma = if id > 0 { "," } else { "" };
        let (age, score, name) = (rng.below(90), rng.below(100_000) as f64 / 7.0, rng.next());
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "{comma}{{\"id\": {id}, \"name\": \"user {name:x}\", \"age\": {age}, \"score\": {score}, \"active\": true, \
             \"tags\": [\"a{age}\", \"group {}\", null], \"address\": {{\"street\": \"{name:o} road\", \"zip\": \"{age:05}\"}}}}",
            id % 17
        );
    }
    text + "]}"
}
