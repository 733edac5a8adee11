//! One page that opens without a network: the tables, the plots inside it, no script and no other file.

use std::fmt::Write;

use super::terminal::{cells, HEADER};
use super::units::three_digits;
use super::{plot, Report};
use crate::catalog;
use crate::ranking::{is_hakmem, Row};

const STYLE: &str =
    "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1080px;padding:0 1em;color:#222;\
background:#fff}table{border-collapse:collapse;font-size:13px;width:100%;margin:.5em 0 1em}th,td{padding:3px 8px;\
text-align:right;border-bottom:1px solid #ddd}th:first-child,td:first-child{text-align:left}.own{background:#fdf1ea}\
.failed{color:#a00;text-align:left}h2{margin-top:2.2em;border-top:1px solid #ccc;padding-top:.6em}svg{max-width:49%;\
height:auto}p{max-width:70em}";

pub fn render(report: &Report) -> Result<String, String> {
    let mut page = String::new();
    body(&mut page, report).map_err(|error| format!("cannot write the page: {error}"))??;
    Ok(page)
}

/// The outer error is the formatter's, the inner one the plots'.
fn body(page: &mut String, report: &Report) -> Result<Result<(), String>, std::fmt::Error> {
    writeln!(page, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>hakmem compared</title>")?;
    writeln!(page, "<meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>")?;
    writeln!(page, "<h1>hakmem compared</h1>")?;
    for line in report.machine.lines() {
        writeln!(page, "<p>{}</p>", escaped(&line))?;
    }
    writeln!(
        page,
        "<p>Rounds: {}; allocators in turn, a process for each run; scale {}, seed {}. Medians; spread is from the lowest \
         to the highest round. Memory is resident memory in MiB: its peak, its average over the timed part, and what is \
         left some time after all is freed. ◀ marks the best of a workload.</p>",
        report.rounds_line(), report.scale, report.seed
    )?;
    standings(page, report)?;
    for (name, reason) in &report.not_built {
        writeln!(page, "<p class=\"failed\">{} could not be built: {}</p>", escaped(name), escaped(reason))?;
    }
    match plot::ratios(&report.rows) {
        Ok(svg) => writeln!(page, "{}", inline(&svg))?,
        Err(error) => return Ok(Err(error)),
    }
    for rows in report.rows.chunk_by(|a, b| a.workload == b.workload) {
        if let Err(error) = workload(page, rows)? {
            return Ok(Err(error));
        }
    }
    writeln!(page, "</body></html>")?;
    Ok(Ok(()))
}

fn standings(page: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        page,
        "<table><tr><th>allocator</th><th>throughput / best</th><th>peak / leanest</th><th>fastest in</th>\
         <th>leanest in</th><th>failed in</th></tr>"
    )?;
    for standing in &report.standings {
        let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".into(), three_digits);
        writeln!(
            page,
            "<tr{}><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            class(&standing.allocator),
            escaped(&standing.allocator),
            ratio(standing.throughput),
            ratio(standing.peak),
            standing.fastest_rows,
            standing.leanest_rows,
            standing.failures
        )?;
    }
    writeln!(page, "</table><p>Ratios are geometric means over the workloads that every allocator finished.</p>")
}

fn workload(page: &mut String, rows: &[Row]) -> Result<Result<(), String>, std::fmt::Error> {
    let name = &rows[0].workload;
    writeln!(page, "<h2>{}</h2>", escaped(name))?;
    if let Some(entry) = catalog::find(name) {
        writeln!(page, "<p>{} One operation is one {}.</p>", escaped(entry.about), escaped(entry.unit))?;
    }
    for svg in [plot::throughput(rows), plot::memory(rows)] {
        match svg {
            Ok(svg) => writeln!(page, "{}", inline(&svg))?,
            Err(error) => return Ok(Err(error)),
        }
    }
    write!(page, "<table><tr>")?;
    for column in &HEADER[1..] {
        write!(page, "<th>{column}</th>")?;
    }
    writeln!(page, "</tr>")?;
    for row in rows {
        write!(page, "<tr{}>", class(&row.allocator))?;
        if let Some(failure) = &row.failure {
            write!(page, "<td>{}</td>", escaped(&row.allocator))?;
            write!(page, "<td class=\"failed\" colspan=\"{}\">{}</td>", HEADER.len() - 2, escaped(failure))?;
        } else {
            for cell in &cells(row)[1..] {
                write!(page, "<td>{}</td>", escaped(cell))?;
            }
        }
        writeln!(page, "</tr>")?;
    }
    writeln!(page, "</table>")?;
    Ok(Ok(()))
}

fn class(allocator: &str) -> &'static str {
    if is_hakmem(allocator) {
        " class=\"own\""
    } else {
        ""
    }
}

/// Without the fixed size a narrow window can shrink it.
fn inline(svg: &str) -> String {
    svg.trim().to_string()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_a_build_says_cannot_break_the_page() {
        assert_eq!(escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
