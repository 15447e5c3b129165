//! The state is made once, kept, and private.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use mesh_identity::TrustDomain;

use super::State;
use crate::error::Error;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A folder that is gone after the test, and the state's place in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("run/meshd")
    }
}

fn domain() -> TrustDomain {
    "cluster.local".parse().unwrap()
}

fn open(directory: &Path) -> Result<State, Error> {
    State::open(directory, &domain(), SystemTime::now())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn what_was_made_is_found_again() {
    let place = Place::new();
    let directory = place.path();
    let read = || {
        let state = open(&directory).unwrap();
        (
            state.root_certificate_pem().to_owned(),
            state
                .authority(SystemTime::now())
                .unwrap()
                .certificate_pem()
                .to_owned(),
            state.token_key_pem().unwrap().to_string(),
        )
    };
    let first = read();
    assert_eq!(read(), first);
}

#[test]
fn folder_and_files_are_ours_alone() {
    let place = Place::new();
    let directory = place.path();
    let state = open(&directory).unwrap();
    state.token_key_pem().unwrap();
    assert_eq!(mode(&directory), 0o700);
    let mut seen = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        seen += 1;
    }
    assert_eq!(seen, 4, "root, intermediate, token key, lock");
}

#[test]
fn a_folder_or_file_that_others_may_read_is_refused() {
    let place = Place::new();
    let directory = place.path();
    open(&directory).unwrap().token_key_pem().unwrap();
    let widen = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };

    widen(&directory, 0o750);
    assert!(matches!(
        open(&directory),
        Err(Error::OpenToOthers { mode: 0o750, .. })
    ));
    widen(&directory, 0o700);
    for name in ["root.pem", "intermediate.pem"] {
        let path = directory.join(name);
        widen(&path, 0o640);
        assert!(matches!(open(&directory), Err(Error::OpenToOthers { .. })));
        widen(&path, 0o600);
    }
    widen(&directory.join("token-key.pem"), 0o604);
    let state = open(&directory).unwrap();
    assert!(matches!(
        state.token_key_pem(),
        Err(Error::OpenToOthers { mode: 0o604, .. })
    ));
}

#[test]
fn two_control_planes_do_not_share_a_folder() {
    let place = Place::new();
    let first = open(&place.path()).unwrap();
    assert!(matches!(open(&place.path()), Err(Error::InUse { .. })));
    drop(first);
    open(&place.path()).unwrap();
}

#[test]
fn a_root_of_another_trust_domain_is_refused_and_kept() {
    let place = Place::new();
    let root = open(&place.path())
        .unwrap()
        .root_certificate_pem()
        .to_owned();
    let other = "other.td".parse().unwrap();
    let refused = State::open(&place.path(), &other, SystemTime::now());
    assert!(matches!(refused, Err(Error::StoredAuthority { .. })));
    assert_eq!(open(&place.path()).unwrap().root_certificate_pem(), root);
}

#[test]
fn a_damaged_root_is_refused_and_not_replaced() {
    let place = Place::new();
    drop(open(&place.path()).unwrap());
    let path = place.path().join("root.pem");
    fs::write(&path, "garbage").unwrap();
    assert!(matches!(
        open(&place.path()),
        Err(Error::StoredAuthority { .. })
    ));
    assert_eq!(fs::read_to_string(&path).unwrap(), "garbage");
}

#[test]
fn the_intermediate_is_replaced_before_its_end_under_the_same_root() {
    let place = Place::new();
    let state = open(&place.path()).unwrap();
    let now = SystemTime::now();
    let first = state.authority(now).unwrap();
    let later = now + 200 * DAY;
    let same = state.authority(later).unwrap();
    assert_eq!(same.certificate_pem(), first.certificate_pem());

    let near_its_end = now + 320 * DAY;
    let next = state.authority(near_its_end).unwrap();
    assert_ne!(next.certificate_pem(), first.certificate_pem());
    assert_eq!(next.root_bundle_pem(), first.root_bundle_pem());
    drop(state);
    let reopened = State::open(&place.path(), &domain(), near_its_end).unwrap();
    let kept = reopened.authority(near_its_end).unwrap();
    assert_eq!(kept.certificate_pem(), next.certificate_pem());
}
