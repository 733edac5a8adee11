//! The programs that builds and runs need, and how to get them.

use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    C,
    Cpp,
    Cmake,
    Make,
    Clang,
    Gcc,
    Valgrind,
    Strace,
}

impl Tool {
    /// The programs of which one must be there.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Tool::C => &["cc", "gcc", "clang"],
            Tool::Cpp => &["c++", "g++", "clang++"],
            Tool::Cmake => &["cmake"],
            Tool::Make => &["make", "gmake"],
            Tool::Clang => &["clang"],
            Tool::Gcc => &["gcc"],
            Tool::Valgrind => &["valgrind"],
            Tool::Strace => &["strace"],
        }
    }

    /// The environment variable that names another program for it.
    fn variable(self) -> Option<&'static str> {
        match self {
            Tool::C => Some("CC"),
            Tool::Cpp => Some("CXX"),
            _ => None,
        }
    }

    fn package(self) -> &'static str {
        match self {
            Tool::C | Tool::Gcc => "gcc",
            Tool::Cpp => "g++",
            Tool::Cmake => "cmake",
            Tool::Make => "make",
            Tool::Clang => "clang",
            Tool::Valgrind => "valgrind",
            Tool::Strace => "strace",
        }
    }

    fn is_there(self) -> bool {
        self.variable().is_some_and(|variable| std::env::var_os(variable).is_some())
            || self.programs().iter().any(|program| find(program).is_some())
    }
}

/// The first file of that name on the search path.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// What is missing of `needs`, said so that a user knows what to do.
pub fn missing(needs: &[Tool]) -> Option<String> {
    let packages: Vec<&str> = needs.iter().filter(|tool| !tool.is_there()).map(|tool| tool.package()).collect();
    (!packages.is_empty()).then(|| {
        let packages = packages.join(" ");
        format!("missing: {packages} (Debian, Ubuntu: apt-get install {packages}; Fedora: dnf install {packages})")
    })
}

#[cfg(test)]
mod tests {
    use super::{find, missing, Tool};

    #[test]
    fn finds_what_every_system_has() {
        assert!(find("sh").is_some());
        assert!(find("no-program-is-called-so").is_none());
    }

    #[test]
    fn nothing_is_missing_when_nothing_is_needed() {
        assert_eq!(missing(&[]), None);
        assert!(Tool::Valgrind.variable().is_none());
    }
}
