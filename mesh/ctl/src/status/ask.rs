//! One GET over plain HTTP/1, as probes and scrapers make it.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A probe answers at once, or the workload is in no state to be called ready.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// The pages that are asked for have some hundred bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Status and body, or why there is none, in words.
pub(super) async fn get(address: SocketAddr, path: &str) -> Result<(StatusCode, String), String> {
    match tokio::time::timeout(ANSWER_MAX, ask(address, path)).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!(
            "no answer at {address} within {} s",
            ANSWER_MAX.as_secs()
        )),
    }
}

async fn ask(
    address: SocketAddr,
    path: &str,
) -> Result<(StatusCode, String), Box<dyn std::error::Error + Send + Sync>> {
    let socket = TcpStream::connect(address)
        .await
        .map_err(|error| format!("nobody listens at {address} ({})", error.kind()))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let driver = tokio::spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), BODY_BYTES_MAX)
        .collect()
        .await?
        .to_bytes();
    driver.abort();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
