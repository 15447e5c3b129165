//! Random requests.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Map, Value, json};

use super::{Random, Shape, words};
use crate::case::{Http, Request};

/// A request; what is `live` can be sent to Envoy over real sockets and arrives as it was meant.
pub(crate) fn request(random: &mut Random, shape: Shape) -> Request {
    let http = random.chance(80).then(|| http(random, shape));
    let jwt = (http.is_some() && random.chance(60)).then(|| jwt(random));
    let with_remote = random.chance(30) && (http.is_some() || !shape.live);
    Request {
        principal: random
            .chance(85)
            .then(|| random.pick(words::PRINCIPALS).to_string()),
        ip: address(random, words::IPS),
        remote_ip: with_remote.then(|| address(random, words::REMOTE_IPS)),
        destination_ip: IpAddr::V4(Ipv4Addr::new(127, 77, 22, *random.pick(&[100, 101]))),
        port: *random.pick(&[8080, 9090]),
        sni: random.pick(words::SNIS).to_string(),
        metadata: if http.is_none() && shape.live {
            Map::new()
        } else {
            metadata(random)
        },
        http,
        jwt,
    }
}

fn address(random: &mut Random, from: &[&str]) -> IpAddr {
    random
        .pick(from)
        .parse()
        .expect("the alphabet has addresses")
}

fn http(random: &mut Random, shape: Shape) -> Http {
    let mut path = match random.below(100) {
        0..60 => random.pick(words::PATHS).to_string(),
        60..95 => random.pick(words::ODD_PATHS).to_string(),
        _ if shape.live => random.pick(words::ODD_PATHS).to_string(),
        _ => random.pick(words::UNSENT_PATHS).to_string(),
    };
    // Glued together they make forms that nobody thought of.
    if random.chance(20) && path.starts_with('/') {
        path = format!(
            "{}{path}",
            random
                .pick(words::ODD_PATHS)
                .split('?')
                .next()
                .unwrap_or("/")
        );
    }
    let with_host = shape.live || random.chance(95);
    Http {
        method: random.pick(words::METHODS).to_string(),
        host: with_host.then(|| random.pick(words::HOSTS).to_string()),
        path,
        headers: (0..random.below(4))
            .map(|_| {
                let name = random.pick(words::HEADERS).to_string();
                (name, random.pick(words::HEADER_VALUES).to_vec())
            })
            .collect(),
    }
}

fn jwt(random: &mut Random) -> Map<String, Value> {
    let mut jwt = Map::new();
    if random.chance(90) {
        jwt.insert("iss".to_owned(), json!(random.pick(words::ISSUERS)));
    }
    if random.chance(90) {
        jwt.insert("sub".to_owned(), json!(random.pick(words::SUBJECTS)));
    }
    if random.chance(50) {
        let audiences = random.some(2, words::TEXTS);
        let single = random.chance(30);
        let aud = if single {
            json!(audiences[0])
        } else {
            json!(audiences)
        };
        jwt.insert("aud".to_owned(), aud);
    }
    if random.chance(50) {
        jwt.insert("azp".to_owned(), json!(random.pick(words::TEXTS)));
    }
    if random.chance(85) {
        let mut claims = Map::new();
        for name in ["k", "scope", "groups", "n.m"] {
            if random.chance(50) {
                claims.insert(name.to_owned(), value(random));
            }
        }
        if random.chance(50) {
            let inner = if random.chance(40) {
                json!({"o": value(random)})
            } else {
                value(random)
            };
            claims.insert("n".to_owned(), json!({"m": inner}));
        }
        jwt.insert("claims".to_owned(), Value::Object(claims));
    }
    jwt
}

/// Mostly strings and lists of them; now and then what no string pattern can match.
fn value(random: &mut Random) -> Value {
    match random.below(12) {
        0..5 => json!(random.pick(words::TEXTS)),
        5..9 => json!(random.some(3, words::TEXTS)),
        9 => random
            .pick(&[json!(1), json!(true), Value::Null, json!([]), json!({})])
            .clone(),
        10 => json!([1, random.pick(words::TEXTS), null]),
        _ => json!([[random.pick(words::TEXTS)], {"a": "a"}]),
    }
}

fn metadata(random: &mut Random) -> Map<String, Value> {
    let mut metadata = Map::new();
    if random.chance(40) {
        let mut filter = Map::new();
        for name in ["c", "d"] {
            if random.chance(60) {
                filter.insert(name.to_owned(), value(random));
            }
        }
        metadata.insert("envoy.filters.a.b".to_owned(), Value::Object(filter));
    }
    if random.chance(10) {
        metadata.insert("envoy.filters.x".to_owned(), json!({"c][d": value(random)}));
    }
    metadata
}
