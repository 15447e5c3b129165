//! I6: effects come in the order of their aggregate's versions, without a gap.

use crate::Error;
use crate::report::Finding;
use crate::sources::Databases;

/// What a group applied of an aggregate has consecutive versions up to the last one that it
/// remembers; what an outbox published has them, too.
pub(super) async fn effects_are_in_version_order(databases: &Databases) -> Result<Finding, Error> {
    let mut checked = 0;
    let mut violations: Vec<String> = Vec::new();
    for database in databases.all() {
        checked += database.count("select count(*) from inbox_version").await?;
        let applied = "select v.aggregate_type || ' ' || v.aggregate_id || ': ' || count(i.*) \
                || ' events applied, versions ' || min(i.aggregate_version) || ' to ' \
                || max(i.aggregate_version) || ', last known ' || v.last_version \
            from inbox_version v \
            join inbox i using (consumer_group, aggregate_type, aggregate_id) \
            group by v.consumer_group, v.aggregate_type, v.aggregate_id, v.last_version \
            having max(i.aggregate_version) <> v.last_version \
                or count(i.*) <> max(i.aggregate_version) - min(i.aggregate_version) + 1";
        let published = "select aggregate_type || ' ' || aggregate_id || ': ' || count(*) \
                || ' events published, versions ' || min(aggregate_version) || ' to ' \
                || max(aggregate_version) \
            from outbox group by aggregate_type, aggregate_id \
            having count(*) <> max(aggregate_version) - min(aggregate_version) + 1";
        for sql in [applied, published] {
            let found: Vec<String> = database.column(sql).await?;
            let name = database.name();
            violations.extend(found.iter().map(|text| format!("{name}: {text}")));
        }
    }
    let rule = "effects follow the versions of their aggregate";
    Ok(Finding::new("I6", rule, checked, violations))
}
