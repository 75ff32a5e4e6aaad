//! SECURITY.md says what is defended and which test shows it: those tests are there.

use std::{collections::BTreeSet, fs, path::Path};

use crate::layers::files;

/// Names of the tests of a folder: functions behind a line that makes them one.
fn tests_of(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in files(folder) {
        // Within a macro of properties the attribute stands there as well.
        let mut marked = false;
        for line in fs::read_to_string(&path).expect("readable").lines().map(str::trim) {
            match line {
                _ if line.starts_with("#[test]") || line.starts_with("#[tokio::test") => marked = true,
                _ if line.starts_with("#[") || line.starts_with("//") => {}
                _ => {
                    let name = line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
                    found.extend(name.filter(|_| marked).map(str::to_owned));
                    marked = false;
                }
            }
        }
    }
    found
}

/// What a page names in its last column, between backticks.
fn named(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.ends_with(" |"));
    let last = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let is_name =
        |word: &&str| word.matches('_').count() > 1 && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    last.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(is_name).map(str::to_owned).collect()
}

#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let there: BTreeSet<String> = ["core/src", "src", "tests"].iter().flat_map(|folder| tests_of(&root.join(folder))).collect();
    let page = fs::read_to_string(root.join("SECURITY.md")).expect("SECURITY.md");
    let rows: Vec<&str> =
        page.lines().filter(|l| ["| S", "| T", "| R", "| I", "| D", "| E"].iter().any(|kind| l.starts_with(kind))).collect();
    assert!(rows.len() > 40, "{}", rows.len());
    let check = |tests: BTreeSet<String>, row: &str| {
        for test in tests {
            assert!(there.contains(&test), "there is no test {test}: {row}");
        }
    };
    for row in rows {
        assert!(!named(row).is_empty(), "no test shows it: {row}");
        check(named(row), row);
    }
    let page = fs::read_to_string(root.join("docs/security.md")).expect("docs/security.md");
    assert!(named(&page).len() > 40);
    check(named(&page), "docs/security.md");
}
