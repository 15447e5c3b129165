//! Full mutual handshakes, against our accept loop (`serve --way mtls`) or against rustls alone.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{End, Load, pki::Pki, process::Watched};

/// As long as HTTP/2's first frame, so that both servers send the same.
const GREETING: [u8; 45] = [0; 45];

/// Accepts, shakes hands, greets, waits for the client to go. Nothing else.
pub(crate) async fn serve_bare(end: &End) -> Result<()> {
    let acceptor = TlsAcceptor::from(Pki::at(&end.folder).bare_tls()?);
    let listener = TcpListener::bind(end.address).await?;
    loop {
        let (tcp, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        // How a connection ends is the client's business.
        tokio::spawn(async move {
            tcp.set_nodelay(true)?;
            let mut tls = acceptor.accept(tcp).await?;
            tls.write_all(&GREETING).await?;
            tls.flush().await?;
            tls.read(&mut [0]).await
        });
    }
}

pub(crate) async fn run(load: &Load) -> Result<Value> {
    let connector = TlsConnector::from(Pki::at(&load.end.folder).client_tls()?);
    let start = Instant::now() + load.warm();
    let end = start + load.run();
    let shakers: Vec<_> = (0..load.in_flight)
        .map(|_| tokio::spawn(shake_until(connector.clone(), load.end.clone(), start, end)))
        .collect();
    let server = load.watched.first().context("no server to watch")?;
    let own = Watched::own();
    tokio::time::sleep_until(start.into()).await;
    let (began, before) = (Instant::now(), (own.cpu()?, server.cpu()?));
    tokio::time::sleep_until(end.into()).await;
    let (took, after) = (began.elapsed(), (own.cpu()?, server.cpu()?));
    let mut count = 0_u32;
    for shaker in shakers {
        count += shaker.await??;
    }
    ensure!(count > 0, "no handshake ended in time");
    let each = |from: Duration, to: Duration| {
        to.saturating_sub(from).as_secs_f64() * 1e6 / f64::from(count)
    };
    Ok(json!({
        "handshakes": count,
        "handshakes_per_second": f64::from(count) / took.as_secs_f64(),
        "client_cpu_us": each(before.0, after.0),
        "server_cpu_us": each(before.1, after.1),
    }))
}

async fn shake_until(
    connector: TlsConnector,
    server: End,
    start: Instant,
    end: Instant,
) -> Result<u32> {
    let mut count = 0;
    loop {
        shake(&connector, &server).await?;
        let now = Instant::now();
        if now > end {
            return Ok(count);
        }
        if now >= start {
            count += 1;
        }
    }
}

async fn shake(connector: &TlsConnector, server: &End) -> Result<()> {
    let tcp = TcpStream::connect(server.address).await?;
    tcp.set_nodelay(true)?;
    // Closed by a reset: a port that waits for a minute after each would soon be the limit.
    socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO))?;
    let mut tls = connector
        .connect(mesh_transport::unnamed_server(), tcp)
        .await?;
    ensure!(
        tls.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Full),
        "a resumed handshake"
    );
    // In TLS 1.3 a client is done before the server has looked at its certificate. The first bytes
    // from the server prove that it was taken.
    let read = tls.read(&mut [0; GREETING.len()]).await?;
    ensure!(read > 0, "refused after the handshake");
    Ok(())
}
