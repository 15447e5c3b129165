//! Counter-examples that were found and made small, one file each: policies, settings, workload and
//! requests as the command line reads them, and what must come of each request.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mesh_api::{Loaded, Workload, mesh_settings_from_text};
use serde_json::Value;

use crate::case::{Case, Http, Request};
use crate::{differential, keep, naive};

#[test]
fn what_once_went_wrong_stays_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/counter-examples");
    let mut read = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let kept: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let case = case(&file, &kept);
        let expected = kept["expected"].as_array().unwrap();
        assert_eq!(expected.len(), case.requests.len(), "{}", file.display());
        for (request, expected) in case.requests.iter().zip(expected) {
            let found = naive::decide(&case, request);
            assert_eq!(
                found.decision,
                expected,
                "{} {}",
                file.display(),
                request.to_json()
            );
        }
        differential::check(&case);
        read += 1;
    }
    assert!(read >= 10, "the folder is whole");
}

#[test]
fn a_case_that_is_kept_is_read_as_it_was() {
    for seed in 0..200 {
        let shape = crate::generate::Shape {
            live: false,
            requests: 3,
        };
        let made = crate::generate::case(seed, shape);
        let read = case(Path::new("kept.json"), &keep::to_json(&made));
        assert_eq!(read.requests, made.requests);
        assert_eq!(
            read.settings.trust_domain_aliases,
            made.settings.trust_domain_aliases
        );
        for request in &made.requests {
            assert_eq!(
                naive::decide(&read, request),
                naive::decide(&made, request),
                "seed {seed}"
            );
        }
    }
}

/// Reads a case through the loader that reads a user's files.
fn case(file: &Path, kept: &Value) -> Case {
    let documents: Vec<String> = kept["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    let loaded = Loaded::from_text(file, &documents.join("\n---\n"));
    assert!(
        loaded.problems.is_empty(),
        "{}: {:?}",
        file.display(),
        loaded.problems
    );
    let workload = &kept["workload"];
    let text = |name: &str| workload[name].as_str().unwrap_or_default().to_owned();
    let labels = workload["labels"].as_object().unwrap().iter();
    Case {
        set: loaded.policies,
        workload: Workload {
            namespace: text("namespace"),
            service_account: text("serviceAccount"),
            labels: labels
                .map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned()))
                .collect(),
            trust_domain: text("trustDomain"),
        },
        settings: mesh_settings_from_text(file, &kept["meshConfig"].to_string()).unwrap(),
        requests: kept["requests"]
            .as_array()
            .unwrap()
            .iter()
            .map(request)
            .collect(),
    }
}

fn request(json: &Value) -> Request {
    let source = &json["source"];
    let destination = &json["destination"];
    let ip = |value: &Value| value.as_str().unwrap().parse().unwrap();
    Request {
        principal: source["principal"].as_str().map(str::to_owned),
        ip: ip(&source["ip"]),
        remote_ip: source.get("remoteIp").map(ip),
        destination_ip: ip(&destination["ip"]),
        port: destination["port"].as_u64().unwrap().try_into().unwrap(),
        sni: json["sni"].as_str().unwrap().to_owned(),
        http: json.get("http").map(http),
        jwt: json.get("jwt").map(|jwt| jwt.as_object().unwrap().clone()),
        metadata: json["metadata"].as_object().cloned().unwrap_or_default(),
    }
}

fn http(json: &Value) -> Http {
    let headers = json["headers"].as_array().unwrap().iter().map(|header| {
        let value = match &header[1] {
            Value::String(text) => text.clone().into_bytes(),
            opaque => STANDARD.decode(opaque["base64"].as_str().unwrap()).unwrap(),
        };
        (header[0].as_str().unwrap().to_owned(), value)
    });
    Http {
        method: json["method"].as_str().unwrap().to_owned(),
        host: json["host"].as_str().map(str::to_owned),
        path: json["path"].as_str().unwrap().to_owned(),
        headers: headers.collect(),
    }
}
