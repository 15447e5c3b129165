//! Connections that stand and do nothing, for the memory that each one costs the server. The client
//! is tonic's in every way: what is looked at is the other end.

use anyhow::Result;
use echo::pb::{EchoRequest, echo_service_client::EchoServiceClient};
use tokio::io::AsyncReadExt;

use crate::{End, plain};

#[expect(clippy::print_stdout, reason = "the parent waits for this line")]
pub(crate) async fn run(end: &End, connections: usize) -> Result<()> {
    let mut held = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut client = EchoServiceClient::new(plain::connect(end).await?);
        client.echo(EchoRequest::default()).await?;
        held.push(client);
    }
    println!("held");
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}
