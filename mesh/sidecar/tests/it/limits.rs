//! How many proxies may be connected: more wait, and are served when there is room.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::support::{Mesh, PATIENCE};

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const PROXIES_MAX: usize = 64;

#[tokio::test]
async fn proxies_beyond_the_limit_wait_until_one_goes() {
    let mesh = Arc::new(Mesh::new("limits"));
    let _agent = mesh.agent(mesh.rotating("gateway", Duration::from_secs(60)));
    let mut held = Vec::new();
    for _ in 0..PROXIES_MAX {
        let mut proxy = connect(&mesh).await;
        timeout(PATIENCE, answer(&mut proxy)).await.unwrap();
        held.push(proxy);
    }
    let mut beyond = connect(&mesh).await;
    let early = timeout(Duration::from_millis(300), answer(&mut beyond)).await;
    assert!(early.is_err(), "it is served beside {PROXIES_MAX} others");
    held.pop();
    timeout(PATIENCE, answer(&mut beyond)).await.unwrap();
}

async fn connect(mesh: &Mesh) -> UnixStream {
    let connect = async {
        loop {
            if let Ok(stream) = UnixStream::connect(mesh.socket()).await {
                return stream;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut stream = timeout(PATIENCE, connect).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    stream
}

/// The agent's own settings: it talks HTTP/2 with us.
async fn answer(stream: &mut UnixStream) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
}
