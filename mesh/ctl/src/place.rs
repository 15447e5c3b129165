//! Where one instance of the mesh is: its authority, its root, its tokens and its endpoints, from
//! the command line. Nothing is asked of the network here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_identity::{SpiffeId, TrustDomain};
use mesh_transport::istio_ca::{CaSettings, MESHD_DNS_NAME};

use crate::cli::Place;
use crate::error::Error;

/// The control plane's port for certificates.
const CA_PORT: u16 = 15012;
/// The last byte of the control plane's address in an instance.
const MESHD_HOST: u8 = 2;
/// The last byte of the gateway's address in an instance.
const GATEWAY_HOST: u8 = 10;
/// Who the control plane is.
const MESHD_NAMESPACE: &str = "mesh-system";
const MESHD_ACCOUNT: &str = "meshd";

// === impl Place ===

impl Place {
    /// The identity of a service account in the namespace of this place.
    pub(crate) fn account(&self, account: &str) -> Result<SpiffeId, Error> {
        self.id(&self.namespace, account)
    }

    /// The control plane's identity.
    pub(crate) fn meshd(&self) -> Result<SpiffeId, Error> {
        self.id(MESHD_NAMESPACE, MESHD_ACCOUNT)
    }

    pub(crate) fn trust_domain(&self) -> Result<TrustDomain, Error> {
        self.trust_domain.parse().map_err(|source| Error::Account {
            namespace: self.namespace.clone(),
            account: self.trust_domain.clone(),
            source,
        })
    }

    /// How to ask for a certificate of this identity.
    pub(crate) fn ca_settings(&self, id: &SpiffeId, ttl: Duration) -> Result<CaSettings, Error> {
        let token = format!("tokens/{}.{}", id.namespace(), id.service_account());
        Ok(CaSettings {
            address: self.ca_address()?.to_string(),
            root_file: self.root_file(),
            token_file: self
                .token_file
                .clone()
                .unwrap_or_else(|| self.run_dir.join(token)),
            id: id.clone(),
            ttl,
            meshd_id: self.meshd()?,
            server_name: MESHD_DNS_NAME.to_owned(),
        })
    }

    /// The authority: given, or that of the instance which the run folder is named after.
    pub(crate) fn ca_address(&self) -> Result<SocketAddr, Error> {
        match self.ca_address {
            Some(address) => Ok(address),
            None => Ok(SocketAddr::new(self.address_of(MESHD_HOST)?, CA_PORT)),
        }
    }

    /// Where the gateway is, when this is an instance of the address plan.
    pub(crate) fn gateway_address(&self) -> Option<IpAddr> {
        self.address_of(GATEWAY_HOST).ok()
    }

    pub(crate) fn root_file(&self) -> PathBuf {
        self.ca_root
            .clone()
            .unwrap_or_else(|| self.run_dir.join("mesh/root-cert.pem"))
    }

    pub(crate) fn endpoints_file(&self) -> PathBuf {
        self.endpoints
            .clone()
            .unwrap_or_else(|| self.run_dir.join("endpoints.yaml"))
    }

    fn address_of(&self, host: u8) -> Result<IpAddr, Error> {
        let number = instance_number(&self.run_dir).ok_or_else(|| {
            Error::Usage(format!(
                "the run folder \"{}\" is not named after an instance, like .local/run/0: \
                 give --ca-address",
                self.run_dir.display()
            ))
        })?;
        Ok(Ipv4Addr::new(127, 77, number, host).into())
    }

    fn id(&self, namespace: &str, account: &str) -> Result<SpiffeId, Error> {
        SpiffeId::new(self.trust_domain()?, namespace, account).map_err(|source| Error::Account {
            namespace: namespace.to_owned(),
            account: account.to_owned(),
            source,
        })
    }
}

fn instance_number(run_dir: &Path) -> Option<u8> {
    run_dir.file_name()?.to_str()?.parse().ok()
}
