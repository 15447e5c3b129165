//! The alphabets: what requests carry, and patterns that meet it or just miss it.

pub(super) const NAMESPACES: &[&str] = &["foo", "foo", "istio-system", "bar"];

/// Identities behind `spiffe://`. The last ones have not the five parts that Istio gives out.
pub(super) const PRINCIPALS: &[&str] = &[
    "cluster.local/ns/foo/sa/sleep",
    "cluster.local/ns/foo/sa/httpbin",
    "cluster.local/ns/bar/sa/sleep",
    "td1/ns/foo/sa/sleep",
    "old-td/ns/foo/sa/sleep",
    "new-td/ns/bar/sa/other",
    "other.td/ns/f.o/sa/sleep-2",
    "cluster.local/ns/foo-bar/sa/a.b",
    "cluster.local/ns/foo/sa/sleep/extra",
    "cluster.local/ns/foo/region/eu/sa/sleep",
    "cluster.local/x/ns/bar/sa/sleep",
    "cluster.local/ns/foo/ns/bar/sa/sleep",
    "ns/foo/sa/sleep",
    "cluster.local",
    "cluster.local/",
    "cluster.local/ns//sa/",
    "",
];

pub(super) const PRINCIPAL_PATTERNS: &[&str] = &[
    "cluster.local/ns/foo/sa/sleep",
    "cluster.local/ns/foo/sa/sleep",
    "cluster.local/ns/foo/sa/httpbin",
    "cluster.local/ns/bar/sa/sleep",
    "td1/ns/foo/sa/sleep",
    "old-td/ns/foo/sa/sleep",
    "*-td/ns/foo/sa/sleep",
    "*/ns/foo/sa/sleep",
    "*/ns/bar/sa/other",
    "*/sa/sleep",
    "*sleep",
    "*p",
    "*.b",
    "cluster.local/ns/foo/*",
    "cluster.local/*",
    "cluster*",
    "td1/ns/*",
    "*",
    "spiffe://cluster.local/ns/foo/sa/sleep",
    "cluster.local/ns/f*o/sa/sleep",
    "new*/ns/bar/sa/other",
    "**",
    "*cal/ns/foo/sa/*",
];

pub(super) const NAMESPACE_PATTERNS: &[&str] = &[
    "foo", "foo", "bar", "f*", "*o", "*", "f.o", "f*o", "f", "foo-bar", "*-*", "foo/sa", "ns",
];

pub(super) const ACCOUNTS: &[&str] = &[
    "sleep",
    "foo/sleep",
    "bar/sleep",
    "httpbin",
    "foo/httpbin",
    "a.b",
    "foo-bar/a.b",
    "sleep-2",
];

pub(super) const TRUST_DOMAINS: &[&str] = &[
    "cluster.local",
    "td1",
    "old-td",
    "*",
    "*-td",
    "cluster*",
    "c*",
    "*.td",
    "t*",
    "other.td",
];

pub(super) const ISSUERS: &[&str] = &["https://i.example/a", "i", "testing@secure.io", ""];

pub(super) const SUBJECTS: &[&str] = &["s", "sub-1", "a/b", ""];

pub(super) const REQUEST_PRINCIPALS: &[&str] = &[
    "*",
    "i/s",
    "https://i.example/a/s",
    "https://i.example/a/sub-1",
    "https://i.example/a/*",
    "*/s",
    "*/sub*",
    "*a/s",
    "*example/a/sub-1",
    "i/*",
    "i/sub*",
    "i*",
    "https*",
    "*s",
    "*-1",
    "testing@secure.io/s",
    "i",
    "/s",
    "i/a/b",
    "*/*",
    "**",
];

pub(super) const TEXTS: &[&str] = &["a", "ab", "abc", "b", "B", "", "a b", "*", "[a]"];

pub(super) const TEXT_PATTERNS: &[&str] = &[
    "a", "ab", "abc", "b", "a*", "*b", "*c", "*", "ab*", "a*c", "**", "*b*", "B", "a b", "[a]",
];

pub(super) const METADATA_PATTERNS: &[&str] = &[
    "a", "ab", "a*", "*b", "*", "[a]", "[a*]", "[*b]", "[*]", "[[b]]", "b",
];

pub(super) const METADATA_KEYS: &[&str] = &[
    "experimental.envoy.filters.a.b[c]",
    "experimental.envoy.filters.a.b[d]",
    "experimental.envoy.filters.x[c][d]",
];

pub(super) const CLAIM_KEYS: &[&str] = &[
    "request.auth.claims[k]",
    "request.auth.claims[k]",
    "request.auth.claims[n][m]",
    "request.auth.claims[n][m][o]",
    "request.auth.claims[scope]",
    "request.auth.claims[groups]",
    "request.auth.claims[iss]",
    "request.auth.claims[n.m]",
];

pub(super) const HEADER_KEYS: &[&str] = &[
    "request.headers[x-a]",
    "request.headers[x-a]",
    "request.headers[X-B]",
    "request.headers[x-b]",
    "request.headers[:method]",
    "request.headers[:authority]",
    "request.headers[host]",
    "request.headers[x-absent]",
];

pub(super) const HEADERS: &[&str] = &["x-a", "x-a", "X-A", "x-b", "x-c"];

pub(super) const HEADER_PATTERNS: &[&str] = &[
    "1",
    "2",
    "1*",
    "*2",
    "*",
    "1,2",
    "1,*",
    "*,1",
    "é",
    "GET",
    "httpbin.foo",
    "a*",
];

pub(super) const HEADER_VALUES: &[&[u8]] = &[
    b"1",
    b"2",
    b"12",
    b"",
    b"1,2",
    b"\xff",
    b"1\xff",
    b"\xff2",
    "é".as_bytes(),
    b"abc",
];

pub(super) const METHODS: &[&str] = &["GET", "GET", "POST", "PUT", "DELETE"];

pub(super) const METHOD_PATTERNS: &[&str] =
    &["GET", "POST", "PUT", "*", "P*", "*T", "get", "G*", "DELETE"];

pub(super) const HOSTS: &[&str] = &[
    "httpbin.foo",
    "httpbin.foo:8080",
    "HTTPBIN.foo",
    "api.example.com",
    "example.com",
    "Example.COM:80",
];

pub(super) const HOST_PATTERNS: &[&str] = &[
    "httpbin.foo",
    "HttpBin.Foo",
    "httpbin.*",
    "*.example.com",
    "*.EXAMPLE.com",
    "*",
    "*:8080",
    "example.com",
    "example.com:*",
    "*.foo",
];

pub(super) const PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/c",
    "/A/b",
    "/a?b",
    "/a/b?x=/a",
    "/pkg.Service/Method",
    "/pkg.Service/Other",
    "/pkg.Service/",
    "/a/b.json",
];

/// Forms that normalisation changes, or that it must leave alone.
pub(super) const ODD_PATHS: &[&str] = &[
    "//",
    "///",
    "/..//",
    "//a",
    "/a//b",
    "/a/./b",
    "/a/../b",
    "/a/b/..",
    "/a/b/.",
    "/../a",
    "/a/b/../../..",
    "/%61",
    "/a%2fb",
    "/a%2Fb",
    "/a%5Cb",
    "/a%5cb",
    "/a\\b",
    "/a/%2e%2e/b",
    "/a/%2E/b",
    "/a%2f%2e%2e%2fb",
    "/a%2f..%2fb",
    "/a%20b",
    "/a%C3%A9",
    "/a%c3%a9",
    "/a%7eb",
    "/a%7Eb",
    "/a%2",
    "/a%",
    "/a%zz",
    "/a;b=c/d",
    "/a=b/c",
    "/a/b//",
    "//a//b//",
    "/a|b",
    "/a\"b",
    "/a^b",
    "/a`b",
    "/a{b}",
    "/a/b?c/../d",
    "/a/b?x=//",
    "/a/..%2f..%2fb",
    "/a/...",
    "/a/.b",
    "/a/b..",
    "/.%2e/a",
    "/a/..;/b",
    "/a%3Fb",
    "/a%23b",
    "/a%25b",
    "/a%2561",
    "/a,b:c@d",
    "/a*b",
    "/a[b]",
    "/a'b",
];

/// What no HTTP client sends, or Envoy refuses before any policy; the engine compares it all the
/// same.
pub(super) const UNSENT_PATHS: &[&str] = &[
    "/a#b",
    "/a?b#c",
    "/é",
    "/a b",
    "/a<b>",
    "",
    "a",
    "/a\u{7f}b",
    "/a\tb",
];

pub(super) const PATH_PATTERNS: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/*",
    "/a*",
    "*/b",
    "*b",
    "*",
    "*.json",
    "/b",
    "/a//b",
    "//a*",
    "/a%2fb",
    "/a%2Fb",
    "/pkg.Service/Method",
    "/pkg.Service/*",
    "*Method",
    "/a?b",
    "/a~b",
    "/a%20b",
    "/a\\b",
    "/a%5Cb",
    "/a*b",
    "/a%C3%A9",
    "/a/%2e%2e/b",
    "/a/../b",
    "/a/b/*/c",
];

pub(super) const TEMPLATES: &[&str] = &[
    "/a/{*}",
    "/{*}",
    "/a/{*}/c",
    "/{*}/b",
    "/a/{**}",
    "/{**}",
    "/{**}/b",
    "/a/{*}/{**}",
    "/pkg.Service/{*}",
    "/{*}/{*}",
    "/a/{*}/",
    "/{**}/",
    "/a,b:c@d/{**}",
    "/a.b/{*}",
    "/pkg.Service/{**}",
];

pub(super) const PORTS: &[&str] = &["8080", "9090", "8080", "80", "0"];

pub(super) const SNIS: &[&str] = &["a.example", "b.example", ""];

pub(super) const SNI_PATTERNS: &[&str] = &["a.example", "*.example", "a*", "*", "A.example"];

pub(super) const IPS: &[&str] = &["127.0.0.1", "127.0.0.2", "127.0.1.1", "127.1.0.3"];

pub(super) const REMOTE_IPS: &[&str] = &["1.2.3.4", "1.2.9.9", "10.0.0.1", "2001:db8::1", "::1"];

pub(super) const BLOCKS: &[&str] = &[
    "127.0.0.1",
    "127.0.0.0/24",
    "127.0.0.0/16",
    "127.0.0.2/31",
    "0.0.0.0/0",
    "1.2.3.4",
    "1.2.0.0/16",
    "1.2.3.4/16",
    "10.0.0.0/8",
    "2001:db8::/32",
    "::/0",
    "::1",
];
