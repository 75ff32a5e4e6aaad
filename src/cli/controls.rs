//! `filin controls`: what Filin detects, how severe it is, what to rule out first.

use std::{fmt::Write, process::ExitCode};

use super::explain::Lang;
use crate::engine::control::{self, Control, Parameter, SeverityRule, Words};

/// Flags of `filin controls`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print them as JSON, in both languages
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print them as the page docs/controls.md
    #[arg(long)]
    markdown: bool,
    /// Language of the list and the page
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let text = match (args.json, args.markdown) {
        (true, _) => serde_json::to_string_pretty(control::ALL)? + "\n",
        (_, true) => page(args.lang),
        _ => list(args.lang),
    };
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

/// Words in a language.
pub(super) fn said(words: Words, lang: Lang) -> &'static str {
    if lang == Lang::Ru { words.ru } else { words.en }
}

fn list(lang: Lang) -> String {
    let width = control::ALL.iter().map(|c| c.id.len()).max().unwrap_or_default();
    let lines = control::ALL.iter().map(|c| format!("{:width$}  {:11}  {}\n", c.id, c.kind.as_str(), said(c.title, lang)));
    lines.chain(["\n--json says all of each; docs/controls.md is the same as a page.\n".to_owned()]).collect()
}

fn page(lang: Lang) -> String {
    let mut page = "# Controls\n\nWhat Filin detects. Written by `filin controls --markdown`; a test keeps it current.\n\n\
                    | control | kind | severity | ATT&CK |\n| --- | --- | --- | --- |\n"
        .to_owned();
    for c in control::ALL {
        writeln!(page, "| [`{}`](#{}) | {} | {} | {} |", c.id, c.id, c.kind.as_str(), severity(c, lang), c.mitre.join(", "))
            .expect("in memory");
    }
    control::ALL.iter().for_each(|c| section(&mut page, c, lang));
    page
}

fn severity(c: &Control, lang: Lang) -> String {
    match c.severity {
        SeverityRule::Budget => "by the budget".to_owned(),
        SeverityRule::Fixed(severity) => severity.as_str().to_owned(),
        SeverityRule::Raised { usually, at_worst, when } => format!("{}; {}: {}", usually.as_str(), at_worst.as_str(), said(when, lang)),
        SeverityRule::Own => "the rule's own".to_owned(),
    }
}

fn section(page: &mut String, c: &Control, lang: Lang) {
    let mut add = |text: String| page.push_str(&text);
    add(format!("\n## {}\n\n**{}.** {}.\n", c.id, said(c.title, lang), said(c.about, lang)));
    if !c.detectors.is_empty() {
        let detectors: Vec<String> = c.detectors.iter().map(|d| format!("`{}`", d.as_str())).collect();
        add(format!("\nDetectors: {}.\n", detectors.join(", ")));
    }
    if let Some(when) = c.named {
        add(format!("\nA behavioural finding takes this name {}.\n", said(when, lang)));
    }
    let number = |p: &Parameter| format!("- `{}` = {}: {}\n", p.name, p.value, said(p.meaning, lang));
    if !c.parameters.is_empty() {
        add(format!("\nFixed:\n\n{}", c.parameters.iter().map(number).collect::<String>()));
    }
    if !c.settings.is_empty() || !c.switches.is_empty() {
        add(format!("\nTo be set under `[controls.{}]`:\n\n", c.id));
        add(c.settings.iter().map(number).collect());
        add(c.switches.iter().map(|s| format!("- `{}` = {}: {}\n", s.name, s.on, said(s.meaning, lang))).collect());
    }
    add(format!("\nTo rule out first:\n\n{}", c.benign.iter().map(|b| format!("- {}\n", said(*b, lang))).collect::<String>()));
}
