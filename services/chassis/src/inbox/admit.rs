//! Whether an event is applied now: a pure function of what a group knows of its aggregate.

/// What the group knows when an event arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// The last version of the aggregate that was applied; none when it is seen first.
    pub(crate) last_version: Option<i64>,
    /// Whether poison of the same key is parked.
    pub(crate) poisoned: bool,
}

/// What is done with the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Applied; it becomes the last version.
    Apply,
    /// Dropped: this version, or a later one, was applied.
    Older,
    /// Parked until the versions before it have come.
    Gap,
    /// Parked behind the poison of its key.
    Behind,
}

/// Decides on an event of `version`. A group takes the first version that it sees as the base.
pub(crate) fn admit(known: Known, version: i64) -> Admission {
    match known.last_version {
        Some(last) if version <= last => Admission::Older,
        _ if known.poisoned => Admission::Behind,
        Some(last) if version > last.saturating_add(1) => Admission::Gap,
        _ => Admission::Apply,
    }
}

#[cfg(test)]
mod tests;
