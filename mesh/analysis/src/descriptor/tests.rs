use super::{Route, without_variables};

#[test]
fn a_value_matches_the_routes_that_it_can() {
    let cases = [
        ("/a.B/C", "/a.B/C", true),
        ("/a.B/C", "/a.B/D", false),
        ("/a.B/*", "/a.B/C", true),
        ("/a.C/*", "/a.B/C", false),
        ("*/C", "/a.B/C", true),
        ("*/D", "/a.B/C", false),
        ("*", "/a.B/C", true),
        ("/{*}/C", "/a.B/C", true),
        ("/{**}", "/a.B/C", true),
        ("/v1/orders/7", "/v1/orders/*", true),
        ("/v1/orders/{*}", "/v1/orders/*", true),
        ("/v1/orders/7:cancel", "/v1/orders/*:cancel", true),
        ("/v1/orders/7:stop", "/v1/orders/*:cancel", false),
        ("/v1/order/*", "/v1/orders/*", false),
        ("/v1/orders*", "/v1/orders", true),
        ("/", "/a", false),
    ];
    for (value, route, expected) in cases {
        let route = Route {
            method: String::new(),
            path: route.to_owned(),
        };
        assert_eq!(
            route.can_match(value),
            expected,
            "{value} and {}",
            route.path
        );
    }
}

#[test]
fn variables_of_a_route_become_stars() {
    for (template, path) in [
        ("/v1/orders", "/v1/orders"),
        ("/v1/orders/{order_id}:cancel", "/v1/orders/*:cancel"),
        ("/v1/{name=shops/*/orders/*}/x", "/v1/*/x"),
    ] {
        assert_eq!(without_variables(template), path);
    }
}
