//! The page of each code: its example is found, and the mended one is clean.

use std::path::Path;

use mesh_analysis::{Code, Descriptors, Level, World};
use mesh_api::mesh_settings_from_text;

use crate::{codes, findings, shown};

/// The fenced block of a page that begins with these words.
fn block<'p>(page: &'p str, words: &str) -> Option<&'p str> {
    let (_, rest) = page.split_once(&format!("```{words}\n"))?;
    rest.split_once("```").map(|(block, _)| block)
}

/// What a page says of the mesh.
fn world(page: &str) -> World {
    let settings = block(page, "yaml mesh-config");
    let greet = "/demo.v1.Greeter/Greet".to_owned();
    World {
        settings: settings
            .map(|text| mesh_settings_from_text(Path::new("mesh.yaml"), text).unwrap()),
        descriptors: page
            .contains("--descriptors")
            .then(|| Descriptors::of_methods([greet])),
        ..World::default()
    }
}

#[test]
fn the_example_of_every_page_is_found() {
    for code in Code::ALL {
        let page = code.explanation();
        let example = block(page, "yaml found").expect("every page has an example");
        let found = codes(example, &world(page));
        assert!(found.contains(code), "{code}: {found:?}");
        // A page shows one thing.
        let others: Vec<&Code> = found
            .iter()
            .filter(|other| *other != code && other.level() != Level::Hint)
            .collect();
        let may_have_others = [Code::DenyOnTcp, Code::MisspeltMethod, Code::UnknownMethod];
        assert!(
            others.is_empty() || may_have_others.contains(code),
            "{code} comes with {others:?}"
        );
    }
}

#[test]
fn the_mended_example_of_every_page_is_clean() {
    for code in Code::ALL {
        let page = code.explanation();
        let mended = block(page, "yaml mended").expect("every page says how to mend it");
        let mut found = findings(mended, &world(page));
        // Istio warns of every DENY rule of HTTP fields, and so do we.
        found.retain(|finding| finding.code != Code::IstioWarning);
        assert_eq!(shown(&found), "", "{code}");
    }
}

#[test]
fn every_page_begins_with_its_code_and_fits_a_terminal() {
    for code in Code::ALL {
        let page = code.explanation();
        assert!(page.starts_with(&format!("# {code}: ")), "{code}");
        assert!(code.title().len() > 10, "{code}");
        for line in page.lines() {
            assert!(line.len() <= 100, "{code}: {line}");
        }
    }
}

#[test]
fn a_code_is_found_by_its_number_in_any_case() {
    assert_eq!("tw0101".parse(), Ok(Code::SelectsNothing));
    let error = "TW9999".parse::<Code>().unwrap_err();
    assert!(
        error.starts_with("no code \"TW9999\"; the codes are TW0001"),
        "{error}"
    );
}
