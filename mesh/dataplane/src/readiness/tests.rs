//! Readiness: all or nothing, and it can be lost again.

use super::*;

#[tokio::test]
async fn ready_is_when_every_condition_is_met_and_may_be_lost_again() {
    let readiness = Readiness::default();
    assert!(
        !readiness.is_ready(),
        "a workload without conditions has not started"
    );
    let identity = readiness.condition("identity");
    let database = readiness.condition("database");
    identity.met();
    assert!(!readiness.is_ready());
    assert_eq!(readiness.unmet()[0].0, "database");
    database.met();
    readiness.ready().await;
    assert!(readiness.has_started());
    identity.unmet("it has expired");
    assert!(!readiness.is_ready());
    assert!(readiness.has_started(), "starting happens once");
    assert_eq!(
        readiness.unmet(),
        vec![("identity".to_owned(), "it has expired".to_owned())]
    );
}
