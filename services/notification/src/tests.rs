//! The neighbours of this service, for its tests.

pub(crate) mod responder;
pub(crate) mod stand_in;
