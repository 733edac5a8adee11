//! Builds workers with Cargo and puts each under its own name.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::variant::{Recipe, Variant};
use crate::{optimised, places, progress, tools};

/// A worker that is there.
#[derive(Clone)]
pub struct Built {
    pub variant: Variant,
    pub program: PathBuf,
}

/// Builds what can be built, and tells of the rest, so that one missing tool does not end the run.
pub fn build_all(variants: &[Variant]) -> (Vec<Built>, Vec<(String, String)>) {
    let (mut built, mut failed) = (Vec::new(), Vec::new());
    let bar = progress::bar(variants.len() as u64, "building");
    for variant in variants {
        bar.say(&variant.name);
        match build(variant) {
            Ok(worker) => built.push(worker),
            Err(reason) => {
                bar.note(&format!("{} cannot be built and is left out: {reason}", variant.name));
                failed.push((variant.name.clone(), reason));
            }
        }
        bar.step();
    }
    bar.end();
    (built, failed)
}

pub fn build(variant: &Variant) -> Result<Built, String> {
    if let Some(missing) = tools::missing(variant.needs) {
        return Err(missing);
    }
    let made = match variant.recipe {
        Recipe::Plain => cargo(variant, &Extra::default())?,
        Recipe::CrossLanguageLto => optimised::cross_language_lto(variant)?,
        Recipe::ProfileGuided => optimised::profile_guided(variant)?,
    };
    // The next build of another variant replaces Cargo's own file.
    let directory = places::workers().join("bin");
    places::make(&directory)?;
    let program = directory.join(&variant.name);
    std::fs::copy(&made, &program).map_err(|error| format!("cannot copy {}: {error}", made.display()))?;
    Ok(Built { variant: variant.clone(), program })
}

/// What a special recipe adds to Cargo's command.
#[derive(Default)]
pub struct Extra {
    pub environment: Vec<(&'static str, OsString)>,
    pub arguments: Vec<String>,
}

/// Runs Cargo and returns the program that it made.
pub fn cargo(variant: &Variant, extra: &Extra) -> Result<PathBuf, String> {
    let log = places::workers().join("logs").join(format!("{}.log", variant.name));
    places::make(log.parent().unwrap_or(Path::new(".")))?;
    let errors = File::create(&log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;

    let output = command(variant, extra)
        .stdin(Stdio::null())
        .stderr(errors)
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("{}\n(all of it: {})", last_words(&log), log.display()));
    }
    executable(&output.stdout).ok_or_else(|| format!("cargo named no program; see {}", log.display()))
}

fn command(variant: &Variant, extra: &Extra) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--release", "--message-format", "json-render-diagnostics", "--manifest-path"]);
    command.arg(places::worker_manifest()).arg("--target-dir").arg(build_directory(variant));
    command.args(["--no-default-features", "--features", &variant.features.join(",")]);
    // Profiles of a user's configuration would make the comparison unfair without a word.
    for setting in ["profile.release.opt-level=3", "profile.release.debug=false"] {
        command.args(["--config", setting]);
    }
    command.args(&extra.arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PROFILE_") {
            command.env_remove(name);
        }
    }
    command.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_MANIFEST_DIR");
    command.envs(variant.build_environment.iter().map(|(name, value)| (name, value)));
    command.envs(extra.environment.iter().map(|(name, value)| (name, value)));
    command
}

/// Builds that differ only in features share a directory, and with it everything but the worker itself.
fn build_directory(variant: &Variant) -> PathBuf {
    let shared = variant.recipe == Recipe::Plain && variant.build_environment.is_empty();
    places::workers().join("build").join(if shared { "shared" } else { &variant.name })
}

/// Cargo prints a line of JSON for each thing that it made; the last program is the worker.
fn executable(messages: &[u8]) -> Option<PathBuf> {
    serde_json::Deserializer::from_slice(messages)
        .into_iter::<serde_json::Value>()
        .map_while(Result::ok)
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .last()
}

/// The lines of a build's log that say why it ended.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let from = text.find("error").map_or(0, |at| text[..at].rfind('\n').map_or(0, |end| end + 1));
    text[from..].lines().filter(|line| !line.trim().is_empty()).take(8).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::executable;

    #[test]
    fn takes_the_last_program_that_cargo_names() {
        let messages = br#"{"reason":"compiler-artifact","executable":null}
{"reason":"compiler-artifact","executable":"/a/worker"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages).unwrap().to_str(), Some("/a/worker"));
        assert_eq!(executable(b""), None);
    }
}
