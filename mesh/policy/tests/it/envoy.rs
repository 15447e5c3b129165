//! A live Envoy beside the engine: random policies as RBAC filters, random requests over real
//! mutual TLS. What Envoy refuses before any policy is counted, not compared.

mod client;
mod compare;
mod config;
mod identities;
mod matchers;
mod translate;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mesh_api::Action;

use crate::case::Case;
use crate::engine::Compiled;
use crate::generate::{self, Random, Shape};
use crate::keep;
use client::{Connection, Route};
use compare::Asked;
use identities::Identities;
use translate::Custom;

/// Asked of Envoy in every run; the first seeds are the same each time.
const REQUESTS: usize = 20_000;

/// Asked when `TRADEWIND_SOAK_SECONDS` is set.
const SOAK_REQUESTS: usize = 200_000;

/// Cases that one Envoy holds at a time: its configuration stays below some ten megabytes.
const BATCH: usize = 250;

/// Requests of a case.
const REQUESTS_OF_A_CASE: usize = 40;

/// Identities, addresses and names that the requests of a batch share, so that a connection serves
/// many of them.
const PROFILES: usize = 48;

/// The network of the alphabet, which each instance replaces by its own.
const NETWORK: &str = "127.77.22.";

/// Reading ten megabytes of rules takes a busy machine some seconds.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Between two looks whether Envoy listens.
const POLL: Duration = Duration::from_millis(20);

/// Clients side by side: more than the machine has cores, since each waits for Envoy.
const CLIENTS: usize = 4;

struct Envoy {
    process: Child,
    folder: tempfile::TempDir,
}

/// What came of a batch.
#[derive(Default)]
struct Tally {
    asked: AtomicUsize,
    refused: AtomicUsize,
    allowed: AtomicUsize,
    custom: AtomicUsize,
    disagreements: Mutex<Vec<String>>,
}

#[test]
fn envoy_decides_every_request_as_the_engine_does() {
    let wanted = match std::env::var_os("TRADEWIND_SOAK_SECONDS") {
        Some(_) => SOAK_REQUESTS,
        None => REQUESTS,
    };
    let seed: u64 = match std::env::var("POLICY_SEED") {
        Ok(seed) => seed.parse().expect("POLICY_SEED is a number"),
        Err(_) => 1,
    };
    let tally = Tally::default();
    let mut first = seed;
    while tally.asked.load(Ordering::Relaxed) < wanted {
        run_batch(first, &tally);
        first += u64::try_from(BATCH).expect("a small number");
    }

    let disagreements = tally
        .disagreements
        .into_inner()
        .expect("no client panicked");
    let asked = tally.asked.into_inner();
    let refused = tally.refused.into_inner();
    println!(
        "{asked} requests, of which Envoy let {} pass, asked a provider for {}, and refused \
         {refused} for their form",
        tally.allowed.into_inner(),
        tally.custom.into_inner(),
    );
    assert!(
        disagreements.is_empty(),
        "{} of {asked} requests differ:\n{}",
        disagreements.len(),
        disagreements
            .iter()
            .take(20)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n"),
    );
    assert!(
        refused * 10 < asked,
        "too many requests do not reach a policy: {refused} of {asked}"
    );
}

fn run_batch(first: u64, tally: &Tally) {
    let instance = std::env::var("TRADEWIND_INSTANCE")
        .expect("TRADEWIND_INSTANCE must name an instance of the address plan; make test sets it");
    let network = format!("127.77.{instance}.");
    let endpoints: Vec<(String, u16)> = ["100", "101"]
        .iter()
        .flat_map(|host| [8080, 9090].map(|port| (format!("{network}{host}"), port)))
        .collect();
    let cases = cases(first, &network, &endpoints);
    let asked: Vec<Asked> = cases
        .iter()
        .map(|case| Asked {
            case: case.clone(),
            engine: Compiled::of(case),
        })
        .collect();
    let mut identities = Identities::new();
    let addresses: Vec<IpAddr> = endpoints
        .iter()
        .map(|(address, _)| address.parse().expect("an address"))
        .collect();
    let tls = identities.server(&["a.example", "b.example"], &addresses);
    let envoy = Envoy::start(&cases, &endpoints, &tls);

    // Requests by connection, connections by turns.
    let mut groups: BTreeMap<Route, Vec<(usize, usize)>> = BTreeMap::new();
    for (number, case) in cases.iter().enumerate() {
        for (index, request) in case.requests.iter().enumerate() {
            if request.http.is_some() {
                let alpn = config::http_alpn(case.settings.path_normalization).to_owned();
                groups
                    .entry(route(request, alpn))
                    .or_default()
                    .push((number, index));
                continue;
            }
            let asks = case
                .set
                .authorization_policies
                .iter()
                .any(|policy| matches!(policy.action, Action::Custom { .. }));
            for custom in [Custom::Marks, Custom::Denies] {
                if custom == Custom::Marks || asks {
                    let alpn = config::tcp_alpn(number, custom);
                    groups
                        .entry(route(request, alpn))
                        .or_default()
                        .push((number, index));
                }
            }
        }
    }
    let work: Vec<_> = groups
        .into_iter()
        .map(|(route, jobs)| {
            let config = identities.client(route.principal.as_deref(), &route.alpn);
            (route, config, jobs)
        })
        .collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while let Some((route, config, jobs)) =
                    work.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let done = if route.alpn.starts_with("tcp") {
                        ask_tcp(route, config, jobs, &asked, tally)
                    } else {
                        ask_http(route, config, jobs, &asked, tally)
                    };
                    done.unwrap_or_else(|error| panic!("{route:?}: {error}\n{}", envoy.log()));
                }
            });
        }
    });
}

fn route(request: &crate::case::Request, alpn: String) -> Route {
    Route {
        principal: request.principal.clone(),
        from: request.ip,
        to: SocketAddr::new(request.destination_ip, request.port),
        sni: request.sni.clone(),
        alpn,
    }
}

/// The cases of a batch, in the network of this instance, with connections that many requests
/// share.
fn cases(first: u64, network: &str, endpoints: &[(String, u16)]) -> Vec<Case> {
    let random = &mut Random::new(first);
    let shape = Shape {
        live: true,
        requests: REQUESTS_OF_A_CASE,
    };
    let profiles: Vec<_> = (0..PROFILES)
        .map(|_| generate::request(random, shape))
        .collect();
    (0..BATCH)
        .map(|number| {
            let seed = first + u64::try_from(number).expect("a small number");
            let mut case = generate::case(seed, shape);
            case.set.request_authentications.clear(); // the filter chains share one jwt_authn
            for policy in &mut case.set.authorization_policies {
                for condition in policy.rules.iter_mut().flat_map(|rule| &mut rule.when) {
                    for value in condition.values.iter_mut().chain(&mut condition.not_values) {
                        *value = value.replace(NETWORK, network);
                    }
                }
            }
            for request in &mut case.requests {
                let profile = random.pick(&profiles);
                request.principal.clone_from(&profile.principal);
                request.ip = profile.ip;
                request.sni.clone_from(&profile.sni);
                let turn = match request.http {
                    Some(_) => random.below(endpoints.len()),
                    None => number % endpoints.len(),
                };
                let (address, port) = &endpoints[turn];
                request.destination_ip = address.parse().expect("an address");
                request.port = *port;
            }
            case
        })
        .collect()
}

fn ask_http(
    route: &Route,
    config: &std::sync::Arc<rustls::ClientConfig>,
    jobs: &[(usize, usize)],
    cases: &[Asked],
    tally: &Tally,
) -> io::Result<()> {
    let mut connection = Connection::open(route, config)?;
    for &(number, index) in jobs {
        let asked = &cases[number];
        let request = &asked.case.requests[index];
        let answer = connection.ask(number, request)?;
        tally.asked.fetch_add(1, Ordering::Relaxed);
        if answer.status == 400 {
            tally.refused.fetch_add(1, Ordering::Relaxed);
            connection = Connection::open(route, config)?;
            continue;
        }
        if answer.status == 200 {
            tally.allowed.fetch_add(1, Ordering::Relaxed);
        }
        match compare::http(asked, request, &answer) {
            Ok(custom) => {
                tally
                    .custom
                    .fetch_add(usize::from(custom), Ordering::Relaxed);
            }
            Err(difference) => tally.differs(&asked.case, request, &difference),
        }
    }
    Ok(())
}

fn ask_tcp(
    route: &Route,
    config: &std::sync::Arc<rustls::ClientConfig>,
    jobs: &[(usize, usize)],
    cases: &[Asked],
    tally: &Tally,
) -> io::Result<()> {
    let custom = if route.alpn.ends_with("-custom") {
        Custom::Denies
    } else {
        Custom::Marks
    };
    for &(number, index) in jobs {
        let asked = &cases[number];
        let request = &asked.case.requests[index];
        let passes = client::passes(route, config)?;
        tally.asked.fetch_add(1, Ordering::Relaxed);
        tally
            .allowed
            .fetch_add(usize::from(passes), Ordering::Relaxed);
        if let Err(difference) = compare::tcp(asked, request, custom, passes) {
            tally.differs(&asked.case, request, &difference);
        }
    }
    Ok(())
}

// === impl Tally ===

impl Tally {
    fn differs(&self, case: &Case, request: &crate::case::Request, difference: &str) {
        let alone = Case {
            requests: vec![request.clone()],
            ..case.clone()
        };
        let told = format!("{difference}\n  {}", keep::to_json(&alone));
        self.disagreements
            .lock()
            .expect("no client panicked")
            .push(told);
    }
}

// === impl Envoy ===

impl Envoy {
    fn start(cases: &[Case], endpoints: &[(String, u16)], tls: &identities::ServerTls) -> Self {
        let root = PathBuf::from(std::env::var_os("TRADEWIND_ROOT").expect(
            "TRADEWIND_ROOT must name a checkout that has fetched Envoy; make test sets it",
        ));
        let folder = tempfile::tempdir().expect("a temporary folder");
        config::write(folder.path(), cases, endpoints, tls);
        let log = std::fs::File::create(folder.path().join("log")).expect("a free disk");
        let process = Command::new(root.join(".local/envoy/envoy/_bin/envoy"))
            .arg("--config-path")
            .arg(folder.path().join("bootstrap.json"))
            .args([
                "--disable-hot-restart",
                "--concurrency",
                "1",
                "--log-level",
                "warning",
            ])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Envoy was fetched");
        let mut envoy = Envoy { process, folder };
        let deadline = Instant::now() + START_TIMEOUT;
        for (address, port) in endpoints {
            let address = SocketAddr::new(address.parse().expect("an address"), *port);
            while TcpStream::connect(address).is_err() {
                let ended = envoy.process.try_wait().expect("our own child");
                assert!(
                    ended.is_none(),
                    "Envoy ended with {ended:?}:\n{}",
                    envoy.log()
                );
                assert!(
                    Instant::now() < deadline,
                    "Envoy does not listen:\n{}",
                    envoy.log()
                );
                thread::sleep(POLL);
            }
        }
        envoy
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines()
            .rev()
            .take(20)
            .map(|line| line.chars().take(2000).collect::<String>() + "\n")
            .collect()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
