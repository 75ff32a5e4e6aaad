//! What README.md shows is true.

use crate::service::{ended, filin};

/// The blocks of a language in README.md.
fn blocks(language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md");
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn its_configuration_is_accepted() {
    let root = tempfile::tempdir().expect("a folder");
    for name in ["clickhouse", "alias.key"] {
        std::fs::write(root.path().join(name), "a secret that is long enough for both").expect("written");
    }
    let samples = blocks("toml");
    assert!(!samples.is_empty());
    for sample in samples {
        let config = root.path().join("filin.toml");
        std::fs::write(&config, sample.replace("/run/secrets", root.path().to_str().expect("plain"))).expect("written");
        ended(filin(&["check", "--config", config.to_str().expect("plain")]), 0);
    }
}

#[test]
fn its_commands_and_targets_exist() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md");
    let makefile = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Makefile")).expect("Makefile");
    let help = String::from_utf8(ended(filin(&["--help"]), 0).stdout).expect("UTF-8");
    let after = |word: &str| -> Vec<String> {
        let said = regex::Regex::new(&format!("(?m)(?:^|`){word} ([a-z-]+)")).expect("a pattern");
        said.captures_iter(&text).map(|c| c[1].to_owned()).collect()
    };
    let (targets, commands) = (after("make"), after("filin"));
    assert!(targets.len() > 5 && commands.len() > 5, "{targets:?} {commands:?}");
    for target in targets {
        assert!(makefile.lines().any(|l| l.starts_with(&format!("{target}:"))), "make {target}");
    }
    for command in commands {
        assert!(help.lines().any(|l| l.trim_start().starts_with(&format!("{command} "))), "filin {command}");
    }
}
