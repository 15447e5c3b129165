//! The command line: what can be asked, with help and examples. What the answers are is elsewhere.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::analyze::{ANALYZE_EXAMPLES, Analyze, EXPLAIN_EXAMPLES, Explain};
use crate::authz::Authz;
use crate::completions::{COMPLETIONS_EXAMPLES, Completions};
use crate::mtls::Mtls;

/// The lifetimes that the mesh's authority gives out.
const TTL_MIN: Duration = Duration::from_secs(10);
const TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

const EXAMPLES: &str = "\
Examples:
  meshctl status                                   who is ready, and how long its certificate lasts
  meshctl cert --as debug                          a certificate for a minute, shown and forgotten
  meshctl cert inspect 127.77.0.12:50051           what the order service shows to its peers
  meshctl forward order --as gateway               a local port for grpcurl, the server verified

Exit codes: 0 done, 1 failed, 2 wrong usage.";

const CERT_EXAMPLES: &str = "\
Examples:
  meshctl cert --as debug
  meshctl cert --as debug --ttl 10m --out /tmp/debug
  meshctl cert inspect /tmp/debug/chain.pem
  meshctl cert inspect 127.77.0.12:50051

The token of the service account comes from <run dir>/tokens/<namespace>.<account>; the authority
logs who asked, for which account, and the serial. Exit codes: 0 done, 1 failed, 2 wrong usage.";

const INSPECT_EXAMPLES: &str = "\
Examples:
  meshctl cert inspect chain.pem
  meshctl cert inspect 127.77.0.12:50051
  meshctl cert inspect .local/run/0/mesh/root-cert.pem

Nothing is trusted while inspecting an address: what the server shows is read, and checked against
the mesh's root afterwards. Exit codes: 0 read (warnings included), 1 unreadable, 2 wrong usage.";

const FORWARD_EXAMPLES: &str = "\
Examples:
  meshctl forward order --as debug --listen 127.0.0.1:9000
  grpcurl -plaintext 127.0.0.1:9000 list

  meshctl forward order --as gateway --listen 127.0.0.1:9001
  grpcurl -plaintext -protoset gateway-envoy/shop.binpb -H \"authorization: Bearer $TOKEN\" \\
      -d '{\"order_id\": \"...\"}' 127.0.0.1:9001 shop.order.v1.OrderService/GetOrder

Whoever can reach the local port speaks as the service account: it is on loopback only. It runs
until Ctrl-C. Exit codes: 0 stopped, 1 the server is away or is not who it should be, 2 wrong usage.";

const STATUS_EXAMPLES: &str = "\
Examples:
  meshctl status
  meshctl --run-dir .local/run/7 status
  watch -n 2 meshctl status

Exit codes: 0 all are ready, 1 some are not, 2 wrong usage.";

/// Looks into a Tradewind mesh and speaks to its services.
#[derive(Debug, Parser)]
#[command(name = "meshctl", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Place,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the instance of the mesh keeps its files. The variables are those of a workload.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The folder of a running instance: root, tokens and endpoints are found in it.
    #[arg(
        long,
        global = true,
        env = "TRADEWIND_RUN",
        default_value = ".local/run/0"
    )]
    pub(crate) run_dir: PathBuf,

    /// The trust domain of the mesh.
    #[arg(
        long,
        global = true,
        env = "MESH_TRUST_DOMAIN",
        default_value = "cluster.local"
    )]
    pub(crate) trust_domain: String,

    /// The namespace of service accounts and services.
    #[arg(long, global = true, env = "MESH_NAMESPACE", default_value = "shop")]
    pub(crate) namespace: String,

    /// The certificate authority [default: meshd of the instance, 127.77.<i>.2:15012].
    #[arg(long, global = true, env = "MESH_CA_ADDRESS", value_name = "ADDRESS")]
    pub(crate) ca_address: Option<SocketAddr>,

    /// The root that proves the authority [default: <run dir>/mesh/root-cert.pem].
    #[arg(long, global = true, env = "MESH_CA_ROOT_FILE", value_name = "FILE")]
    pub(crate) ca_root: Option<PathBuf>,

    /// The bootstrap token [default: <run dir>/tokens/<namespace>.<account>].
    #[arg(long, global = true, env = "MESH_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// Where the services are [default: <run dir>/endpoints.yaml].
    #[arg(long, global = true, env = "MESH_ENDPOINTS_FILE", value_name = "FILE")]
    pub(crate) endpoints: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Finds in policies what hardly does what was meant. No mesh needs to run.
    #[command(after_help = ANALYZE_EXAMPLES)]
    Analyze(Analyze),

    /// Asks authorization policies in files what they decide. No mesh needs to run.
    Authz(Authz),

    /// Asks for a short-lived certificate, or shows what is in one.
    #[command(after_help = CERT_EXAMPLES, args_conflicts_with_subcommands = true)]
    Cert(Cert),

    /// Writes the completions of a shell.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(Completions),

    /// Says what a code of analyze means, with an example.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Explain),

    /// Opens a plaintext port on loopback that leads to a service over verified mutual TLS.
    #[command(after_help = FORWARD_EXAMPLES)]
    Forward(Forward),

    /// Tells which ports take mutual TLS by policies in files. No mesh needs to run.
    Mtls(Mtls),

    /// Shows each workload: whether it is ready, and its certificate.
    #[command(after_help = STATUS_EXAMPLES)]
    Status,
}

#[derive(Debug, Args)]
pub(crate) struct Cert {
    #[command(subcommand)]
    pub(crate) command: Option<CertCommand>,

    #[command(flatten)]
    pub(crate) issue: Option<Issue>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// Shows identity, serial, validity, issuer, key, names and what is wrong with a certificate.
    #[command(after_help = INSPECT_EXAMPLES)]
    Inspect(Inspect),
}

#[derive(Debug, Args)]
pub(crate) struct Issue {
    /// The service account to act as.
    #[arg(long = "as", value_name = "ACCOUNT")]
    pub(crate) account: String,

    /// How long it is valid: 10s to 24h.
    #[arg(long, default_value = "60s", value_parser = parse_ttl)]
    pub(crate) ttl: Duration,

    /// Writes chain.pem, key.pem (for this user only) and root.pem into this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A PEM file, or host:port of a server.
    #[arg(value_name = "FILE|ADDRESS")]
    pub(crate) target: String,
}

#[derive(Debug, Args)]
pub(crate) struct Forward {
    /// The service, by the name of its endpoints.
    pub(crate) service: String,

    /// The service account to act as.
    #[arg(long = "as", value_name = "ACCOUNT")]
    pub(crate) account: String,

    /// Where to listen; loopback only. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS", value_parser = parse_loopback)]
    pub(crate) listen: SocketAddr,
}

fn parse_ttl(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("needs a number and one of s, m, h, like 60s".to_owned()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "needs a whole number, like 60s".to_owned())?;
    let ttl = Duration::from_secs(number.checked_mul(unit).ok_or("is too long")?);
    if !(TTL_MIN..=TTL_MAX).contains(&ttl) {
        return Err("is not between 10s and 24h".to_owned());
    }
    Ok(ttl)
}

fn parse_loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "is not an address like 127.0.0.1:9000".to_owned())?;
    if !address.ip().is_loopback() {
        return Err(
            "is not on loopback; the port would lend the identity to the network".to_owned(),
        );
    }
    Ok(address)
}

#[cfg(test)]
mod tests;
