//! Support for store tests.
