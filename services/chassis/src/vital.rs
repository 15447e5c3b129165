//! Loops that a service cannot be without. One that panics would leave a process that looks well
//! and does nothing: it ends the process instead, and whoever supervises it starts another one.

/// Held by a loop for as long as it runs.
pub(crate) struct Vital(&'static str);

/// Marks the loop around this call as one that the process does not outlive.
pub(crate) fn vital(name: &'static str) -> Vital {
    Vital(name)
}

// === impl Vital ===

impl Drop for Vital {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(name = self.0, "loop panicked; the process ends");
            // Not an orderly end: what the loop held may be broken. All that is promised is stored.
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests;
