//! Reads certificates and says what a person wants to know of them, and what a peer would refuse.
//!
//! Pure: bytes and the time come from outside, and nothing here decides whom a workload trusts.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use mesh_identity::SpiffeId;
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION};
use x509_parser::prelude::FromDer;

use crate::error::Error;

/// The longest lifetime that the authority gives out, and half an hour for its back-dating.
const LEAF_LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60 + 30 * 60);

/// What is in a chain, the leaf (or whatever stands first) first.
#[derive(Debug)]
pub(crate) struct Report {
    certificates: Vec<Facts>,
    warnings: Vec<String>,
    now: SystemTime,
}

/// What is in one certificate.
#[derive(Debug)]
struct Facts {
    subject: String,
    issuer: String,
    serial: String,
    not_before: SystemTime,
    not_after: SystemTime,
    key: String,
    names: Vec<String>,
    uris: Vec<String>,
    is_authority: bool,
    usages: Usages,
}

/// What the extensions allow, as far as a peer looks at it.
#[derive(Debug)]
struct Usages {
    server: bool,
    client: bool,
    nameless_but_not_critical: bool,
    key_is_p256: bool,
}

// === impl Report ===

impl Report {
    /// Reads a chain. Rules for leaves apply to the first certificate unless it is an authority.
    pub(crate) fn of(chain: &[CertificateDer<'_>], now: SystemTime) -> Result<Self, Error> {
        let mut certificates = Vec::new();
        let mut warnings = Vec::new();
        for (index, der) in chain.iter().enumerate() {
            let facts = Facts::read(der)?;
            for problem in facts.problems_of_time(now) {
                warnings.push(about(index, &problem));
            }
            certificates.push(facts);
        }
        let leaf = certificates.first().filter(|facts| !facts.is_authority);
        if let Some(leaf) = leaf {
            warnings.extend(leaf.problems_of_leaf());
            warnings.extend(problems_of_order(chain)?);
        }
        Ok(Self {
            certificates,
            warnings,
            now,
        })
    }

    /// Adds whether the chain leads to one of these roots.
    pub(crate) fn check_against(&mut self, chain: &[CertificateDer<'_>], roots: &RootCertStore) {
        let Some((leaf, intermediates)) = chain.split_first() else {
            return;
        };
        let parsed = match ParsedCertificate::try_from(leaf) {
            Ok(parsed) => parsed,
            Err(error) => return self.warn(format!("a peer cannot read the leaf: {error}")),
        };
        let since_epoch = self
            .now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let verified = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            roots,
            intermediates,
            UnixTime::since_unix_epoch(since_epoch),
            provider.signature_verification_algorithms.all,
        );
        if let Err(error) = verified {
            self.warn(format!("does not lead to the mesh's root: {error}"));
        }
    }

    /// Whether the first certificate is one of a workload.
    pub(crate) fn is_of_workload(&self) -> bool {
        self.certificates
            .first()
            .is_some_and(|facts| !facts.is_authority)
    }

    /// The SPIFFE id of the first certificate, when it has exactly one.
    pub(crate) fn spiffe_id(&self) -> Option<SpiffeId> {
        match &self.certificates.first()?.uris[..] {
            [uri] => uri.parse().ok(),
            _ => None,
        }
    }

    /// How long the first certificate is still valid.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        self.certificates
            .first()?
            .not_after
            .duration_since(self.now)
            .ok()
    }

    /// Serial number of the first certificate.
    pub(crate) fn serial(&self) -> &str {
        self.certificates.first().map_or("", |facts| &facts.serial)
    }

    pub(crate) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, facts) in self.certificates.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            writeln!(f, "{}", facts.title())?;
            writeln!(f, "  serial    {}", facts.serial)?;
            let left = remaining(facts.not_after, self.now);
            let (from, to) = (date(facts.not_before), date(facts.not_after));
            writeln!(f, "  validity  {from} to {to} ({left})")?;
            writeln!(f, "  issuer    {}", or_none(&facts.issuer))?;
            writeln!(f, "  subject   {}", or_none(&facts.subject))?;
            writeln!(f, "  key       {}", facts.key)?;
            writeln!(f, "  names     {}", or_none(&facts.names.join(", ")))?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

// === impl Facts ===

impl Facts {
    fn read(der: &CertificateDer<'_>) -> Result<Self, Error> {
        let unreadable = |reason: String| Error::UnreadableCertificate { reason };
        let (rest, parsed) =
            X509Certificate::from_der(der).map_err(|error| unreadable(error.to_string()))?;
        if !rest.is_empty() {
            return Err(unreadable("bytes follow the certificate".to_owned()));
        }
        let general = parsed
            .subject_alternative_name()
            .map_err(|error| unreadable(error.to_string()))?;
        let names_are_critical = general.as_ref().is_some_and(|names| names.critical);
        let general = general.map_or(&[][..], |names| &names.value.general_names[..]);
        let subject = parsed.subject().to_string();
        let usage = parsed
            .extended_key_usage()
            .ok()
            .flatten()
            .map(|usage| usage.value);
        Ok(Self {
            issuer: parsed.issuer().to_string(),
            serial: serial(parsed.raw_serial()),
            not_before: system_time(parsed.validity().not_before.timestamp()),
            not_after: system_time(parsed.validity().not_after.timestamp()),
            key: key_type(&parsed),
            names: general.iter().map(name_text).collect(),
            uris: general.iter().filter_map(uri_text).collect(),
            is_authority: parsed.is_ca(),
            usages: Usages {
                server: usage.is_some_and(|usage| usage.server_auth || usage.any),
                client: usage.is_some_and(|usage| usage.client_auth || usage.any),
                nameless_but_not_critical: subject.is_empty() && !names_are_critical,
                key_is_p256: is_p256(&parsed),
            },
            subject,
        })
    }

    fn title(&self) -> String {
        match &self.uris[..] {
            [uri] if self.is_authority => format!("authority of {uri}"),
            [uri] => uri.clone(),
            _ if self.is_authority => "authority".to_owned(),
            [] => "certificate without a SPIFFE id".to_owned(),
            _ => "certificate with several URI names".to_owned(),
        }
    }

    fn problems_of_time(&self, now: SystemTime) -> Vec<String> {
        let mut problems = Vec::new();
        if now >= self.not_after {
            problems.push(format!("expired at {}", date(self.not_after)));
        } else if now < self.not_before {
            problems.push(format!("not valid before {}", date(self.not_before)));
        } else if !self.is_authority && self.is_renewed_late(now) {
            let left = remaining(self.not_after, now);
            problems.push(format!("{left}: a workload renews at half of its lifetime"));
        }
        problems
    }

    /// Renewal comes at about half of the lifetime: three quarters mean that it fails.
    fn is_renewed_late(&self, now: SystemTime) -> bool {
        let lifetime = self
            .not_after
            .duration_since(self.not_before)
            .unwrap_or_default();
        let left = self.not_after.duration_since(now).unwrap_or_default();
        left < lifetime / 4
    }

    fn problems_of_leaf(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match &self.uris[..] {
            [uri] => {
                if let Err(error) = uri.parse::<SpiffeId>() {
                    problems.push(format!("peers refuse it: {error}"));
                }
            }
            uris => problems.push(format!(
                "peers refuse it: {} URI names, exactly one is expected",
                uris.len()
            )),
        }
        let lifetime = self
            .not_after
            .duration_since(self.not_before)
            .unwrap_or_default();
        if lifetime > LEAF_LIFETIME_MAX {
            problems.push("valid for more than a day: it cannot be revoked in time".to_owned());
        }
        if !self.usages.key_is_p256 {
            problems.push(format!(
                "the mesh uses ECDSA P-256 keys, this is {}",
                self.key
            ));
        }
        if !self.usages.server || !self.usages.client {
            problems.push("not for both clients and servers (extended key usage)".to_owned());
        }
        if self.usages.nameless_but_not_critical {
            problems.push("no subject, and its names are not critical (RFC 5280)".to_owned());
        }
        problems
    }
}

/// Each certificate must be signed by the next one.
fn problems_of_order(chain: &[CertificateDer<'_>]) -> Result<Vec<String>, Error> {
    let unreadable = |reason: String| Error::UnreadableCertificate { reason };
    let mut parsed = Vec::new();
    for der in chain {
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|error| unreadable(error.to_string()))?;
        parsed.push(certificate);
    }
    let mut problems = Vec::new();
    for (index, pair) in parsed.windows(2).enumerate() {
        let [signed, signer] = pair else { continue };
        if signed.verify_signature(Some(signer.public_key())).is_err() {
            problems.push(about(index, "is not signed by the certificate after it"));
        }
    }
    let serials: BTreeSet<&[u8]> = chain.iter().map(AsRef::as_ref).collect();
    if serials.len() < chain.len() {
        problems.push("the chain holds a certificate twice".to_owned());
    }
    Ok(problems)
}

fn about(index: usize, problem: &str) -> String {
    match index {
        0 => problem.to_owned(),
        _ => format!("certificate {} of the chain: {problem}", index + 1),
    }
}

fn is_p256(certificate: &X509Certificate<'_>) -> bool {
    let algorithm = &certificate.public_key().algorithm;
    let curve = algorithm
        .parameters
        .as_ref()
        .and_then(|curve| curve.as_oid().ok());
    algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY && curve == Some(OID_EC_P256)
}

fn key_type(certificate: &X509Certificate<'_>) -> String {
    if is_p256(certificate) {
        return "ECDSA P-256".to_owned();
    }
    let key = certificate.public_key();
    if key.algorithm.algorithm == OID_PKCS1_RSAENCRYPTION {
        let bits = key.parsed().map(|key| key.key_size()).unwrap_or_default();
        return format!("RSA {bits}");
    }
    format!("of type {}", key.algorithm.algorithm)
}

fn name_text(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::URI(uri) => format!("URI:{uri}"),
        GeneralName::DNSName(dns) => format!("DNS:{dns}"),
        GeneralName::IPAddress([a, b, c, d]) => format!("IP:{a}.{b}.{c}.{d}"),
        other => other.to_string(),
    }
}

fn uri_text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    }
}

fn serial(bytes: &[u8]) -> String {
    let significant = bytes.iter().skip_while(|byte| **byte == 0);
    significant.map(|byte| format!("{byte:02x}")).collect()
}

/// Times before 1970 are shown as 1970: no certificate of a mesh has one.
fn system_time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn date(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// What is left until `end`, for people.
pub(crate) fn remaining(end: SystemTime, now: SystemTime) -> String {
    match end.duration_since(now) {
        Ok(left) => format!("{} left", rough(left)),
        Err(_) => "over".to_owned(),
    }
}

/// A duration with its two largest units at most.
pub(crate) fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests;
