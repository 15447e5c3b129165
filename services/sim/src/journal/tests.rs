#![allow(clippy::unwrap_used)]

use super::*;
use crate::book::{Answer, Known};

/// A journal's place that is gone after the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("psp-journal-{}", uuid::Uuid::now_v7())))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn entry(key: &str) -> Entry {
    Entry {
        key: key.to_owned(),
        fingerprint: "f".to_owned(),
        answer: Answer::refusal(402, "card_declined", "no"),
        change: None,
    }
}

fn knows(journal: &Journal, key: &str) -> bool {
    matches!(journal.book().known(key, "f"), Known::Repeated(_))
}

#[test]
fn reopened_journal_knows_what_was_recorded() {
    let place = Place::new();
    let mut journal = Journal::open(&place.0).unwrap();
    journal.record(entry("one")).unwrap();
    journal.record(entry("two")).unwrap();
    drop(journal);
    let journal = Journal::open(&place.0).unwrap();
    assert!(knows(&journal, "one") && knows(&journal, "two"));
}

#[test]
fn torn_last_line_is_forgotten_and_written_over() {
    let place = Place::new();
    let mut journal = Journal::open(&place.0).unwrap();
    journal.record(entry("one")).unwrap();
    drop(journal);
    let mut text = fs::read_to_string(&place.0).unwrap();
    text.push_str("{\"key\":\"two\",\"finger");
    fs::write(&place.0, text).unwrap();

    let mut journal = Journal::open(&place.0).unwrap();
    assert!(knows(&journal, "one") && !knows(&journal, "two"));
    journal.record(entry("three")).unwrap();
    drop(journal);
    assert!(knows(&Journal::open(&place.0).unwrap(), "three"));
}

#[test]
fn damage_before_the_end_is_an_error() {
    let place = Place::new();
    fs::write(&place.0, "not json\n").unwrap();
    assert!(matches!(
        Journal::open(&place.0),
        Err(Error::Damaged { line: 1, .. })
    ));
}
