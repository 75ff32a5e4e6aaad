//! What shells complete, and the manual pages: both come from the commands themselves, and name all of them.

use std::{path::Path, process::Command};

use crate::service::{ended, filin};

fn printed(args: &[&str]) -> String {
    String::from_utf8(ended(filin(args), 0).stdout).expect("UTF-8")
}

/// Names in the list of commands that a help text has.
fn commands(help: &str) -> Vec<String> {
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap_or_default();
    let name = |line: &str| line.strip_prefix("  ").filter(|l| !l.starts_with(' '))?.split_whitespace().next().map(str::to_owned);
    list.lines().filter_map(name).filter(|name| name != "help").collect()
}

/// Flags that a help text explains.
fn flags(help: &str) -> Vec<String> {
    let flag = regex::Regex::new(r"(?m)^ +(?:-\w, )?(--[a-z-]+)").expect("a pattern");
    flag.captures_iter(help).map(|c| c[1].to_owned()).collect()
}

/// What bash offers behind these words.
fn offered(script: &Path, words: &[&str]) -> Vec<String> {
    let said = "source \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _filin filin \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["-c", said, "bash"]).arg(script).args(words);
    String::from_utf8(ended(bash, 0).stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[test]
fn shells_complete_every_command_and_its_flags() {
    let root = tempfile::tempdir().expect("a folder");
    let script = root.path().join("filin.bash");
    std::fs::write(&script, printed(&["completions", "bash"])).expect("written");
    let all = commands(&printed(&["--help"]));
    assert!(all.len() > 30 && ["run", "completions", "man"].iter().all(|c| all.contains(&(*c).to_owned())), "{all:?}");
    let found = offered(&script, &["filin", ""]);
    let (zsh, fish) = (printed(&["completions", "zsh"]), printed(&["completions", "fish"]));
    assert!(zsh.starts_with("#compdef filin\n"));
    for command in &all {
        assert!(found.contains(command), "bash does not complete {command}: {found:?}");
        assert!(zsh.contains(&format!("'{command}:")) && fish.contains(&format!(" -a \"{command}\"")), "{command}");
    }
    for words in [&["run"][..], &["backup"], &["mute", "add"]] {
        let found = offered(&script, &[&["filin"], words, &["--"]].concat());
        let known = flags(&printed(&[words, &["--help"]].concat()));
        assert!(known.len() > 3 && known.iter().all(|flag| found.contains(flag)), "{words:?}: {known:?} is not in {found:?}");
    }
    assert_eq!(offered(&script, &["filin", "verd"]), ["verdict"]);
    ended(filin(&["completions", "csh"]), 2);
}

#[test]
fn manual_pages_name_every_command_and_flag() {
    let root = tempfile::tempdir().expect("a folder");
    let page = printed(&["man"]);
    assert!(page.contains(".TH filin 1"), "{page}");
    let folder = root.path().to_str().expect("a plain path");
    assert_eq!(printed(&["man", "--to", folder]), "");
    let read = |name: &str| std::fs::read_to_string(root.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(read("filin.1"), page);
    // Hyphens are escaped in pages.
    let plain = |text: &str| text.replace("\\-", "-");
    for command in commands(&printed(&["--help"])) {
        assert!(plain(&page).contains(&format!("filin-{command}(1)")), "{command} is not in filin.1");
        let (own, help) = (plain(&read(&format!("filin-{command}.1"))), printed(&[&command, "--help"]));
        for flag in flags(&help) {
            assert!(own.contains(&flag), "{flag} is not in filin-{command}.1");
        }
        for inner in commands(&help) {
            assert!(own.contains(&format!("filin-{command}-{inner}(1)")), "{inner} is not in filin-{command}.1");
            read(&format!("filin-{command}-{inner}.1"));
        }
    }
    let said = String::from_utf8(ended(filin(&["man", "--to", "/nowhere/at/all"]), 1).stderr).expect("UTF-8");
    assert!(said.contains("/nowhere/at/all"), "{said}");
}
