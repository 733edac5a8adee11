//! A worker's line of JSON.

use serde::{Deserialize, Serialize};

/// What one run took. A field that the machine, the system or the build does not offer is `None`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measurement {
    pub allocator: String,
    pub workload: String,
    pub ops: u64,
    pub seconds: f64,
    pub ops_per_second: f64,
    pub latency_samples: Option<u64>,
    pub p50_ns: Option<u64>,
    pub p95_ns: Option<u64>,
    pub p99_ns: Option<u64>,
    pub p999_ns: Option<u64>,
    pub max_ns: Option<u64>,
    pub clock_cost_ns: Option<u64>,
    pub start_rss: Option<u64>,
    pub start_anonymous: Option<u64>,
    pub peak_rss: Option<u64>,
    pub average_rss: Option<f64>,
    pub settled_rss: Option<u64>,
    pub instructions: Option<u64>,
    pub cache_misses: Option<u64>,
    pub branch_misses: Option<u64>,
    pub direct_hits: Option<u64>,
    pub direct_misses: Option<u64>,
    pub atomic_ops: Option<u64>,
    pub local_frees: Option<u64>,
    pub remote_frees: Option<u64>,
    /// Which round it was, and whether of the contenders alone (see rounds.rs); not the worker's to tell.
    #[serde(default)]
    pub round: u32,
    #[serde(default)]
    pub contest: bool,
}

impl Measurement {
    /// The last line counts: an allocator may print before it.
    pub fn parse(output: &str) -> Result<Self, String> {
        let line = output.lines().rev().find(|line| line.starts_with('{')).ok_or("the worker printed no result")?;
        serde_json::from_str(line).map_err(|error| format!("the worker's result cannot be read: {error}"))
    }

    /// The share of allocations up to 1,024 B that the direct cache served.
    pub fn hit_rate(&self) -> Option<f64> {
        let (hits, misses) = (self.direct_hits? as f64, self.direct_misses? as f64);
        (hits + misses > 0.0).then(|| hits / (hits + misses))
    }

    /// A run of which only this is known.
    #[cfg(test)]
    pub fn of_round(round: u32, ops_per_second: f64) -> Self {
        let line = format!(
            r#"{{"allocator":"","workload":"","ops":1,"seconds":1.0,"ops_per_second":{ops_per_second:?},"round":{round}}}"#
        );
        Self::parse(&line).unwrap()
    }

    pub fn per_op(&self, count: Option<u64>) -> Option<f64> {
        Some(count? as f64 / self.ops as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::Measurement;

    const LINE: &str = r#"{"allocator":"a","workload":"box","ops":10,"seconds":0.5,"ops_per_second":20.0,
        "latency_samples":null,"p50_ns":null,"p95_ns":null,"p99_ns":null,"p999_ns":null,"clock_cost_ns":null,
        "start_rss":1,"peak_rss":2,"average_rss":1.5,"settled_rss":1,"instructions":null,"cache_misses":null,
        "branch_misses":null,"direct_hits":99,"direct_misses":1,"atomic_ops":5,"local_frees":null,"remote_frees":null}"#;

    #[test]
    fn reads_a_worker_s_line_and_skips_what_stands_before_it() {
        let read = Measurement::parse(&format!("warning: noise\n{}\n", LINE.replace('\n', ""))).unwrap();
        assert_eq!(read.ops, 10);
        assert_eq!(read.hit_rate(), Some(0.99));
        assert_eq!(read.per_op(read.atomic_ops), Some(0.5));
        assert_eq!(read.per_op(read.cache_misses), None);
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(Measurement::parse("").unwrap_err().contains("no result"));
        assert!(Measurement::parse("{\"ops\": 1}").unwrap_err().contains("cannot be read"));
    }
}
