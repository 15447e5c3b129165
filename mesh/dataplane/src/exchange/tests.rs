//! What a call holds comes back when it ends, in the order that others rely on.
#![allow(clippy::unwrap_used)]

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Wake, Waker},
    time::Duration,
};

use super::*;
use crate::{
    metrics::Direction,
    outbound::{Dialer, Endpoint, Pool},
    registry::{Connection, Opened, Registry},
};

/// Notes how many calls the connection carried when the waiting call was told to look again.
struct Witness {
    connection: Arc<Connection>,
    seen: AtomicUsize,
}

impl Wake for Witness {
    fn wake(self: Arc<Self>) {
        self.seen.store(self.connection.streams(), Ordering::SeqCst);
    }
}

fn pool() -> (Arc<Pool>, Arc<Connection>, impl Sized) {
    let id: mesh_identity::SpiffeId = "spiffe://cluster.local/ns/shop/sa/order".parse().unwrap();
    let address = "127.0.0.1:1".parse().unwrap();
    let registry = Arc::new(Registry::new(id.clone()));
    let registered = registry.open(Opened {
        direction: Direction::Outbound,
        remote: address,
        arrival: None,
        peer: None,
        own_serial: None,
        epoch: 0,
        age: Duration::from_secs(60),
        mutual_tls: false,
    });
    let dialer = Dialer::plaintext(&registry);
    let connection = Arc::clone(registered.connection());
    let pool = Pool::new(Endpoint { address, id }, dialer);
    (pool, connection, registered)
}

#[tokio::test]
async fn whoever_waits_for_a_place_is_told_when_it_is_free_and_not_before() {
    let (pool, connection, _registered) = pool();
    let traffic = Arc::clone(&connection.traffic);
    let mut exchange = Exchange::begin(Arc::clone(&traffic), Span::none());
    let stream = connection.open_stream();
    exchange.on_lease(stream, Call::begin(&pool), traffic);
    let mut waiting = pin!(pool.acquire());
    let witness = Arc::new(Witness {
        connection: Arc::clone(&connection),
        seen: AtomicUsize::new(usize::MAX),
    });
    let waker = Waker::from(Arc::clone(&witness));
    assert!(
        waiting
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );

    // A caller that gives up drops everything at once; nothing else will wake the one who waits.
    drop(exchange);
    assert_eq!(witness.seen.load(Ordering::SeqCst), 0);
}
