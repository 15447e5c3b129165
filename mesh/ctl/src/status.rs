//! `meshctl status`: each workload of an instance, whether it is ready and how long its certificate
//! lasts, from the plain ports of the workloads themselves.

mod ask;
mod table;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use mesh_dataplane::Endpoints;
use mesh_dataplane::config::{ADMIN_PORT, PROBES_PORT};
use serde::Deserialize;

use crate::cli::Place;
use crate::error::Error;
use crate::inspect::{Report, remaining};
use crate::observe;
use crate::status::table::Table;

/// One workload to look at.
#[derive(Clone, Debug)]
struct Subject {
    name: String,
    address: IpAddr,
    /// Who its certificate must name.
    id: String,
    /// Where it shows its certificate in a handshake, when it has no admin port.
    tls: Option<SocketAddr>,
}

/// What was seen of one workload.
#[derive(Debug)]
struct Seen {
    /// Why it is not ready; nothing when it is.
    unready: Option<String>,
    certificate: Result<Certificate, String>,
}

/// What the admin port tells of a certificate.
#[derive(Debug, Deserialize)]
struct Certificate {
    id: String,
    serial: String,
    /// Seconds since 1970.
    not_after: u64,
}

/// The answer of `/certs`.
#[derive(Debug, Deserialize)]
struct Certificates {
    certificates: Vec<Certificate>,
}

/// Prints the table. It fails when a workload is not ready, so that scripts can wait for it.
pub(crate) async fn run(place: &Place) -> Result<(), Error> {
    let subjects = subjects(place).await?;
    let looks: Vec<_> = subjects
        .iter()
        .cloned()
        .map(|subject| tokio::spawn(subject.look()))
        .collect();
    let mut table = Table::new([
        "WORKLOAD",
        "ADDRESS",
        "READY",
        "IDENTITY",
        "SERIAL",
        "CERTIFICATE",
    ]);
    let mut unready = 0;
    let mut notes = Vec::new();
    for (subject, look) in subjects.iter().zip(looks) {
        let seen = look
            .await
            .unwrap_or_else(|error| Seen::nothing(error.to_string()));
        if let Some(reason) = &seen.unready {
            unready += 1;
            notes.push(format!("{}: {reason}", subject.name));
        }
        table.row(seen.cells(subject, SystemTime::now()));
    }
    print!("{table}");
    for note in &notes {
        println!("{note}");
    }
    match unready {
        0 => Ok(()),
        count => Err(Error::NotReady {
            count,
            all: subjects.len(),
        }),
    }
}

/// The control plane, the gateway of an instance, and every endpoint.
async fn subjects(place: &Place) -> Result<Vec<Subject>, Error> {
    let meshd = place.ca_address()?;
    let mut subjects = vec![Subject {
        name: "meshd".to_owned(),
        address: meshd.ip(),
        id: place.meshd()?.to_string(),
        tls: Some(meshd),
    }];
    if let Some(address) = place.gateway_address() {
        let id = place.account("gateway")?.to_string();
        subjects.push(Subject {
            name: "gateway".to_owned(),
            address,
            id,
            tls: None,
        });
    }
    let endpoints = Endpoints::load(&place.endpoints_file(), &place.trust_domain()?)
        .await
        .map_err(|source| Error::Endpoints(Box::new(source)))?;
    for (_, service, places) in endpoints.services() {
        for endpoint in places {
            subjects.push(Subject {
                name: service.to_owned(),
                address: endpoint.address.ip(),
                id: endpoint.id.to_string(),
                tls: None,
            });
        }
    }
    Ok(subjects)
}

// === impl Subject ===

impl Subject {
    async fn look(self) -> Seen {
        let probes = SocketAddr::new(self.address, PROBES_PORT);
        let unready = match ask::get(probes, "/readyz").await {
            Ok((status, _)) if status.is_success() => None,
            Ok((_, body)) => Some(one_line(&body)),
            Err(reason) => Some(reason),
        };
        let certificate = match self.tls {
            Some(address) => shown(address).await,
            None => told(SocketAddr::new(self.address, ADMIN_PORT)).await,
        };
        Seen {
            unready,
            certificate,
        }
    }
}

// === impl Seen ===

impl Seen {
    fn nothing(reason: String) -> Self {
        Self {
            unready: Some(reason.clone()),
            certificate: Err(reason),
        }
    }

    fn cells(&self, subject: &Subject, now: SystemTime) -> [String; 6] {
        let ready = if self.unready.is_none() { "yes" } else { "no" };
        let (identity, serial, left) = match &self.certificate {
            Ok(certificate) => (
                match certificate.id == subject.id {
                    true => certificate.id.clone(),
                    false => format!("{} (expected {})", certificate.id, subject.id),
                },
                certificate.serial.clone(),
                remaining(certificate.end(), now),
            ),
            Err(reason) => ("-".to_owned(), "-".to_owned(), reason.clone()),
        };
        let name = subject.name.clone();
        [
            name,
            subject.address.to_string(),
            ready.to_owned(),
            identity,
            serial,
            left,
        ]
    }
}

// === impl Certificate ===

impl Certificate {
    fn end(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.not_after)
    }
}

/// What an admin port tells.
async fn told(address: SocketAddr) -> Result<Certificate, String> {
    let (status, body) = ask::get(address, "/certs").await?;
    if !status.is_success() {
        return Err(format!("admin port answers {status}"));
    }
    let answer: Certificates =
        serde_json::from_str(&body).map_err(|error| format!("admin port answers: {error}"))?;
    answer
        .certificates
        .into_iter()
        .next()
        .ok_or_else(|| "none yet".to_owned())
}

/// What a server shows in a handshake.
async fn shown(address: SocketAddr) -> Result<Certificate, String> {
    let seen = observe::server(&address.to_string())
        .await
        .map_err(|error| error.chain())?;
    let now = SystemTime::now();
    let report = Report::of(&seen.chain, now).map_err(|error| error.chain())?;
    let id = report
        .spiffe_id()
        .ok_or_else(|| "names no SPIFFE id".to_owned())?;
    let end = now + report.time_left().unwrap_or_default();
    let not_after = end
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    Ok(Certificate {
        id: id.to_string(),
        serial: report.serial().to_owned(),
        not_after,
    })
}

fn one_line(body: &str) -> String {
    body.lines().collect::<Vec<_>>().join("; ")
}
