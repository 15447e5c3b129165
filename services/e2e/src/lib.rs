//! The whole shop, tested through its public surfaces: REST, gRPC, mails, topics.
//!
//! The tests in `tests/it` expect a running instance, which `make test` starts and names in
//! `TRADEWIND_INSTANCE`, `TRADEWIND_ROOT` and `TRADEWIND_RUN`. Nothing here stands in for a part.
