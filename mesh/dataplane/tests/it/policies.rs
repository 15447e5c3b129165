//! The policies of a workload over real sockets: what starts, whom they see, what they see of a
//! call.

use mesh_dataplane::{Error, Mode, Settings, Workload};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request};

use crate::support::{World, client, ready, say};

fn policy(rules: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
         metadata: {{name: it, namespace: shop}}\nspec: {rules}\n"
    )
}

async fn start(settings: Settings, world: &World) -> Result<Workload, Error> {
    let identity = Some(world.identity("order"));
    Workload::start_with(settings, identity, CancellationToken::new()).await
}

#[tokio::test]
async fn a_workload_whose_policies_do_not_load_does_not_start() {
    let world = World::new();
    let mut missing = world.settings("order");
    missing.policy_paths = vec!["/nowhere/policies".into()];
    for settings in [
        missing,
        world.settings_with("order", "kind: AuthorizationPolicy"),
        world.settings_with("order", &policy("{action: PERMIT}")),
        world.settings_with("order", "a: [b"),
    ] {
        let refused = start(settings, &world).await;
        assert!(matches!(refused, Err(Error::Policies(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_workload_without_policies_serves_nobody() {
    let world = World::new();
    let mut settings = world.settings("order");
    settings.policy_paths.clear();
    let workload = start(settings, &world).await.unwrap();
    let served = workload.serve(echo::routes(echo::Echo)).await;
    assert!(matches!(served, Err(Error::NoPolicies)), "{served:?}");
}

#[tokio::test]
async fn a_rule_sees_addresses_host_method_path_and_headers() {
    let world = World::new();
    let all = "{rules: [{from: [{source: {ipBlocks: [127.0.0.1]}}], \
               to: [{operation: {methods: [POST], hosts: ['order*'], \
               paths: [/echo.v1.EchoService/Echo]}}], \
               when: [{key: destination.ip, values: [127.0.0.1]}, \
               {key: 'request.headers[x-tenant]', values: [a]}]}]}";
    let settings = world.settings_with("order", &policy(all));
    let served = world.serve(settings, Some(world.identity("order"))).await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let mut client = client(&caller, "order");
    for (tenant, code) in [("a", Code::Ok), ("b", Code::PermissionDenied)] {
        let mut request = Request::new(say("?", 0));
        request
            .metadata_mut()
            .insert("x-tenant", tenant.parse().unwrap());
        let answer = client.echo(request).await.map(|_| ());
        assert_eq!(
            answer.map_or_else(|status| status.code(), |()| Code::Ok),
            code,
            "{tenant}"
        );
    }
    let none = client.echo(say("?", 0)).await.unwrap_err();
    assert_eq!(none.code(), Code::PermissionDenied);
    assert_eq!(served.echo.entered(), 1);
}

#[tokio::test]
async fn a_policy_for_tokens_lets_nobody_in_while_there_are_none() {
    let world = World::new();
    let rules = "{rules: [{from: [{source: {requestPrincipals: ['*']}}]}]}";
    let settings = world.settings_with("order", &policy(rules));
    let served = world.serve(settings, Some(world.identity("order"))).await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let mut request = Request::new(say("?", 0));
    let token = "Bearer a.b.c".parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    let denied = client(&caller, "order").echo(request).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert_eq!(served.echo.entered(), 0);
}

#[tokio::test]
async fn a_custom_policy_denies_because_nobody_can_be_asked() {
    let world = World::new();
    let rules = "{action: CUSTOM, provider: {name: opa}, rules: [{}]}";
    let settings = world.settings_with("order", &policy(rules));
    let served = world.serve(settings, Some(world.identity("order"))).await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let denied = client(&caller, "order")
        .echo(say("?", 0))
        .await
        .unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert_eq!(
        denied.message(),
        "RBAC: access denied",
        "and not a word about policies"
    );
    assert_eq!(served.echo.entered(), 0);
}

#[tokio::test]
async fn audit_and_dry_run_keep_nobody_out() {
    let world = World::new();
    let audit = policy("{action: AUDIT, rules: [{}]}");
    let dry_run = policy("{action: DENY, rules: [{}]}").replace(
        "name: it,",
        "name: try, annotations: {istio.io/dry-run: 'true'},",
    );
    let settings = world.settings_with("order", &format!("{audit}---\n{dry_run}"));
    let served = world.serve(settings, Some(world.identity("order"))).await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    client(&caller, "order").echo(say("?", 0)).await.unwrap();
    assert_eq!(served.echo.entered(), 1);
}

#[tokio::test]
async fn beside_a_proxy_a_strict_mesh_lets_nobody_in_without_a_name() {
    let world = World::new();
    let strict = "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
                  metadata: {name: default, namespace: shop}\nspec: {mtls: {mode: STRICT}}\n";
    let everybody = policy("{rules: [{}]}");
    for (account, policies, code) in [
        ("order", everybody.clone(), Code::Ok),
        (
            "payment",
            format!("{everybody}{strict}"),
            Code::PermissionDenied,
        ),
    ] {
        let settings = Settings {
            mode: Mode::Sidecar,
            ..world.settings_with(account, &policies)
        };
        let _served = world.serve(settings, None).await;
        let caller = world.plaintext("alpha").await;
        ready(&caller).await;
        let answer = client(&caller, account).echo(say("?", 0)).await.map(|_| ());
        assert_eq!(
            answer.map_or_else(|status| status.code(), |()| Code::Ok),
            code,
            "{account}"
        );
    }
}
