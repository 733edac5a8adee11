//! Horizontal bars as SVG, drawn by plotters without any font of the system: text stays text, and the browser sets it.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::units::{mib, rate, three_digits};
use crate::ranking::{against_best_peer, is_hakmem, Row};

const WIDTH: u32 = 500;
const BAR: u32 = 26;
const MARGIN_TOP: u32 = 34;
const LABELS: i32 = 112;
const NUMBERS: i32 = 110;
const OWN: RGBColor = RGBColor(200, 80, 30);
const PEER: RGBColor = RGBColor(90, 120, 160);
const LINE: RGBColor = RGBColor(60, 60, 60);

/// A bar, and thinner marks upon it.
struct Bar {
    label: String,
    value: f64,
    text: String,
    own: bool,
    /// From the lowest to the highest round.
    range: Option<(f64, f64)>,
    /// Further values, as ticks.
    ticks: Vec<f64>,
}

impl Bar {
    /// Where its last mark stands, and its text may begin.
    fn end(&self) -> f64 {
        let high = self.range.map_or(self.value, |range| range.1);
        self.ticks.iter().copied().fold(high.max(self.value), f64::max)
    }
}

pub fn throughput(rows: &[Row]) -> Result<String, String> {
    let bars = rows.iter().filter_map(|row| {
        let ops = row.ops_per_second?;
        Some(Bar {
            label: row.allocator.clone(),
            value: ops.median,
            text: rate(ops.median),
            own: is_hakmem(&row.allocator),
            range: Some((ops.min, ops.max)),
            ticks: Vec::new(),
        })
    });
    draw("operations a second; line: lowest to highest round", bars.collect())
}

pub fn memory(rows: &[Row]) -> Result<String, String> {
    let bars = rows.iter().filter_map(|row| {
        let peak = row.peak_rss?.median;
        Some(Bar {
            label: row.allocator.clone(),
            value: peak,
            text: format!("{} MiB", mib(peak)),
            own: is_hakmem(&row.allocator),
            range: None,
            ticks: [row.average_rss, row.settled_rss].into_iter().flatten().map(|s| s.median).collect(),
        })
    });
    draw("resident memory: bar to the peak; ticks: average, settled", bars.collect())
}

/// hakmem over the best peer, all workloads on one page.
pub fn ratios(rows: &[Row]) -> Result<String, String> {
    let bars = against_best_peer(rows).into_iter().map(|(workload, peer, ratio)| Bar {
        label: workload,
        value: ratio.estimate,
        text: format!("{} × {peer}", three_digits(ratio.estimate)),
        own: ratio.estimate >= 1.0,
        range: Some((ratio.low, ratio.high)),
        ticks: vec![1.0],
    });
    draw("hakmem's throughput over the best peer's; tick: level", bars.collect())
}

fn draw(title: &str, bars: Vec<Bar>) -> Result<String, String> {
    let mut svg = String::new();
    paint(&mut svg, title, &bars).map_err(|error| format!("cannot draw {title:?}: {error}"))?;
    Ok(svg)
}

fn paint(svg: &mut String, title: &str, bars: &[Bar]) -> Result<(), Box<dyn std::error::Error>> {
    let height = MARGIN_TOP + BAR * bars.len() as u32 + 6;
    let area = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    let text = |size: u32, h: HPos| {
        TextStyle::from(("sans-serif", size).into_font()).pos(Pos::new(h, VPos::Center)).color(&LINE)
    };
    area.draw(&Text::new(title, (4, 14), text(13, HPos::Left)))?;

    let most = bars.iter().map(Bar::end).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let across = |value: f64| LABELS + (value / most * f64::from(WIDTH as i32 - LABELS - NUMBERS)) as i32;
    for (index, bar) in bars.iter().enumerate() {
        let top = (MARGIN_TOP + BAR * index as u32) as i32;
        let (middle, bottom) = (top + BAR as i32 / 2, top + BAR as i32 - 5);
        let color = if bar.own { OWN } else { PEER };
        area.draw(&Text::new(bar.label.clone(), (LABELS - 6, middle), text(12, HPos::Right)))?;
        area.draw(&Rectangle::new([(LABELS, top + 5), (across(bar.value), bottom)], color.filled()))?;
        if let Some((low, high)) = bar.range {
            area.draw(&PathElement::new([(across(low), middle), (across(high), middle)], LINE.stroke_width(2)))?;
        }
        for &tick in &bar.ticks {
            area.draw(&PathElement::new([(across(tick), top + 2), (across(tick), bottom + 3)], LINE.stroke_width(2)))?;
        }
        area.draw(&Text::new(bar.text.clone(), (across(bar.end()) + 5, middle), text(12, HPos::Left)))?;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{draw, Bar};

    #[test]
    fn text_is_escaped_and_no_bars_are_no_error() {
        let bar = Bar { label: "a<b".into(), value: 1.0, text: "1".into(), own: true, range: None, ticks: vec![1.0] };
        let svg = draw("title", vec![bar]).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("a&lt;b") && svg.trim_end().ends_with("</svg>"));
        assert!(draw("title", Vec::new()).is_ok());
    }
}
