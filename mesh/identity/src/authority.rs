//! The signing authority: a root that is made once, and an intermediate that signs leaves.
//!
//! The root's key is needed only to make an intermediate, so that it can lie elsewhere one day.

use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use crate::bundle::{certificates_from_pem, certificates_to_pem};
use crate::csr::PublicKey;
use crate::error::Error;
use crate::spiffe::{SpiffeId, TrustDomain};
use crate::svid::{hexadecimal, system_time};

/// Life of the root: long, because replacing it means to reach everybody who trusts it.
const ROOT_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Life of the intermediate: short beside the root's, long beside any leaf's.
const INTERMEDIATE_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// How far back a certificate is dated at most, for verifiers whose clock is behind.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(120);

/// Bytes of a serial number: 126 random bits cannot be guessed, and do not collide.
const SERIAL_BYTES: usize = 16;

/// The root of a trust domain.
pub struct RootAuthority {
    trust_domain: TrustDomain,
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
    validity: Validity,
}

/// The intermediate that signs leaves of one trust domain.
pub struct Authority {
    trust_domain: TrustDomain,
    certificate_pem: String,
    root_pem: String,
    issuer: Issuer<'static, KeyPair>,
    validity: Validity,
}

/// A certificate that the authority has just issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The leaf, then the intermediate, one PEM each; last the root bundle.
    pub chain_pem: Vec<String>,
    /// Serial number of the leaf in lower-case hexadecimal.
    pub serial: String,
    /// Begin of the leaf's validity.
    pub not_before: SystemTime,
    /// End of the leaf's validity.
    pub not_after: SystemTime,
}

/// An authority as it comes out of its files.
struct Stored {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
    validity: Validity,
}

#[derive(Clone, Copy)]
struct Validity {
    not_before: SystemTime,
    not_after: SystemTime,
}

// === impl RootAuthority ===

impl RootAuthority {
    /// Makes a new root with a new key, valid for ten years.
    pub fn create(trust_domain: &TrustDomain, now: SystemTime) -> Result<Self, Error> {
        let key = new_key()?;
        let validity = Validity::starting(now, CLOCK_SKEW_MAX, ROOT_LIFETIME)?;
        let params = authority_params(trust_domain, "tradewind mesh root", 1, validity)?;
        let certificate = params.self_signed(&key).map_err(Error::Build)?;
        Ok(Self {
            trust_domain: trust_domain.clone(),
            certificate_pem: certificate.pem(),
            issuer: Issuer::new(params, key),
            validity,
        })
    }

    /// Loads a root that was stored, and checks that it is one, for this trust domain and this key.
    pub fn from_pem(
        trust_domain: &TrustDomain,
        certificate_pem: &str,
        key_pem: &str,
    ) -> Result<Self, Error> {
        let stored = load(trust_domain, certificate_pem, key_pem)?;
        Ok(Self {
            trust_domain: trust_domain.clone(),
            certificate_pem: stored.certificate_pem,
            issuer: stored.issuer,
            validity: stored.validity,
        })
    }

    /// Makes a new intermediate with a new key, signed by this root.
    pub fn issue_intermediate(&self, now: SystemTime) -> Result<Authority, Error> {
        self.validity.check(now)?;
        let key = new_key()?;
        let validity = Validity::starting(now, CLOCK_SKEW_MAX, INTERMEDIATE_LIFETIME)?
            .clamped_to(self.validity);
        let params = authority_params(
            &self.trust_domain,
            "tradewind mesh intermediate",
            0,
            validity,
        )?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(Error::Build)?;
        Ok(Authority {
            trust_domain: self.trust_domain.clone(),
            certificate_pem: certificate.pem(),
            root_pem: self.certificate_pem.clone(),
            issuer: Issuer::new(params, key),
            validity,
        })
    }

    /// The certificate, which everybody may see.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The key, to be stored where nobody else can read it.
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }
}

// === impl Authority ===

impl Authority {
    /// Loads an intermediate that was stored, and checks that `root` signed it.
    pub fn from_pem(
        root: &RootAuthority,
        certificate_pem: &str,
        key_pem: &str,
    ) -> Result<Self, Error> {
        let stored = load(&root.trust_domain, certificate_pem, key_pem)?;
        check_signed_by(certificate_pem, &root.certificate_pem)?;
        Ok(Self {
            trust_domain: root.trust_domain.clone(),
            certificate_pem: stored.certificate_pem,
            root_pem: root.certificate_pem.clone(),
            issuer: stored.issuer,
            validity: stored.validity,
        })
    }

    /// Issues a leaf for the key in the request, and for nothing else that the request may say.
    ///
    /// `id` is who the caller has proven to be. The leaf ends with the intermediate at the latest.
    pub fn sign(
        &self,
        csr_pem: &str,
        id: &SpiffeId,
        dns_names: &[&str],
        ttl: Duration,
        now: SystemTime,
    ) -> Result<Issued, Error> {
        if *id.trust_domain() != self.trust_domain {
            return Err(Error::ForeignTrustDomain {
                authority: self.trust_domain.to_string(),
                requested: id.trust_domain().to_string(),
            });
        }
        self.validity.check(now)?;
        let public_key = PublicKey::from_csr_pem(csr_pem)?;
        let validity =
            Validity::starting(now, CLOCK_SKEW_MAX.min(ttl), ttl)?.clamped_to(self.validity);
        let serial = random_serial()?;
        let mut params = leaf_params(id, dns_names)?;
        params.not_before = validity.not_before.into();
        params.not_after = validity.not_after.into();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let leaf = params
            .signed_by(&public_key, &self.issuer)
            .map_err(Error::Build)?;
        Ok(Issued {
            chain_pem: vec![
                leaf.pem(),
                self.certificate_pem.clone(),
                self.root_pem.clone(),
            ],
            serial: hexadecimal(&serial),
            not_before: validity.not_before,
            not_after: validity.not_after,
        })
    }

    /// The trust domain that this authority signs for.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// End of the intermediate's validity.
    pub fn not_after(&self) -> SystemTime {
        self.validity.not_after
    }

    /// The intermediate's certificate, which everybody may see.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The roots that leaves of this authority lead to, as PEM.
    pub fn root_bundle_pem(&self) -> &str {
        &self.root_pem
    }

    /// The key, to be stored where nobody else can read it.
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }
}

// === impl Validity ===

impl Validity {
    /// From `back` before `now` to `lifetime` after it, in whole seconds as certificates have them.
    fn starting(now: SystemTime, back: Duration, lifetime: Duration) -> Result<Self, Error> {
        let since_epoch = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_err(|_| Error::TimeOutOfRange)?;
        let second = SystemTime::UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs());
        Ok(Self {
            not_before: second.checked_sub(back).ok_or(Error::TimeOutOfRange)?,
            not_after: second.checked_add(lifetime).ok_or(Error::TimeOutOfRange)?,
        })
    }

    fn clamped_to(self, signer: Self) -> Self {
        Self {
            not_before: self.not_before.max(signer.not_before),
            not_after: self.not_after.min(signer.not_after),
        }
    }

    fn check(self, now: SystemTime) -> Result<(), Error> {
        if self.not_before <= now && now < self.not_after {
            return Ok(());
        }
        Err(Error::SignerNotValid {
            not_before: self.not_before,
            not_after: self.not_after,
        })
    }
}

fn new_key() -> Result<KeyPair, Error> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(Error::Build)
}

fn authority_params(
    trust_domain: &TrustDomain,
    common_name: &str,
    intermediates_below: u8,
    validity: Validity,
) -> Result<CertificateParams, Error> {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, trust_domain.as_str());
    name.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.not_before = validity.not_before.into();
    params.not_after = validity.not_after.into();
    params.serial_number = Some(SerialNumber::from_slice(&random_serial()?));
    params.distinguished_name = name;
    params.subject_alt_names = vec![uri_name(&authority_uri(trust_domain))?];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(intermediates_below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A leaf without a subject: its names are what counts, and that makes them critical.
fn leaf_params(id: &SpiffeId, dns_names: &[&str]) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![uri_name(&id.to_string())?];
    for dns_name in dns_names {
        let name = (*dns_name).try_into().map_err(Error::Build)?;
        params.subject_alt_names.push(SanType::DnsName(name));
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn uri_name(uri: &str) -> Result<SanType, Error> {
    Ok(SanType::URI(uri.try_into().map_err(Error::Build)?))
}

/// SPIFFE's name for an authority: the trust domain without a path.
fn authority_uri(trust_domain: &TrustDomain) -> String {
    format!("spiffe://{trust_domain}")
}

/// Random, positive and always of the same length, so that its text is the same everywhere.
fn random_serial() -> Result<[u8; SERIAL_BYTES], Error> {
    let mut serial = [0; SERIAL_BYTES];
    SystemRandom::new()
        .fill(&mut serial)
        .map_err(|_| Error::NoRandom)?;
    serial[0] = (serial[0] & 0x3f) | 0x40;
    Ok(serial)
}

fn load(trust_domain: &TrustDomain, certificate_pem: &str, key_pem: &str) -> Result<Stored, Error> {
    let unusable = |reason| Error::UnusableAuthority { reason };
    let der = single_certificate(certificate_pem)?;
    let certificate = parse(&der)?;
    let key = KeyPair::from_pkcs8_pem_and_sign_algo(key_pem, &rcgen::PKCS_ECDSA_P256_SHA256)
        .map_err(|_| unusable("its key is not PEM of a P-256 key"))?;
    if key.public_key_raw() != &*certificate.public_key().subject_public_key.data {
        return Err(Error::KeyMismatch);
    }
    if !certificate.is_ca() {
        return Err(unusable("its certificate is not that of an authority"));
    }
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| unusable("its names cannot be read"))?;
    let uri = authority_uri(trust_domain);
    let is_ours = |name: &GeneralName<'_>| matches!(name, GeneralName::URI(name) if *name == uri);
    if !names.is_some_and(|names| names.value.general_names.iter().any(is_ours)) {
        return Err(unusable("it belongs to another trust domain"));
    }
    let validity = Validity {
        not_before: system_time(certificate.validity().not_before.timestamp())?,
        not_after: system_time(certificate.validity().not_after.timestamp())?,
    };
    Ok(Stored {
        // Written anew: whatever else stood in the text, a key perhaps, is not published.
        certificate_pem: certificates_to_pem([&der]),
        issuer: Issuer::from_ca_cert_der(&der, key).map_err(Error::Build)?,
        validity,
    })
}

fn check_signed_by(certificate_pem: &str, root_pem: &str) -> Result<(), Error> {
    let certificate_der = single_certificate(certificate_pem)?;
    let root_der = single_certificate(root_pem)?;
    let root = parse(&root_der)?;
    parse(&certificate_der)?
        .verify_signature(Some(root.public_key()))
        .map_err(|_| Error::UnusableAuthority {
            reason: "the root did not sign the intermediate",
        })
}

fn single_certificate(pem: &str) -> Result<CertificateDer<'static>, Error> {
    let mut certificates = certificates_from_pem(pem)?;
    if certificates.len() > 1 {
        return Err(Error::UnusableAuthority {
            reason: "its file holds more than one certificate",
        });
    }
    Ok(certificates.remove(0))
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    X509Certificate::from_der(der)
        .map(|(_, certificate)| certificate)
        .map_err(|error| Error::UnreadableCertificate {
            reason: error.to_string(),
        })
}

#[cfg(test)]
mod tests;
