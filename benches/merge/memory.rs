//! How far a process grows.

use std::fs;

/// What a process had when the looking began.
#[derive(Debug)]
pub(crate) struct Growth {
    process: u32,
    before: u64,
}

impl Growth {
    /// Forgets the peak so far (proc_pid_clear_refs(5)).
    pub(crate) fn begin(process: u32) -> Self {
        fs::write(format!("/proc/{process}/clear_refs"), "5").expect("a process of ours");
        Self { process, before: status(process, "VmRSS:") }
    }

    /// Bytes at the peak beyond those at the beginning.
    pub(crate) fn end(self) -> u64 {
        status(self.process, "VmHWM:").saturating_sub(self.before)
    }
}

fn status(process: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it is running");
    let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("proc_pid_status(5)");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("kB") << 10
}
