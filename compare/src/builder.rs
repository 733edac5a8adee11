//! Builds workers with Cargo and puts each under its own name.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::variant::{Recipe, Variant};
use crate::{optimised, places, progress, tools};

/// By how many bytes a worker's code is moved, in turn. Where code lies within a cache line and among its neighbours is chance, and decides
/// more than most changes do: the same loop, pushing to a vector, took 1.5 times as long in one of four places, under every allocator. Rounds
/// see all of them, so that no row is one allocator's luck. Functions begin at multiples of 16 B, lines at multiples of 64 B.
const SHIFTS: [u32; 4] = [0, 16, 32, 48];

/// A worker that is there.
#[derive(Clone)]
pub struct Built {
    pub variant: Variant,
    /// The same program with its code at each of `SHIFTS`, or the first of them.
    programs: Vec<PathBuf>,
}

impl Built {
    /// As the linker lays it out: for what does not depend on the place, such as counts.
    pub fn program(&self) -> &Path {
        self.program_of(0)
    }

    pub fn program_of(&self, round: u32) -> &Path {
        &self.programs[round as usize % self.programs.len()]
    }

    #[cfg(test)]
    pub fn of(variant: Variant, program: &str) -> Self {
        Self { variant, programs: vec![program.into()] }
    }
}

/// Builds what can be built, and tells of the rest, so that one missing tool does not end the run.
pub fn build_all(variants: &[Variant]) -> (Vec<Built>, Vec<(String, String)>) {
    gather(variants, "building", |variant| build(variant, &SHIFTS))
}

/// The same, or with `no_build` what an earlier run built, for a machine that has no compilers.
pub fn find_or_build_all(variants: &[Variant], no_build: bool) -> (Vec<Built>, Vec<(String, String)>) {
    if no_build {
        gather(variants, "finding", find)
    } else {
        build_all(variants)
    }
}

/// The same in one place of memory, for what does not depend on it, such as counts.
pub fn build_unmoved(variants: &[Variant]) -> (Vec<Built>, Vec<(String, String)>) {
    gather(variants, "building", |variant| build(variant, &SHIFTS[..1]))
}

fn gather(
    variants: &[Variant],
    what: &'static str,
    get: impl Fn(&Variant) -> Result<Built, String>,
) -> (Vec<Built>, Vec<(String, String)>) {
    let (mut built, mut failed) = (Vec::new(), Vec::new());
    let bar = progress::bar(variants.len() as u64, what);
    for variant in variants {
        bar.say(&variant.name);
        match get(variant) {
            Ok(worker) => built.push(worker),
            Err(reason) => {
                bar.note(&format!("{} is left out: {reason}", variant.name));
                failed.push((variant.name.clone(), reason));
            }
        }
        bar.step();
    }
    bar.end();
    (built, failed)
}

fn find(variant: &Variant) -> Result<Built, String> {
    let programs: Vec<PathBuf> = SHIFTS.iter().map(|shift| place(variant, *shift)).collect();
    match programs.iter().find(|program| !program.is_file()) {
        Some(missing) => Err(format!("{} is not there; a run without --no-build makes it", missing.display())),
        None => Ok(Built { variant: variant.clone(), programs }),
    }
}

fn build(variant: &Variant, shifts: &[u32]) -> Result<Built, String> {
    if let Some(missing) = tools::missing(variant.needs) {
        return Err(missing);
    }
    let extra = match variant.recipe {
        Recipe::Plain => Extra::default(),
        Recipe::CrossLanguageLto => optimised::cross_language_lto()?,
        Recipe::ProfileGuided => optimised::profile_guided(variant)?,
    };
    let programs = shifts.iter().map(|shift| shifted(variant, &extra, *shift)).collect::<Result<_, _>>()?;
    Ok(Built { variant: variant.clone(), programs })
}

/// Only the last step is done again for another shift: it is in the worker's smallest crate.
fn shifted(variant: &Variant, extra: &Extra, shift: u32) -> Result<PathBuf, String> {
    let mut extra = extra.clone();
    extra.environment.push(("COMPARE_SHIFT", shift.to_string().into()));
    let made = cargo(variant, &extra)?;
    // The next build of another variant replaces Cargo's own file.
    let program = place(variant, shift);
    places::make(program.parent().unwrap_or(Path::new(".")))?;
    std::fs::copy(&made, &program).map_err(|error| format!("cannot copy {}: {error}", made.display()))?;
    Ok(program)
}

fn place(variant: &Variant, shift: u32) -> PathBuf {
    let name = &variant.name;
    places::workers().join("bin").join(if shift == 0 { name.clone() } else { format!("{name}-{shift}") })
}

/// What a special recipe adds to Cargo's command.
#[derive(Clone, Default)]
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
    use super::{executable, find, Built, SHIFTS};
    use crate::variant::Variant;

    #[test]
    fn takes_the_last_program_that_cargo_names() {
        let messages = br#"{"reason":"compiler-artifact","executable":null}
{"reason":"compiler-artifact","executable":"/a/worker"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages).unwrap().to_str(), Some("/a/worker"));
        assert_eq!(executable(b""), None);
    }

    #[test]
    fn rounds_take_the_places_in_turn() {
        let programs = SHIFTS.iter().map(|shift| shift.to_string().into()).collect();
        let built = Built { variant: Variant::hakmem(), programs };
        let of_rounds: Vec<_> = (0..5).map(|round| built.program_of(round).to_str().unwrap()).collect();
        assert_eq!(of_rounds, ["0", "16", "32", "48", "0"]);
        assert_eq!(built.program(), built.program_of(0));
    }

    #[test]
    fn a_worker_that_nobody_built_is_not_found() {
        let nobody = Variant { name: "nobody-s".into(), ..Variant::hakmem() };
        assert!(find(&nobody).is_err_and(|reason| reason.contains("--no-build")));
    }
}
