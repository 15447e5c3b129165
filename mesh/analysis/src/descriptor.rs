//! The methods that workloads offer, from a protobuf FileDescriptorSet: gRPC paths, and the HTTP
//! routes that `google.api.http` gives them.

use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;

/// Services that every gRPC server may have besides its own, and whose descriptors nobody ships.
const COMMON: [&str; 5] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Every path that can be called, and with which HTTP method.
#[derive(Clone, Debug, Default)]
pub struct Descriptors {
    routes: Vec<Route>,
    rpcs: Vec<String>,
}

/// A descriptor set that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read \"{}\"", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no FileDescriptorSet.
    #[error("\"{}\" is no FileDescriptorSet", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: prost::DecodeError,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) method: String,
    /// The path, with `*` where it has a variable.
    pub(crate) path: String,
}

// Of descriptor.proto and google/api/http.proto only what is read here: the generated types leave
// extensions out, and `google.api.http` is one.

#[derive(Clone, PartialEq, Message)]
struct FileSet {
    #[prost(message, repeated, tag = "1")]
    file: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "6")]
    service: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    method: Vec<Method>,
}

#[derive(Clone, PartialEq, Message)]
struct Method {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "4")]
    options: Option<MethodOptions>,
}

#[derive(Clone, PartialEq, Message)]
struct MethodOptions {
    /// The extension `google.api.http`.
    #[prost(message, optional, tag = "72295728")]
    http: Option<HttpRule>,
}

#[derive(Clone, PartialEq, Message)]
struct HttpRule {
    #[prost(string, tag = "2")]
    get: String,
    #[prost(string, tag = "3")]
    put: String,
    #[prost(string, tag = "4")]
    post: String,
    #[prost(string, tag = "5")]
    delete: String,
    #[prost(string, tag = "6")]
    patch: String,
    #[prost(message, repeated, tag = "11")]
    additional_bindings: Vec<HttpRule>,
}

// === impl Descriptors ===

impl Descriptors {
    /// Reads a FileDescriptorSet, such as `protoc --descriptor_set_out` writes.
    ///
    /// # Errors
    /// The file is not there or is something else.
    pub fn from_path(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let set = FileSet::decode(bytes.as_slice()).map_err(|source| Error::Decode {
            path: path.to_owned(),
            source,
        })?;
        let mut methods = Vec::new();
        let mut routes = Vec::new();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    let dot = if file.package.is_empty() { "" } else { "." };
                    let (package, name) = (&file.package, &method.name);
                    methods.push(format!("/{package}{dot}{}/{name}", service.name));
                    let options = method.options.as_ref();
                    if let Some(rule) = options.and_then(|options| options.http.as_ref()) {
                        http_routes(rule, &mut routes);
                    }
                }
            }
        }
        let mut descriptors = Self::of_methods(methods);
        descriptors.routes.extend(routes);
        Ok(descriptors)
    }

    /// The gRPC methods of these paths, such as `/demo.v1.Greeter/Greet`, and those that every server
    /// may have.
    pub fn of_methods(paths: impl IntoIterator<Item = String>) -> Self {
        let rpcs: Vec<String> = paths.into_iter().collect();
        let common = COMMON.into_iter().map(str::to_owned);
        let routes = rpcs.iter().cloned().chain(common).map(|path| Route {
            method: "POST".to_owned(),
            path,
        });
        Self {
            routes: routes.collect(),
            rpcs,
        }
    }

    /// The paths of the gRPC methods that the descriptors tell of, in their order.
    #[must_use]
    pub fn rpcs(&self) -> &[String] {
        &self.rpcs
    }

    /// Adds the methods of others.
    pub fn extend(&mut self, others: Self) {
        self.routes.extend(others.routes);
    }

    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes
    }
}

// === impl Route ===

impl Route {
    /// Whether a value of `paths` can match a path of this route. "No" is certain.
    pub(crate) fn can_match(&self, value: &str) -> bool {
        let is_template = value.contains("{*}") || value.contains("{**}");
        let glob = match is_template {
            true => value.replace("{**}", "*").replace("{*}", "*"),
            false => value.to_owned(),
        };
        // Of a value that is no template only a star at one end is a wildcard.
        let glob: Vec<char> = glob.chars().collect();
        let route: Vec<char> = self.path.chars().collect();
        intersects(&glob, &route)
    }
}

// === helpers ===

fn http_routes(rule: &HttpRule, routes: &mut Vec<Route>) {
    let bound = [
        ("GET", &rule.get),
        ("PUT", &rule.put),
        ("POST", &rule.post),
        ("DELETE", &rule.delete),
        ("PATCH", &rule.patch),
    ];
    for (method, template) in bound {
        if !template.is_empty() {
            routes.push(Route {
                method: method.to_owned(),
                path: without_variables(template),
            });
        }
    }
    for binding in &rule.additional_bindings {
        http_routes(binding, routes);
    }
}

/// `/v1/orders/{order_id}:cancel` as `/v1/orders/*:cancel`.
fn without_variables(template: &str) -> String {
    let mut path = String::new();
    let mut depth = 0_usize;
    for letter in template.chars() {
        match letter {
            '{' => {
                if depth == 0 {
                    path.push('*');
                }
                depth += 1;
            }
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => path.push(letter),
            _ => {}
        }
    }
    path
}

/// Whether some text is matched by both globs.
fn intersects(left: &[char], right: &[char]) -> bool {
    // reachable[j]: the first i letters of `left` and the first j of `right` can match one text.
    let mut reachable = vec![false; right.len() + 1];
    reachable[0] = true;
    for j in 0..right.len() {
        reachable[j + 1] = reachable[j] && right[j] == '*';
    }
    for letter in left {
        let mut next = vec![false; right.len() + 1];
        next[0] = reachable[0] && *letter == '*';
        for j in 0..right.len() {
            let both = reachable[j] && (*letter == '*' || right[j] == '*' || *letter == right[j]);
            // A star takes nothing, or goes on.
            let left_star = *letter == '*' && (reachable[j + 1] || next[j]);
            let right_star = right[j] == '*' && (next[j] || reachable[j + 1]);
            next[j + 1] = both || left_star || right_star;
        }
        reachable = next;
    }
    reachable[right.len()]
}

#[cfg(test)]
mod tests;
