//! A workload's certificate with its key, and what a leaf of the mesh must look like.

use std::time::{Duration, SystemTime};

use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use zeroize::{Zeroize, Zeroizing};

use crate::bundle::{certificates_from_pem, certificates_to_pem, pem_section};
use crate::error::Error;
use crate::spiffe::SpiffeId;

/// A leaf and at least the root bundle: the shortest answer of an authority that can be used.
const ANSWER_ELEMENTS_MIN: usize = 2;

/// An X.509-SVID: a certificate chain for one SPIFFE id, and its private key.
///
/// The key is wiped when this is dropped, and never shown.
pub struct Svid {
    /// The identity.
    pub id: SpiffeId,
    /// The leaf first, then the intermediates; without the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key of the leaf.
    pub key: PrivatePkcs8KeyDer<'static>,
    /// Begin of the leaf's validity.
    pub not_before: SystemTime,
    /// End of the leaf's validity.
    pub not_after: SystemTime,
    /// Serial number of the leaf in lower-case hexadecimal.
    pub serial: String,
}

/// What the mesh reads from a leaf certificate. Nothing here says that anybody vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The one SPIFFE id in it.
    pub id: SpiffeId,
    /// Begin of its validity.
    pub not_before: SystemTime,
    /// End of its validity.
    pub not_after: SystemTime,
    /// Serial number in lower-case hexadecimal.
    pub serial: String,
    /// The public key as the bits of its SubjectPublicKeyInfo.
    public_key: Vec<u8>,
}

/// The SPIFFE id of a leaf certificate: it must have exactly one URI name, and be no authority.
pub fn spiffe_id_of(certificate: &CertificateDer<'_>) -> Result<SpiffeId, Error> {
    Leaf::parse(certificate).map(|leaf| leaf.id)
}

// === impl Leaf ===

impl Leaf {
    /// Reads a leaf and checks the rules for one that do not need a root.
    pub fn parse(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        let unreadable = |reason: String| Error::UnreadableCertificate { reason };
        let (rest, parsed) = X509Certificate::from_der(certificate)
            .map_err(|error| unreadable(error.to_string()))?;
        if !rest.is_empty() {
            return Err(unreadable("bytes follow the certificate".to_owned()));
        }
        check_is_no_authority(&parsed)?;
        Ok(Self {
            id: single_uri(&parsed)?.parse()?,
            not_before: system_time(parsed.validity().not_before.timestamp())?,
            not_after: system_time(parsed.validity().not_after.timestamp())?,
            serial: hexadecimal(parsed.raw_serial()),
            public_key: parsed.public_key().subject_public_key.data.to_vec(),
        })
    }
}

// === impl Svid ===

impl Svid {
    /// Makes an SVID and the roots from an authority's answer: leaf, intermediates, root bundle.
    ///
    /// The leaf must be for `id` and for `key`. That the chain leads to the roots is not checked:
    /// whoever asked has authenticated the authority.
    pub fn from_answer(
        answer: &[String],
        key: PrivatePkcs8KeyDer<'static>,
        id: &SpiffeId,
    ) -> Result<(Self, Vec<CertificateDer<'static>>), Error> {
        if answer.len() < ANSWER_ELEMENTS_MIN {
            return Err(Error::ShortChain {
                length: answer.len(),
                expected: ANSWER_ELEMENTS_MIN,
            });
        }
        let (bundle, certificates) = answer.split_last().expect("the length was checked above");
        let mut chain = Vec::new();
        for pem in certificates {
            chain.extend(certificates_from_pem(pem)?);
        }
        let svid = Self::from_chain(chain, key)?;
        if svid.id != *id {
            return Err(Error::WrongIdentity {
                actual: svid.id.to_string(),
                expected: id.to_string(),
            });
        }
        Ok((svid, certificates_from_pem(bundle)?))
    }

    /// Makes an SVID from its chain, leaf first, and the private key of the leaf.
    pub fn from_chain(
        chain: Vec<CertificateDer<'static>>,
        key: PrivatePkcs8KeyDer<'static>,
    ) -> Result<Self, Error> {
        let leaf = Leaf::parse(chain.first().ok_or(Error::ShortChain {
            length: 0,
            expected: 1,
        })?)?;
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ECDSA_P256_SHA256)
            .map_err(|_| Error::KeyMismatch)?;
        if pair.der_bytes() != leaf.public_key {
            return Err(Error::KeyMismatch);
        }
        Ok(Self {
            id: leaf.id,
            chain,
            key,
            not_before: leaf.not_before,
            not_after: leaf.not_after,
            serial: leaf.serial,
        })
    }

    /// The chain as PEM, leaf first.
    pub fn chain_pem(&self) -> String {
        certificates_to_pem(&self.chain)
    }

    /// The private key as PEM, for a proxy on the same machine that acts as this workload.
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(pem_section("PRIVATE KEY", self.key.secret_pkcs8_der()))
    }
}

impl Drop for Svid {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl std::fmt::Debug for Svid {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Svid")
            .field("id", &self.id)
            .field("serial", &self.serial)
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// A leaf that could sign would let every workload make workloads.
fn check_is_no_authority(certificate: &X509Certificate<'_>) -> Result<(), Error> {
    let unreadable = |error: x509_parser::error::X509Error| Error::UnreadableCertificate {
        reason: error.to_string(),
    };
    let constraints = certificate.basic_constraints().map_err(unreadable)?;
    if constraints.is_some_and(|constraints| constraints.value.ca) {
        return Err(Error::NotALeaf {
            reason: "it is marked as an authority",
        });
    }
    let usage = certificate.key_usage().map_err(unreadable)?;
    if usage.is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign()) {
        return Err(Error::NotALeaf {
            reason: "its key may sign certificates or revocation lists",
        });
    }
    Ok(())
}

fn single_uri<'a>(certificate: &'a X509Certificate<'_>) -> Result<&'a str, Error> {
    let names =
        certificate
            .subject_alternative_name()
            .map_err(|error| Error::UnreadableCertificate {
                reason: error.to_string(),
            })?;
    let names = names.map_or(&[][..], |names| &names.value.general_names[..]);
    // A name that the parser cannot read might be an URI to somebody else's parser.
    if names
        .iter()
        .any(|name| matches!(name, GeneralName::Invalid(..)))
    {
        return Err(Error::UnreadableCertificate {
            reason: "one of its names cannot be read".to_owned(),
        });
    }
    let uris: Vec<&str> = names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    match uris[..] {
        [uri] => Ok(uri),
        _ => Err(Error::UriNames { count: uris.len() }),
    }
}

/// A time of a certificate, which counts seconds from 1970.
pub(crate) fn system_time(seconds: i64) -> Result<SystemTime, Error> {
    let seconds = u64::try_from(seconds).map_err(|_| Error::TimeOutOfRange)?;
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .ok_or(Error::TimeOutOfRange)
}

/// The bytes of a serial number without leading zeros, as the tools print it.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let significant = bytes.iter().skip_while(|byte| **byte == 0);
    significant.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
