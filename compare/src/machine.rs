//! What the machine is, for the report, and how much memory there is.

use std::process::Command;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_mib: u64,
    pub system: String,
    pub rustc: String,
    pub cc: String,
    pub when: String,
    /// What was seen of it while something was measured.
    #[serde(default)]
    pub seen: Vec<String>,
}

impl Machine {
    pub fn describe() -> Self {
        Self {
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into()),
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            memory_mib: memory("MemTotal").unwrap_or(0) >> 20,
            system: first_line("uname", &["-sr"]).unwrap_or_else(|| std::env::consts::OS.into()),
            rustc: rustc(),
            cc: cc(),
            when: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
            seen: Vec::new(),
        }
    }

    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("{}, {} cores, {} MiB, {}", self.processor, self.cores, self.memory_mib, self.system),
            format!("{}; {}; {}", self.rustc, self.cc, self.when),
        ];
        lines.extend(self.seen.clone());
        lines
    }
}

pub fn rustc() -> String {
    first_line("rustc", &["--version"]).unwrap_or_else(|| "rustc unknown".into())
}

pub fn cc() -> String {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    first_line(&compiler, &["--version"]).unwrap_or_else(|| "C compiler unknown".into())
}

pub fn available_memory() -> Option<u64> {
    memory("MemAvailable")
}

/// Resident bytes of a process.
pub fn resident_memory(process: u32) -> Option<u64> {
    kib(&field(&format!("/proc/{process}/status"), "VmRSS")?)
}

fn memory(name: &str) -> Option<u64> {
    kib(&field("/proc/meminfo", name)?)
}

fn kib(value: &str) -> Option<u64> {
    Some(value.strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// The value of the first "name: value" line of a file.
fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_string())
    })
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::kib;

    #[test]
    fn reads_the_kernel_s_kilobytes() {
        assert_eq!(kib("12 kB"), Some(12 << 10));
        assert_eq!(kib("12"), None);
    }
}
