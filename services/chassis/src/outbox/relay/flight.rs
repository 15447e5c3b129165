//! What the relay has under way: rows between the producer and the broker's answer, and those that
//! are there but not marked yet. No clock, no broker, no database.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Row;
use crate::outbox::plan::{self, Sent};

/// Aggregates whose last version is remembered; beyond it the table is asked again.
const REMEMBERED_MAX: usize = 50_000;

/// The rows under way, in the order of the table.
#[derive(Default)]
pub(super) struct Flights {
    rows: BTreeMap<i64, Outgoing>,
    /// The version of each aggregate that was sent last.
    last: HashMap<(String, String), i64>,
}

struct Outgoing {
    topic: String,
    key: String,
    /// None until the broker has answered.
    delivered: Option<bool>,
}

/// What to do with rows that were handed over, not read.
#[derive(Debug)]
pub(super) enum Handed {
    /// Each follows what was sent of its aggregate: send these. Those that went out are left out.
    Send(Vec<Row>),
    /// Something before them was not seen: the table knows it.
    Look,
}

// === impl Flights ===

impl Flights {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn seqs(&self) -> Vec<i64> {
        self.rows.keys().copied().collect()
    }

    /// Whether rows may be sent without a look at the table. Two transactions of one aggregate
    /// commit in order, but may be handed over in another one.
    pub(super) fn admit(&self, rows: Vec<Row>) -> Handed {
        let mut ahead: HashMap<(&str, &str), i64> = HashMap::new();
        let mut sent = HashSet::new();
        for row in &rows {
            let aggregate = (row.aggregate_type.as_str(), row.aggregate_id.as_str());
            let last = ahead
                .get(&aggregate)
                .copied()
                .or_else(|| self.last_of(row))
                .unwrap_or_default();
            if row.aggregate_version <= last {
                sent.insert(row.seq);
            } else if row.aggregate_version == last + 1 {
                ahead.insert(aggregate, row.aggregate_version);
            } else {
                return Handed::Look;
            }
        }
        let unsent = |row: &Row| !sent.contains(&row.seq);
        Handed::Send(rows.into_iter().filter(unsent).collect())
    }

    /// Notes that a row is with the producer.
    pub(super) fn depart(&mut self, row: &Row) {
        if self.last.len() >= REMEMBERED_MAX {
            self.last.clear();
        }
        let aggregate = (row.aggregate_type.clone(), row.aggregate_id.clone());
        self.last.insert(aggregate, row.aggregate_version);
        let outgoing = Outgoing {
            topic: row.topic.clone(),
            key: row.aggregate_id.clone(),
            delivered: None,
        };
        self.rows.insert(row.seq, outgoing);
    }

    /// Notes the broker's answer.
    pub(super) fn land(&mut self, seq: i64, delivered: bool) {
        if let Some(row) = self.rows.get_mut(&seq) {
            row.delivered = Some(delivered);
        }
    }

    /// The rows that can be marked.
    pub(super) fn published(&self) -> Vec<i64> {
        let sent: Vec<Sent<'_>> = self
            .rows
            .iter()
            .map(|(seq, row)| Sent {
                seq: *seq,
                topic: &row.topic,
                key: &row.key,
                delivered: row.delivered == Some(true),
            })
            .collect();
        plan::published(&sent)
    }

    /// Forgets rows that are marked.
    pub(super) fn marked(&mut self, seqs: &[i64]) {
        for seq in seqs {
            self.rows.remove(seq);
        }
    }

    /// Begins anew from the table.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.last.clear();
    }

    fn last_of(&self, row: &Row) -> Option<i64> {
        let aggregate = (row.aggregate_type.clone(), row.aggregate_id.clone());
        self.last.get(&aggregate).copied()
    }
}

#[cfg(test)]
mod tests;
