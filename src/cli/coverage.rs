//! `filin coverage`: what arrives, and which controls are blind for want of it.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use serde_json::json;

use super::{Usage, columns, dead_letters, explain::Lang, known};
use crate::{
    model::coverage::{Effect, State, Verdict},
    ops::{
        clock,
        config::{Config, Flags},
    },
    pipeline::{
        service,
        survey::{Coverage, Survey},
    },
};

/// Flags of `filin coverage`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of the embedded instance
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,
    /// Configuration
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
    /// Of this organisation alone
    #[arg(long, value_name = "T")]
    tenant: Option<String>,
    /// Language of the reasons
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
    /// Print JSON, in both languages
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let flags = Flags { data: args.data.clone(), ..Flags::default() };
    let config = known::config(args.config.as_deref(), &flags).map_err(|m| Usage(m.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (at, found) = runtime.block_on(async {
        let (client, opened) = dead_letters::store(&config).await?;
        let found = survey(&client, &config, args.tenant.as_deref()).await;
        dead_letters::close(opened).await;
        found
    })?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&json!({ "at": at, "tenants": found }))?)?;
    } else {
        print(&mut out, &found, args.lang)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Looks now, and keeps what is found where dashboards read it.
async fn survey(
    client: &clickhouse::Client,
    config: &Config,
    only: Option<&str>,
) -> anyhow::Result<(crate::event::Timestamp, Vec<Coverage>)> {
    let survey = Survey::read(client, service::policies(config)?, clock::now()).await?;
    let mut found = Vec::new();
    for tenant in survey.tenants().iter().filter(|t| only.is_none_or(|only| only == *t)) {
        let coverage = survey.coverage(client, tenant).await?;
        survey.keep_coverage(client, &coverage).await?;
        found.push(coverage);
    }
    if let (Some(only), true) = (only, found.is_empty()) {
        return Err(Usage(format!("there is no organisation {only:?}")).into());
    }
    Ok((survey.at, found))
}

fn print(out: &mut impl Write, found: &[Coverage], lang: Lang) -> io::Result<()> {
    let say = |en: &'static str, ru: &'static str| if lang == Lang::Ru { ru } else { en };
    if found.is_empty() {
        return writeln!(out, "{}", say("nothing has arrived yet", "пока ничего не пришло"));
    }
    for (i, coverage) in found.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        let newest = coverage.newest.map_or_else(|| say("none", "нет").to_owned(), |t| t.to_string());
        writeln!(
            out,
            "{} {}, {} {newest}, {} {}",
            say("tenant", "организация"),
            coverage.tenant,
            say("newest event", "последнее событие"),
            coverage.controls.len(),
            say("controls:", "контролей:")
        )?;
        let states = State::ALL.iter().map(|state| (state, coverage.controls.iter().filter(|v| v.state == *state).count()));
        let states: Vec<String> = states.filter(|(_, n)| *n > 0).map(|(state, n)| format!("{n} {}", shown(*state, lang))).collect();
        writeln!(out, "{}\n", states.join(", "))?;
        let head = if lang == Lang::Ru {
            ["источник", "команда", "событие", "24 ч", "7 дней", "30 дней", "последнее"]
        } else {
            ["source", "team", "event", "24 h", "7 d", "30 d", "last"]
        };
        let line = |a: &crate::model::coverage::Arrival| {
            let team = if a.team.is_empty() { "-".to_owned() } else { a.team.clone() };
            let counts = [a.events_24h, a.events_7d, a.events_30d].map(|n| n.to_string());
            let [day, week, month] = counts;
            [a.source.clone(), team, a.action.clone(), day, week, month, a.last.to_string()]
        };
        let lines: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(coverage.arrivals.iter().map(line)).collect();
        if !coverage.arrivals.is_empty() {
            columns::write(out, &lines)?;
            writeln!(out)?;
        }
        for text in sentences(&coverage.controls, lang) {
            writeln!(out, "{text}")?;
        }
    }
    Ok(())
}

fn shown(state: State, lang: Lang) -> &'static str {
    match (state, lang) {
        (State::Sees, Lang::En) => "see all that they need",
        (State::Partly, Lang::En) => "see a part",
        (State::Blind, Lang::En) => "blind",
        (State::Unchecked, Lang::En) => "not checked",
        (State::Off, Lang::En) => "switched off",
        (State::Sees, Lang::Ru) => "видят всё нужное",
        (State::Partly, Lang::Ru) => "видят часть",
        (State::Blind, Lang::Ru) => "слепы",
        (State::Unchecked, Lang::Ru) => "не проверены",
        (State::Off, Lang::Ru) => "выключены",
    }
}

/// A line per reason, with all the controls that it concerns; the blind ones first.
fn sentences(controls: &[Verdict], lang: Lang) -> Vec<String> {
    let mut all: Vec<((Effect, &str), Vec<&str>)> = Vec::new();
    for verdict in controls {
        for reason in &verdict.reasons {
            let key = (reason.effect, if lang == Lang::Ru { reason.text.ru.as_str() } else { reason.text.en.as_str() });
            match all.iter_mut().find(|(known, _)| *known == key) {
                Some((_, ids)) => ids.push(verdict.control),
                None => all.push((key, vec![verdict.control])),
            }
        }
    }
    all.sort();
    let line = |((effect, reason), ids): ((Effect, &str), Vec<&str>)| {
        format!("{reason}: {} {}", ids.join(", "), follows(effect, ids.len() > 1, lang))
    };
    all.into_iter().map(line).collect()
}

fn follows(effect: Effect, several: bool, lang: Lang) -> &'static str {
    let [en, ens, ru, rus] = match effect {
        Effect::Blind => ["is blind", "are blind", "ничего не видит", "ничего не видят"],
        Effect::BlindThere => ["is blind there", "are blind there", "там ничего не видит", "там ничего не видят"],
        Effect::OnlyName => ["is only a name", "are only names", "лишь имя поведенческих признаков", "лишь имена поведенческих признаков"],
        Effect::OnlyPrompts => {
            let ru = "сообщает лишь об отклонённых запросах";
            ["tells of refused prompts only", "tell of refused prompts only", ru, ru]
        }
        Effect::Unchecked => ["is not judged", "are not judged", "не оценивается", "не оцениваются"],
        Effect::Off => ["is off", "are off", "выключен", "выключены"],
    };
    match (lang, several) {
        (Lang::En, false) => en,
        (Lang::En, true) => ens,
        (Lang::Ru, false) => ru,
        (Lang::Ru, true) => rus,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        event::Timestamp,
        model::coverage::{Arrival, Seen, judge},
    };

    fn printed(lang: Lang) -> String {
        let arrival = Arrival {
            source: "crm".to_owned(),
            team: String::new(),
            action: "view".to_owned(),
            events_24h: 2,
            events_7d: 14,
            events_30d: 600,
            last: Timestamp::from_millis(0),
            fields: BTreeSet::from(["object.client"]),
        };
        let seen =
            Seen { arrivals: vec![arrival], users: 1, client_columns: BTreeSet::from(["owner", "tier"]), clients: 2, ..Seen::default() };
        let controls = judge("acme", &seen);
        let coverage = Coverage { tenant: "acme".to_owned(), newest: Some(Timestamp::from_millis(0)), arrivals: seen.arrivals, controls };
        let mut out = Vec::new();
        print(&mut out, &[coverage], lang).expect("in memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_reason_is_told_once_with_all_that_it_blinds() {
        let text = printed(Lang::En);
        for line in [
            "source  team  event  24 h  7 d  30 d  last",
            "crm     -     view   2     14   600   1970-01-01T00:00:00.000Z",
            "no call events: unrelated_call is blind",
            "no users row has grade: junior_delete, key_client are blind",
            "tenants.acme.access is not set: out_of_book is only a name",
        ] {
            assert!(text.lines().any(|l| l == line), "{line:?} is missing in\n{text}");
        }
        let text = printed(Lang::Ru);
        for line in [
            "нет событий call: unrelated_call ничего не видит",
            "не задано tenants.acme.access: out_of_book лишь имя поведенческих признаков",
        ] {
            assert!(text.lines().any(|l| l == line), "{line:?} is missing in\n{text}");
        }
    }
}
