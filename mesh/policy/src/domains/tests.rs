use mesh_api::MeshSettings;

use super::Domains;

fn settings() -> MeshSettings {
    MeshSettings {
        trust_domain: "td1".to_owned(),
        trust_domain_aliases: vec!["td2".to_owned(), "some-td".to_owned()],
        ..MeshSettings::default()
    }
}

#[test]
fn a_principal_of_a_known_domain_is_one_of_every_domain() {
    let settings = settings();
    let domains = Domains::new(&settings);
    let all = ["td1/ns/foo/sa/a", "td2/ns/foo/sa/a", "some-td/ns/foo/sa/a"];
    for value in [
        "td1/ns/foo/sa/a",
        "td2/ns/foo/sa/a",
        "cluster.local/ns/foo/sa/a",
    ] {
        assert_eq!(domains.principals(value), all, "{value}");
    }
}

#[test]
fn a_principal_of_no_known_domain_stays() {
    let settings = settings();
    let domains = Domains::new(&settings);
    for value in [
        "other/ns/foo/sa/a",
        "*/ns/foo/sa/a",
        "*",
        "td1/*",
        "sa/a",
        "td1/ns/a/sa/b/c",
    ] {
        assert_eq!(domains.principals(value), [value]);
    }
}

#[test]
fn a_wildcard_that_takes_a_domain_stays_for_it() {
    let settings = settings();
    let domains = Domains::new(&settings);
    let expanded = ["td1/ns/foo/sa/a", "td2/ns/foo/sa/a", "*-td/ns/foo/sa/a"];
    assert_eq!(domains.principals("*-td/ns/foo/sa/a"), expanded);
    let expanded = ["td1/ns/foo/sa/a", "td2/ns/foo/sa/a", "some-td/ns/foo/sa/a"];
    assert_eq!(domains.principals("td*/ns/foo/sa/a"), expanded);
}

#[test]
fn trust_domains_are_expanded_by_equality_alone() {
    let settings = settings();
    let domains = Domains::new(&settings);
    assert_eq!(domains.domains("td2"), ["td1", "td2", "some-td"]);
    assert_eq!(domains.domains("td*"), ["td*"]);
    assert_eq!(domains.domains("cluster.local"), ["cluster.local"]);
}
