//! What caused the work that is being done: carried beside it, so that events name their cause
//! without every function passing it on. Not the caller: that one is always passed.

use uuid::Uuid;

tokio::task_local! {
    static ORIGIN: Origin;
}

/// The chain of facts that the current work belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    /// The id that all facts of one story share; its first event's id.
    pub(crate) correlation_id: Option<Uuid>,
    /// The event that led to this work.
    pub(crate) causation_id: Option<Uuid>,
}

/// The origin of the work around this call; empty outside events and tasks.
pub(crate) fn current() -> Origin {
    ORIGIN.try_with(|origin| *origin).unwrap_or_default()
}

/// Runs `work` as a consequence of `origin`.
pub(crate) async fn scope<F: Future>(origin: Origin, work: F) -> F::Output {
    ORIGIN.scope(origin, work).await
}
