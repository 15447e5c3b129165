//! CPU and memory of processes as Linux counts them, to the nanosecond: the ticks of
//! `/proc/<pid>/stat` are ten milliseconds long.

use std::{fs, time::Duration};

use anyhow::{Context, Result, anyhow};

/// A process whose CPU belongs to the call.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) name: String,
    pub(crate) pid: u32,
}

// === impl Watched ===

impl Watched {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (name, pid) = text
            .split_once('=')
            .ok_or_else(|| anyhow!("not name=pid: {text}"))?;
        Ok(Self {
            name: name.to_owned(),
            pid: pid.parse()?,
        })
    }

    pub(crate) fn own() -> Self {
        Self {
            name: "client".to_owned(),
            pid: std::process::id(),
        }
    }

    /// The CPU time of all its threads.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let tasks = format!("/proc/{}/task", self.pid);
        let mut total = 0;
        for task in fs::read_dir(&tasks).with_context(|| format!("no {tasks}"))? {
            // A thread may end between the listing and the look.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
                continue;
            };
            let on_cpu = text.split_whitespace().next().context("empty schedstat")?;
            total += on_cpu.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(total))
    }
}
