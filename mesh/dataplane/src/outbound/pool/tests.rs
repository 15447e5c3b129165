//! What becomes of connections that nobody wants any more.
#![allow(clippy::unwrap_used)]

use tokio::net::TcpListener;

use super::*;
use crate::registry::Registry;

#[tokio::test]
async fn a_pool_that_is_closed_while_it_dials_keeps_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let id: mesh_identity::SpiffeId = "spiffe://cluster.local/ns/shop/sa/order".parse().unwrap();
    let registry = Arc::new(Registry::new(id.clone()));
    let address = listener.local_addr().unwrap();
    let pool = Pool::new(Endpoint { address, id }, Dialer::plaintext(&registry));
    let waiting = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.acquire().await.map(|_| ()) }
    });
    while !pool.lock().dialing {
        tokio::task::yield_now().await;
    }
    pool.close();

    let refused = waiting.await.unwrap().unwrap_err();
    assert!(
        refused.message().contains("no longer announced"),
        "{refused}"
    );
    let deadline = Instant::now() + Duration::from_secs(5);
    while pool.lock().dialing || !registry.list().is_empty() {
        assert!(Instant::now() < deadline, "a connection stays open");
        tokio::task::yield_now().await;
    }
}
