//! tonic's own channel, in plaintext and over the mesh's TLS configuration.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use anyhow::Result;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, server::Connected};
use tower::service_fn;

use crate::{End, pki::Pki, way::Way};

/// A TLS stream that tonic's server takes: its own wrapper wants its own TLS settings.
pub(crate) struct Wrapped<T>(pub(crate) T);

/// A channel with one connection to the server's end, in one of tonic's ways.
pub(crate) async fn connect(end: &End) -> Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", end.address))?.tcp_nodelay(true);
    if end.way == Way::Tonic || end.way == Way::Off {
        return Ok(endpoint.connect().await?);
    }
    let (connector, address) = (
        TlsConnector::from(Pki::at(&end.folder).client_tls()?),
        end.address,
    );
    let dial = service_fn(move |_: Uri| {
        let connector = connector.clone();
        async move {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            let tls = connector.connect(mesh_transport::unnamed_server(), tcp);
            tls.await.map(TokioIo::new)
        }
    });
    Ok(endpoint.connect_with_connector(dial).await?)
}

// === impl Wrapped ===

impl<T> Connected for Wrapped<T> {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl<T: AsyncRead + Unpin> AsyncRead for Wrapped<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Wrapped<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
