//! `meshctl cert`: issues a short-lived certificate, or shows what is in one.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

use mesh_identity::{certificates_from_pem, certificates_to_pem};
use mesh_transport::Identity;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::authority::Account;
use crate::cli::{Inspect, Issue, Place};
use crate::error::Error;
use crate::inspect::Report;
use crate::observe;

/// Everybody may see a certificate; the key is for the user alone.
const PUBLIC_MODE: u32 = 0o644;
const PRIVATE_MODE: u32 = 0o600;

/// Asks for a certificate, and shows it or writes it.
pub(crate) async fn issue(place: &Place, issue: &Issue) -> Result<(), Error> {
    let account = Account::new(place, &issue.account, issue.ttl)?;
    let identity = account.identity().await?;
    print!("{}", Report::of(&identity.svid.chain, SystemTime::now())?);
    if let Some(folder) = &issue.out {
        write(folder, &identity)?;
    }
    Ok(())
}

/// Shows what is in a file, or what a server shows.
pub(crate) async fn inspect(place: &Place, inspect: &Inspect) -> Result<(), Error> {
    let path = Path::new(&inspect.target);
    let chain = if path.exists() {
        let pem = read(path)?;
        certificates_from_pem(&pem).map_err(|source| Error::NoCertificates {
            path: path.to_owned(),
            source,
        })?
    } else if looks_like_address(&inspect.target) {
        let seen = observe::server(&inspect.target).await?;
        println!("{seen}\n");
        seen.chain
    } else {
        let target = &inspect.target;
        return Err(Error::Usage(format!(
            "\"{target}\" is neither a file nor host:port"
        )));
    };
    let mut report = Report::of(&chain, SystemTime::now())?;
    if report.is_of_workload() {
        check_against_root(&mut report, &chain, &place.root_file());
    }
    print!("{report}");
    Ok(())
}

fn looks_like_address(text: &str) -> bool {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    port.is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// Whether the chain leads to the mesh's root, when there is one to compare with.
fn check_against_root(report: &mut Report, chain: &[CertificateDer<'_>], root_file: &Path) {
    let shown = root_file.display();
    let roots = read(root_file)
        .ok()
        .and_then(|pem| certificates_from_pem(&pem).ok());
    let Some(roots) = roots else {
        return report.warn(format!("not checked against a root: none in \"{shown}\""));
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(roots);
    match added {
        0 => report.warn(format!("not checked against a root: none in \"{shown}\"")),
        _ => report.check_against(chain, &store),
    }
}

fn write(folder: &Path, identity: &Identity) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|source| Error::Write {
        path: folder.to_owned(),
        source,
    })?;
    let domain = identity.svid.id.trust_domain();
    let roots = identity.bundles.roots(domain).unwrap_or_default();
    for (name, mode, text) in [
        ("chain.pem", PUBLIC_MODE, identity.svid.chain_pem().as_str()),
        ("key.pem", PRIVATE_MODE, identity.svid.key_pem().as_str()),
        ("root.pem", PUBLIC_MODE, certificates_to_pem(roots).as_str()),
    ] {
        let path = folder.join(name);
        replace(&path, mode, text).map_err(|source| Error::Write {
            path: path.clone(),
            source,
        })?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Writes a new file: an old one could belong to a reader, or be readable by others.
fn replace(path: &Path, mode: u32, text: &str) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(text.as_bytes())
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}
