//! `meshctl forward`: a plaintext port on loopback whose connections travel to a service inside
//! mutual TLS, with the server verified. Both sides speak HTTP/2 already, so bytes are enough.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mesh_dataplane::{Endpoint, Endpoints};
use mesh_transport::{client_config, handshake_failure, require_h2, unnamed_server};
use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::authority::Account;
use crate::cli::{Forward, Place};
use crate::error::Error;

/// How long the borrowed identity lasts; it is renewed while connections come.
const SVID_TTL: Duration = Duration::from_secs(600);
/// Connection and handshake, as for every peer of the mesh.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// In TLS 1.3 a server refuses a client after the client has finished. A server that accepts
/// greets with its HTTP/2 settings, and this is how long that is waited for.
const REFUSAL_WAIT: Duration = Duration::from_secs(2);
/// grpcurl needs one connection at a time; a script perhaps some.
const CONNECTIONS_MAX: usize = 64;
/// A pause after a failed accept, which is mostly one for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The way to one service as one account.
struct Tunnel {
    account: Account,
    service: String,
    place: Place,
}

/// Forwards until the process is stopped.
pub(crate) async fn run(place: &Place, forward: &Forward) -> Result<(), Error> {
    let tunnel = Arc::new(Tunnel {
        account: Account::new(place, &forward.account, SVID_TTL)?,
        service: forward.service.clone(),
        place: place.clone(),
    });
    let endpoint = tunnel.endpoint().await?;
    let mut probe = tunnel.connect(&endpoint).await?;
    tunnel.check_accepted(&endpoint, &mut probe).await?;
    drop(probe);

    let listener = TcpListener::bind(forward.listen)
        .await
        .map_err(|source| Error::Listen {
            address: forward.listen,
            source,
        })?;
    let local = listener.local_addr().map_err(|source| Error::Listen {
        address: forward.listen,
        source,
    })?;
    println!("listening on {local} → {} ({})", tunnel.name(), endpoint.id);
    println!("every call through it is made as {}", tunnel.account.id());
    tokio::select! {
        () = tunnel.accept(listener) => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

// === impl Tunnel ===

impl Tunnel {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
        loop {
            let place = Arc::clone(&places).acquire_owned().await;
            let (socket, _) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    eprintln!("cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let tunnel = Arc::clone(&self);
            tokio::spawn(async move {
                if let Err(error) = tunnel.carry(socket).await {
                    eprintln!("{}", error.chain());
                }
                drop(place);
            });
        }
    }

    /// Carries one local connection. A peer that goes away is the end, and no error.
    async fn carry(&self, mut local: TcpStream) -> Result<(), Error> {
        let endpoint = self.endpoint().await?;
        let mut remote = self.connect(&endpoint).await?;
        if let Err(error) = copy_bidirectional(&mut local, &mut remote).await {
            // A TLS alert says that the server refuses us; anything else is a hang-up.
            if error.kind() == io::ErrorKind::InvalidData {
                return Err(self.refused(&endpoint, handshake_failure(&error)));
            }
        }
        Ok(())
    }

    /// Where the service is now: the file is read anew, because services move.
    async fn endpoint(&self) -> Result<Endpoint, Error> {
        let path = self.place.endpoints_file();
        let endpoints = Endpoints::load(&path, &self.place.trust_domain()?)
            .await
            .map_err(|source| Error::Endpoints(Box::new(source)))?;
        let found = endpoints
            .of(&self.place.namespace, &self.service)
            .first()
            .cloned();
        found.ok_or_else(|| {
            let names: Vec<String> = endpoints
                .services()
                .map(|(namespace, name, _)| format!("{name}.{namespace}"))
                .collect();
            Error::Usage(format!(
                "no service {}; there are {}",
                self.name(),
                names.join(", ")
            ))
        })
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<TlsStream<TcpStream>, Error> {
        let away = |source| Error::Away {
            what: self.name(),
            address: endpoint.address.to_string(),
            source,
        };
        let identity = self.account.identity().await?;
        let config = client_config(&identity, &endpoint.id)
            .map_err(|source| Error::Tls(Box::new(source)))?;
        let dial = async {
            let socket = TcpStream::connect(endpoint.address).await.map_err(away)?;
            // A delay here would be added to every small frame of a call.
            socket.set_nodelay(true).map_err(away)?;
            TlsConnector::from(config)
                .connect(unnamed_server(), socket)
                .await
                .map_err(|error| self.refused(endpoint, handshake_failure(&error)))
        };
        let stream = match tokio::time::timeout(HANDSHAKE_MAX, dial).await {
            Ok(stream) => stream?,
            Err(elapsed) => return Err(away(io::Error::new(io::ErrorKind::TimedOut, elapsed))),
        };
        require_h2(stream.get_ref().1)
            .map_err(|error| self.refused(endpoint, error.to_string()))?;
        Ok(stream)
    }

    /// Waits for the server's first byte, or for its refusal.
    async fn check_accepted(
        &self,
        endpoint: &Endpoint,
        stream: &mut TlsStream<TcpStream>,
    ) -> Result<(), Error> {
        match tokio::time::timeout(REFUSAL_WAIT, stream.read_u8()).await {
            Ok(Err(error)) => Err(self.refused(endpoint, handshake_failure(&error))),
            // A server may also wait for the client to begin.
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }

    fn refused(&self, endpoint: &Endpoint, reason: String) -> Error {
        Error::Refused {
            what: self.name(),
            address: endpoint.address.to_string(),
            reason,
        }
    }

    fn name(&self) -> String {
        format!("{}.{}", self.service, self.place.namespace)
    }
}
