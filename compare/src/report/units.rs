//! Numbers as people read them.

use crate::paired::Ratio;
use crate::statistics::Summary;

/// "12.3 M/s"
pub fn rate(per_second: f64) -> String {
    match per_second {
        n if n >= 1e6 => format!("{} M/s", three_digits(n / 1e6)),
        n if n >= 1e3 => format!("{} k/s", three_digits(n / 1e3)),
        n => format!("{} /s", three_digits(n)),
    }
}

/// "1.5 MiB", without the unit.
pub fn mib(bytes: f64) -> String {
    three_digits(bytes / f64::from(1 << 20))
}

/// "120 ns"
pub fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n >= 1e6 => format!("{} ms", three_digits(n / 1e6)),
        n if n >= 1e3 => format!("{} µs", three_digits(n / 1e3)),
        n => format!("{n:.0} ns"),
    }
}

pub fn three_digits(number: f64) -> String {
    match number.abs() {
        n if n >= 100.0 => format!("{number:.0}"),
        n if n >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// "0.95 to 1.05"
pub fn interval(ratio: Ratio) -> String {
    format!("{} to {}", three_digits(ratio.low), three_digits(ratio.high))
}

/// A median by its unit, or a dash.
pub fn median(summary: Option<Summary>, unit: fn(f64) -> String) -> String {
    summary.map_or_else(|| "-".into(), |summary| unit(summary.median))
}

#[cfg(test)]
mod tests {
    use super::{mib, rate, time};

    #[test]
    fn three_digits_are_enough() {
        assert_eq!(rate(123_456_789.0), "123 M/s");
        assert_eq!(rate(12_345.0), "12.3 k/s");
        assert_eq!(mib(1_572_864.0), "1.50");
        assert_eq!(time(50.0), "50 ns");
        assert_eq!(time(2_500_000.0), "2.50 ms");
    }
}
