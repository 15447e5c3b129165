#![allow(clippy::unwrap_used)]

use super::Recorded;

const FULL: &str = r#"{"protocol":"http",
"source":{"principal":"cluster.local/ns/foo/sa/sleep","ip":"10.0.0.1","remoteIp":"1.2.3.4"},
"destination":{"ip":"10.0.0.2","port":8080},"sni":"","http":
{"method":"GET","host":"httpbin.foo","path":"/a?b","headers":[["x-a","1"],["x-a","2"],
["x-b",{"base64":"/w=="}],["x-\u00e4","\u00e4"]]},
"jwt":{"iss":"i","sub":"s","aud":["a"],"azp":"p","claims":{"k":["v"],"iss":"other"}},
"metadata":{"envoy.filters.a.b":{"c":"v"}}}"#;

#[test]
fn every_member_is_read() {
    let recorded = Recorded::read(FULL.as_bytes()).unwrap();
    let request = recorded.request();
    assert_eq!(
        request.source.principal,
        Some("cluster.local/ns/foo/sa/sleep")
    );
    assert_eq!(request.source.remote_ip, Some("1.2.3.4".parse().unwrap()));
    assert_eq!(request.destination.port, 8080);
    let http = request.http.unwrap();
    assert_eq!(
        (http.method, http.host, http.path),
        ("GET", Some("httpbin.foo"), "/a?b")
    );
    let mut headers = Vec::new();
    http.headers
        .visit(&mut |name, value| headers.push((name.to_owned(), value.to_vec())));
    assert_eq!(headers[1], ("x-a".to_owned(), b"2".to_vec()));
    assert_eq!(headers[2], ("x-b".to_owned(), vec![0xff]));
    assert_eq!(
        headers[3],
        ("x-\u{e4}".to_owned(), "\u{e4}".as_bytes().to_vec())
    );
    let claims = request.jwt.unwrap().claims.unwrap();
    assert_eq!(
        (&claims["iss"], &claims["k"][0]),
        (&"i".into(), &"v".into())
    );
    assert!(request.metadata.unwrap().contains_key("envoy.filters.a.b"));
}

#[test]
fn what_may_be_absent_may_be_absent() {
    let text =
        r#"{"protocol":"tcp","source":{"ip":"10.0.0.1"},"destination":{"ip":"::1","port":1}}"#;
    let recorded = Recorded::read(text.as_bytes()).unwrap();
    let request = recorded.request();
    assert!(request.source.principal.is_none() && request.source.remote_ip.is_none());
    assert!(request.http.is_none() && request.jwt.is_none() && request.sni.is_empty());
    let text = r#"{"protocol":"http","source":{"ip":"10.0.0.1"},"destination":{"ip":"::1","port":1},
"http":{"method":"","path":""},"jwt":{}}"#;
    let recorded = Recorded::read(text.as_bytes()).unwrap();
    assert!(recorded.request().http.unwrap().host.is_none());
    assert!(recorded.request().jwt.unwrap().claims.unwrap().is_empty());
}

#[test]
fn what_is_no_request_is_told() {
    for (text, message) in [
        ("{", "EOF"),
        ("[]", "invalid"),
        (r#"{"protocol":"udp"}"#, "unknown variant `udp`"),
        (
            r#"{"protocol":"tcp","source":{"ip":"10.0.0.1"}}"#,
            "missing field `destination`",
        ),
        (r#"{"protocol":"tcp","source":{"ip":"x"}}"#, "invalid IP"),
        (
            r#"{"protocol":"tcp","source":{"ip":"::1","principle":"a"}}"#,
            "unknown field `principle`",
        ),
        (
            r#"{"protocol":"tcp","source":{"ip":"::1"},"destination":{"ip":"::1","port":65536}}"#,
            "65536",
        ),
        (
            r#"{"protocol":"http","source":{"ip":"::1"},"destination":{"ip":"::1","port":1}}"#,
            "needs the member http",
        ),
        (
            r#"{"protocol":"tcp","source":{"ip":"::1"},"destination":{"ip":"::1","port":1},
"jwt":{}}"#,
            "neither http nor jwt",
        ),
        (
            r#"{"protocol":"http","source":{"ip":"::1"},"destination":{"ip":"::1","port":1},
"http":{"method":"","path":"","headers":[["a",{"base64":"*"}]]}}"#,
            "no base64",
        ),
        (
            r#"{"protocol":"http","source":{"ip":"::1"},"destination":{"ip":"::1","port":1},
"http":{"method":"","path":"","headers":[["a",{"hex":"00"}]]}}"#,
            "unknown field `hex`",
        ),
    ] {
        let error = Recorded::read(text.as_bytes()).map(|_| ()).unwrap_err();
        assert!(error.contains(message), "{text}: {error}");
    }
}
