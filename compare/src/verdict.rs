//! A target beside what was measured.

use std::process::ExitCode;

use comfy_table::Table;
use serde::Serialize;

use crate::report::terminal;

/// A target and whether it was met.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    pub target: String,
    pub wanted: String,
    pub measured: String,
    /// None: not measured here.
    pub met: Option<bool>,
}

pub fn verdict(target: impl Into<String>, wanted: String, measured: Option<String>, met: Option<bool>) -> Verdict {
    Verdict { target: target.into(), wanted, measured: measured.unwrap_or_else(|| "not available here".into()), met }
}

pub fn table(verdicts: &[Verdict]) -> Table {
    let mut lines = terminal::table(&["target", "wanted", "measured", ""]);
    for verdict in verdicts {
        let met = match verdict.met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "",
        };
        lines.add_row([&verdict.target, &verdict.wanted, &verdict.measured, met]);
    }
    lines
}

/// A missed target is a failure only where one was asked for.
pub fn finish(verdicts: &[Verdict], check: bool) -> Result<ExitCode, String> {
    let missed = verdicts.iter().filter(|verdict| verdict.met == Some(false)).count();
    if check && missed > 0 {
        return Err(format!("{missed} targets are missed"));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::{finish, verdict};

    #[test]
    fn only_a_missed_target_fails_and_only_on_request() {
        let of = |met| verdict("", String::new(), None, met);
        assert!(finish(&[of(Some(true)), of(None)], true).is_ok());
        assert!(finish(&[of(Some(false))], false).is_ok());
        assert!(finish(&[of(Some(true)), of(Some(false))], true).unwrap_err().starts_with('1'));
    }
}
