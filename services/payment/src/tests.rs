//! The neighbours of this service, for its tests.

pub(crate) mod stand_in;
