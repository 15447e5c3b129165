//! The decisions of every identity and every RPC, by the engine that decides requests.

use std::net::{IpAddr, Ipv4Addr};

use mesh_api::MtlsMode;
use mesh_policy::{
    Destination, Engine, Http, PeerModes, PolicyName, PortMode, Request, Source, compile,
};

use super::bounds;
use crate::authz::answer::word;
use crate::authz::ask::{Home, RPC_PORT};
use crate::authz::target::{Callee, World};

/// No cell depends on it: one that would is marked.
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A workload's table.
pub(super) struct Matrix {
    pub(super) callee: String,
    pub(super) port: u16,
    pub(super) mode: PortMode,
    /// None is a call without an identity.
    pub(super) identities: Vec<Option<String>>,
    pub(super) rows: Vec<Row>,
}

pub(super) struct Row {
    /// `/package.Service/Method`
    pub(super) path: String,
    /// As many as there are identities.
    pub(super) cells: Vec<Cell>,
}

pub(super) struct Cell {
    pub(super) decision: &'static str,
    /// A token, a header, a host or an address can change the decision.
    pub(super) depends: bool,
    /// What decided.
    pub(super) policy: Option<PolicyName>,
    pub(super) rule: Option<usize>,
}

/// The policies as they are, and at both ends of what a table cannot know.
struct Engines {
    actual: Engine,
    loosest: Engine,
    strictest: Engine,
}

// === impl Matrix ===

impl Matrix {
    pub(super) fn new(
        world: &World,
        callee: &Callee,
        home: &Home<'_>,
        rpcs: &[String],
        identities: Vec<String>,
    ) -> Self {
        let (policies, settings, workload) = (&world.policies, &world.settings, &callee.workload);
        let engines = Engines {
            actual: compile(policies, workload, settings),
            loosest: compile(&bounds::loosest(policies), workload, settings),
            strictest: compile(&bounds::strictest(policies), workload, settings),
        };
        let port = home.port.unwrap_or(RPC_PORT);
        let modes = PeerModes::merge(&policies.peer_authentications, workload, settings);
        let mode = modes.of_port(port).clone();
        let identities: Vec<Option<String>> = [None]
            .into_iter()
            .chain(identities.into_iter().map(Some))
            .collect();
        let row = |path: &String| Row {
            path: path.clone(),
            cells: identities
                .iter()
                .map(|identity| engines.cell(&mode, identity.as_deref(), path, port))
                .collect(),
        };
        Self {
            callee: callee.name.clone(),
            port,
            rows: rpcs.iter().map(row).collect(),
            mode,
            identities,
        }
    }
}

// === impl Engines ===

impl Engines {
    fn cell(&self, mode: &PortMode, identity: Option<&str>, path: &str, port: u16) -> Cell {
        let principal = match (mode.mode, identity) {
            (MtlsMode::Strict, None) => return Cell::of_handshake(mode),
            // In plain text nobody has an identity.
            (MtlsMode::Disable, _) => None,
            (_, identity) => identity,
        };
        let headers: [(&str, &str); 0] = [];
        let request = Request {
            source: Source {
                principal,
                ip: SOMEWHERE,
                remote_ip: None,
            },
            destination: Destination {
                ip: SOMEWHERE,
                port,
            },
            sni: "",
            http: Some(Http {
                method: "POST",
                host: None,
                path,
                headers: &headers,
            }),
            jwt: None,
            metadata: None,
        };
        let decision = self.actual.decide(&request);
        let best = self.loosest.decide(&request).verdict;
        let worst = self.strictest.decide(&request).verdict;
        let by = decision.by;
        Cell {
            decision: word(&decision),
            depends: best != worst,
            policy: by.map(|matched| matched.policy.clone()),
            rule: by.map(|matched| matched.rule),
        }
    }
}

// === impl Cell ===

impl Cell {
    /// Refused before any policy is asked.
    fn of_handshake(mode: &PortMode) -> Self {
        let mut reasons = mode.reasons.iter().rev();
        let said = reasons.find(|reason| reason.mode != MtlsMode::Unset);
        Self {
            decision: "DENY",
            depends: false,
            policy: said.and_then(|reason| reason.policy.clone()),
            rule: None,
        }
    }
}
