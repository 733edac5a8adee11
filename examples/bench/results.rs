//! What a run took, for people and for machines.

use std::fmt::Write;

use compare_worker::catalog::{Entry, Kind};
use serde_json::{json, Map, Value};

use crate::events::Events;

/// A figure, or why there is none.
type Figure<T = f64> = Result<T, String>;

pub struct Results {
    entry: &'static Entry,
    allocator: String,
    ops: f64,
    seconds: Figure,
    ops_per_second: Figure,
    /// p50, p95 and p99.
    latency: [Figure; 3],
    latency_samples: f64,
    clock_cost_ns: Figure,
    start_rss: Figure,
    peak_rss: Figure,
    settled_rss: Figure,
    atomic_ops: Option<Figure>,
    events: Option<Result<Events, String>>,
    events_from: Option<&'static str>,
}

const PERCENTILES: [&str; 3] = ["p50_ns", "p95_ns", "p99_ns"];

impl Results {
    /// From the worker's line. It has no atomic operations unless the build counts, and no events unless the processor does.
    pub fn of(entry: &'static Entry, line: &Value) -> Self {
        let number = |name: &str| line[name].as_f64();
        let figure = |name: &str, otherwise: &str| number(name).ok_or_else(|| otherwise.to_owned());
        let ops = number("ops").unwrap_or(0.0);
        let per_operation = |name: &str| number(name).map(|total| total / ops);
        let settled_rss = figure("settled_rss", "not available here: no procfs");
        // The kernel keeps the peak by its quick count, which may lag behind the exact one that it gives on request.
        let peak_rss = figure("peak_rss", "not available here: no procfs")
            .map(|peak| settled_rss.as_ref().map_or(peak, |&settled| peak.max(settled)));
        let events = per_operation("cache_misses").zip(per_operation("branch_misses"));
        Self {
            entry,
            allocator: line["allocator"].as_str().unwrap_or("unknown").into(),
            ops,
            seconds: figure("seconds", "the run was too short"),
            ops_per_second: figure("ops_per_second", "the run was too short"),
            latency: PERCENTILES.map(|name| figure(name, "the run was too short to time a call")),
            latency_samples: number("latency_samples").unwrap_or(0.0),
            clock_cost_ns: figure("clock_cost_ns", "nothing was timed"),
            start_rss: figure("start_rss", "not available here: no procfs"),
            peak_rss,
            settled_rss,
            atomic_ops: per_operation("atomic_ops").map(Ok),
            events: events.map(|(cache_misses, branch_misses)| Ok(Events { cache_misses, branch_misses })),
            events_from: events.is_some().then_some("hardware"),
        }
    }

    pub fn has_atomic_operations(&self) -> bool {
        self.atomic_ops.is_some()
    }

    pub fn atomic_operations(&self) -> Option<f64> {
        self.atomic_ops.as_ref()?.as_ref().ok().copied()
    }

    pub fn set_atomic_operations(&mut self, per_operation: Figure) {
        self.atomic_ops = Some(per_operation);
    }

    pub fn has_events(&self) -> bool {
        self.events.is_some()
    }

    pub fn set_events(&mut self, simulated: Result<Events, String>) {
        self.events_from = simulated.is_ok().then_some("cachegrind");
        self.events = Some(simulated);
    }

    fn events_of(&self, pick: fn(&Events) -> f64) -> Figure {
        match &self.events {
            Some(Ok(events)) => Ok(pick(events)),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err("not asked for".into()),
        }
    }

    fn atomic_figure(&self) -> Figure {
        self.atomic_ops.clone().unwrap_or_else(|| Err("not asked for".into()))
    }

    pub fn json(&self) -> Value {
        let mut object = Map::new();
        let mut absent = Map::new();
        let mut put = |name: &str, figure: Figure| {
            if let Err(reason) = &figure {
                absent.insert(name.into(), json!(reason));
            }
            object.insert(name.into(), json!(figure.ok()));
        };
        put("seconds", self.seconds.clone());
        put("ops_per_second", self.ops_per_second.clone());
        for (name, figure) in PERCENTILES.iter().zip(&self.latency) {
            put(name, figure.clone());
        }
        put("clock_cost_ns", self.clock_cost_ns.clone());
        put("start_rss", self.start_rss.clone());
        put("peak_rss", self.peak_rss.clone());
        put("settled_rss", self.settled_rss.clone());
        put("atomic_ops_per_op", self.atomic_figure());
        put("cache_misses_per_op", self.events_of(|events| events.cache_misses));
        put("branch_misses_per_op", self.events_of(|events| events.branch_misses));
        object.insert("program".into(), json!(self.entry.name));
        object.insert("allocator".into(), json!(self.allocator));
        object.insert("ops".into(), json!(self.ops as u64));
        object.insert("latency_samples".into(), json!(self.latency_samples as u64));
        object.insert("events_from".into(), json!(self.events_from));
        object.insert("absent".into(), Value::Object(absent));
        Value::Object(object)
    }

    pub fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.entry.name, self.entry.about);
        let mut line = |name: &str, value: Figure<String>, note: String| {
            let (value, note) = match value {
                Ok(value) => (value, note),
                Err(reason) => (reason, String::new()),
            };
            let padded = format!("  {name:<24}{value:<20}  {note}");
            let _ = writeln!(text, "{}", padded.trim_end());
        };
        let unit =
            if self.entry.kind == Kind::ByTheClock { "a free and the allocation after it together" } else { "calls" };
        line(
            "operations/s",
            self.ops_per_second.clone().map(|rate| format!("{:.2} M", rate / 1e6)),
            format!("{:.0} {}s in {:.2} s", self.ops, self.entry.unit, self.seconds.clone().unwrap_or(0.0)),
        );
        let [p50, p95, p99] = &self.latency;
        let latency = p50.clone().and_then(|p50| Ok((p50, p95.clone()?, p99.clone()?)));
        line(
            "latency p50/p95/p99",
            latency.map(|(p50, p95, p99)| format!("{p50} / {p95} / {p99} ns")),
            format!(
                "{} timed ({unit}); the clock's own {} ns are taken off",
                self.latency_samples,
                self.clock_cost_ns.clone().unwrap_or(0.0)
            ),
        );
        let start =
            self.start_rss.clone().map_or_else(|_| String::new(), |start| format!("{} at the start", mib(start)));
        line("peak RSS", self.peak_rss.clone().map(mib), start);
        line("settled RSS", self.settled_rss.clone().map(mib), "all blocks freed".into());
        let each = |figure: Figure| figure.map(|figure| format!("{figure:.5}"));
        line("atomic operations", each(self.atomic_figure()), "an operation".into());
        let simulated = self.events_from == Some("cachegrind");
        let note = |of: &str| match simulated {
            true => format!("an operation; simulated by cachegrind{of}"),
            false => "an operation; the processor's counters".into(),
        };
        let data = note(", first-level data cache");
        line("cache misses", each(self.events_of(|events| events.cache_misses)), data);
        line("mispredicted branches", each(self.events_of(|events| events.branch_misses)), note(""));
        text
    }
}

fn mib(bytes: f64) -> String {
    format!("{:.2} MiB", bytes / f64::from(1 << 20))
}
