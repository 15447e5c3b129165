//! The server's end.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use echo::{Echo, pb::echo_service_server::EchoServiceServer, routes};
use futures::StreamExt;
use mesh_dataplane::{Mode, Ports, Settings, Workload};
use mesh_transport::IdentitySource;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::{
    End,
    pki::{self, Pki},
    plain::Wrapped,
    way::Way,
};

/// Handshakes of the TLS yardstick that may wait for each other.
const HANDSHAKES: usize = 64;
/// The policies of the tree, those of every other workload among them: what an instance loads.
const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../k8s/base/policies");

pub(crate) async fn run(end: &End) -> Result<()> {
    match end.way {
        Way::Tonic => {
            let echo = EchoServiceServer::new(Echo);
            Server::builder()
                .add_service(echo)
                .serve(end.address)
                .await?;
        }
        Way::TonicTls => serve_tls(end).await?,
        Way::Off | Way::Mtls => serve_mesh(end).await?,
    }
    Ok(())
}

async fn serve_tls(end: &End) -> Result<()> {
    let acceptor = TlsAcceptor::from(Pki::at(&end.folder).server_tls()?);
    let listener = TcpListenerStream::new(TcpListener::bind(end.address).await?);
    let connections = listener
        .map(move |tcp| {
            let acceptor = acceptor.clone();
            async move {
                let tcp = tcp?;
                tcp.set_nodelay(true)?;
                acceptor
                    .accept(tcp)
                    .await
                    .map(Wrapped::<TlsStream<TcpStream>>)
            }
        })
        .buffer_unordered(HANDSHAKES);
    let echo = EchoServiceServer::new(Echo);
    Server::builder()
        .add_service(echo)
        .serve_with_incoming(connections)
        .await?;
    Ok(())
}

async fn serve_mesh(end: &End) -> Result<()> {
    let identity = match end.way {
        Way::Mtls => Some(IdentitySource::fixed(
            Pki::at(&end.folder).identity(pki::SERVER)?,
        )),
        _ => None,
    };
    let settings = settings(end, pki::SERVER, end.address)?;
    let workload = Workload::start_with(settings, identity, CancellationToken::new()).await?;
    let serving = workload.serve(routes(Echo)).await?;
    serving.drained().await;
    Ok(())
}

/// A workload of the mesh that is told everything here and nothing by its environment.
pub(crate) fn settings(end: &End, account: &str, address: SocketAddr) -> Result<Settings> {
    let mut settings = Settings::of(pki::id(account)?, address.ip());
    settings.mode = match end.way {
        Way::Off => Mode::Off,
        _ => Mode::InProcess,
    };
    settings.ports = Ports {
        grpc: address.port(),
        admin: 0,
        metrics: 0,
        probes: 0,
    };
    settings.policy_paths = vec![POLICIES.into()];
    settings.endpoints_file = end
        .folder
        .join(format!("endpoints-{account}-{}.yaml", end.address.port()));
    std::fs::write(&settings.endpoints_file, endpoints(end.address))
        .with_context(|| format!("cannot write {:?}", settings.endpoints_file))?;
    Ok(settings)
}

fn endpoints(address: SocketAddr) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n\
         metadata: {{name: echo, namespace: demo}}\n\
         spec:\n  address: {ip}\n  ports: {{grpc: {port}}}\n  serviceAccount: {account}\n  \
         labels: {{app: echo}}\n",
        ip = address.ip(),
        port = address.port(),
        account = pki::SERVER,
    )
}
