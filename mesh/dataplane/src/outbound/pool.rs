//! The connections to one endpoint. Calls are counted against the peer's limit; a connection that
//! says goodbye is replaced by the first call that finds none; failures are remembered for a while
//! so that calls fail at once instead of waiting for the same failure again.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use tonic::Status;

use super::{
    backoff::Backoff,
    dial::{Dialer, Link, LinkState, Retired},
    discovery::Endpoint,
};
use crate::registry::{Connection, OpenStream};

/// With 100 calls on each this is more than a service of ours can work on.
const CONNECTIONS_MAX: usize = 8;
/// A dial with its handshake takes at most seven seconds; who has waited that long is told.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(7);

/// The connections to one endpoint.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) endpoint: Endpoint,
    dialer: Arc<Dialer>,
    state: Mutex<State>,
    /// Calls that have or wait for a connection.
    calls: AtomicUsize,
    /// How many wait; nobody is woken when nobody waits.
    waiting: AtomicUsize,
    changed: Notify,
}

/// A place for one call on a connection.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) link: Arc<Link>,
    pub(crate) stream: OpenStream,
    pub(crate) call: Call,
}

/// One call that is counted at its endpoint. It must be dropped after its [`OpenStream`].
#[derive(Debug)]
pub(crate) struct Call(Arc<Pool>);

#[derive(Debug, Default)]
struct State {
    links: Vec<Arc<Link>>,
    dialing: bool,
    /// The endpoint is no longer announced: whatever was under way leads to no connection.
    closed: bool,
    backoff: Backoff,
}

/// What a look at the pool says.
enum Look {
    Found(Arc<Link>, OpenStream),
    Failing(Status),
    Dial,
    Wait,
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(endpoint: Endpoint, dialer: Arc<Dialer>) -> Arc<Self> {
        Arc::new(Self {
            endpoint,
            dialer,
            state: Mutex::default(),
            calls: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            changed: Notify::new(),
        })
    }

    /// How much is going on at the endpoint.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Whether calls would fail at once.
    pub(crate) fn is_failing(&self) -> bool {
        let state = self.lock();
        state.links.is_empty() && state.backoff.blocked(Instant::now()).is_some()
    }

    /// Until when a call should wait for an endpoint that seems to be restarting.
    pub(crate) fn restarting(&self) -> Option<Instant> {
        self.lock().backoff.restarting(Instant::now())
    }

    /// A place for a call, on a connection that stands or on a new one.
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<Lease, Status> {
        let call = Call::begin(self);
        if let Look::Found(link, stream) = self.look() {
            return Ok(Lease { link, stream, call });
        }
        let _waiting = Waiting::new(&self.waiting);
        let until = Instant::now() + ACQUIRE_TIMEOUT;
        loop {
            // Registered before the look, so that a change in between is not missed.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            match self.look_or_dial() {
                Look::Found(link, stream) => {
                    // There may be room for more than one, as after a dial or a raised limit.
                    if link.connection.streams() < link.state.streams_max() {
                        self.freed();
                    }
                    return Ok(Lease { link, stream, call });
                }
                Look::Failing(status) => return Err(status),
                Look::Dial => {
                    // A task of its own: the caller may go away, the others still want it.
                    tokio::spawn(Arc::clone(self).dial());
                }
                Look::Wait => {}
            }
            if tokio::time::timeout_at(until, changed).await.is_err() {
                let address = self.endpoint.address;
                return Err(Status::unavailable(format!(
                    "no free connection to {address}"
                )));
            }
        }
    }

    /// Takes a connection out, if it still is in: another call may have replaced it already.
    pub(crate) fn retire(&self, id: u64) {
        self.lock().links.retain(|link| link.connection.id != id);
        // Somebody must dial now: one is enough.
        self.freed();
    }

    /// Takes all connections out, for good; each ends when its calls have ended.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.links.clear();
        drop(state);
        self.turned();
    }

    /// The connection has answered a call.
    pub(crate) fn prove(&self, link: &Link) {
        if link.state.prove() {
            self.lock().backoff.succeed();
        }
    }

    fn look(&self) -> Look {
        let state = self.lock();
        let usable = || state.links.iter().filter(|link| link.is_usable());
        let idlest = usable().min_by_key(|link| link.connection.streams());
        // The idlest one may have been filled since; then any other that has room.
        for link in idlest.into_iter().chain(usable()) {
            if let Some(stream) = link.connection.try_open_stream(link.state.streams_max()) {
                return Look::Found(Arc::clone(link), stream);
            }
            link.state.look_again();
        }
        Look::Wait
    }

    fn look_or_dial(&self) -> Look {
        if let found @ Look::Found(..) = self.look() {
            return found;
        }
        let mut state = self.lock();
        if state.closed {
            let Endpoint { address, id } = &self.endpoint;
            let text = format!("{id} at {address}: no longer announced");
            return Look::Failing(Status::unavailable(text));
        }
        state.links.retain(|link| link.is_usable());
        if state.dialing || state.links.len() >= CONNECTIONS_MAX {
            return Look::Wait;
        }
        if let Some(reason) = state.backoff.blocked(Instant::now()) {
            if !state.links.is_empty() {
                return Look::Wait;
            }
            let Endpoint { address, id } = &self.endpoint;
            return Look::Failing(Status::unavailable(format!("{id} at {address}: {reason}")));
        }
        state.dialing = true;
        Look::Dial
    }

    async fn dial(self: Arc<Self>) {
        let dialing = Dialing(&self);
        let dialed = self.dialer.dial(&self.endpoint).await;
        let mut state = self.lock();
        match dialed {
            // Nobody would ever take it out again; dropped, it ends.
            Ok(_) if state.closed => {}
            Ok(dialed) => {
                state.links.push(Arc::new(dialed.link.clone()));
                tokio::spawn(Arc::clone(&self).keep(dialed));
            }
            Err(error) => {
                let Endpoint { address, id } = &self.endpoint;
                tracing::info!(%address, %id, %error, "cannot dial");
                state.backoff.fail(Instant::now(), error.to_string());
            }
        }
        drop(state);
        drop(dialing);
    }

    async fn keep(self: Arc<Self>, dialed: super::dial::Dialed) {
        let own = self.dialer.registry.own();
        let grace = self.dialer.drain_grace;
        dialed
            .keep(own, grace, |connection, state, cause| {
                self.forget(connection, state, cause)
            })
            .await;
    }

    fn forget(&self, connection: &Connection, state: &LinkState, cause: Retired) {
        // A peer that ends every connection before it answers anything refuses us, whatever the
        // handshake said: TLS 1.3 tells a client so only afterwards.
        if cause == Retired::Lost && !state.is_proved() {
            let reason = "the connection ended before the first answer".to_owned();
            self.lock().backoff.fail(Instant::now(), reason);
        }
        self.retire(connection.id);
    }

    /// One place is free, so one of those who wait can go on. Waking all of them would cost each
    /// end of a call a look of everybody. Who is woken and goes away wakes the next one.
    fn freed(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.changed.notify_one();
        }
    }

    /// What everybody waits for has changed.
    fn turned(&self) {
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Held for looks and changes only, never while waiting; nothing panics in between.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Link ===

impl Link {
    fn is_usable(&self) -> bool {
        !self.connection.is_retired() && !self.sender.is_closed()
    }
}

// === impl Call ===

impl Call {
    pub(crate) fn begin(pool: &Arc<Pool>) -> Self {
        pool.calls.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(pool))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
        self.0.freed();
    }
}

/// A dial that is under way. Its end is noted whatever it is, a panic included: otherwise nobody
/// would ever dial again.
struct Dialing<'a>(&'a Pool);

impl Drop for Dialing<'_> {
    fn drop(&mut self) {
        self.0.lock().dialing = false;
        self.0.turned();
    }
}

/// Counts a waiting call for as long as it waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
