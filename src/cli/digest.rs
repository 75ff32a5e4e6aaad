//! `filin digest`: a week of each supervisor's people, as a page that prints.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use serde_json::json;

use super::{
    Usage,
    ask::who,
    dead_letters::{Where, close, store},
    explain::Lang,
    reveal,
};
use crate::{
    console::digest::{Frame, page},
    directory::Directory,
    event::{Date, is_own},
    notify::who,
    ops::{clock, config::Config},
    store::{
        digest::{Digest, Week, last_week},
        reference,
    },
};

/// Who gets what is nobody's people.
const NOBODY: &str = "analysts";

/// Flags of `filin digest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Everybody is in the digest of whoever hears of their alerts: their supervisor, or the next one up;\n\
    those without one are in that of the analysts. Names stand in it with privacy.names_in_messages,\n\
    or with --names and a reason; pseudonyms else.\n\n\
    Example: filin digest --out digests && ls digests")]
pub(super) struct Args {
    /// Folder that the pages are written to, one for each supervisor
    #[arg(long, value_name = "DIR", required_unless_present_any = ["supervisor", "json"])]
    out: Option<PathBuf>,
    /// Of this supervisor alone (`analysts`: of people without one); without --out it is printed
    #[arg(long, value_name = "ID")]
    supervisor: Option<String>,
    /// The week of this day [default: the last that is over]
    #[arg(long, value_name = "DATE")]
    week: Option<String>,
    /// Of this organisation alone
    #[arg(long, value_name = "T")]
    tenant: Option<String>,
    /// Language, where a supervisor's locale says none
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
    /// Names, though messages say pseudonyms: who asked and why is kept (`filin reveal --list`)
    #[arg(long, requires = "reason")]
    names: bool,
    /// Why names are wanted
    #[arg(long, value_name = "TEXT", requires = "names")]
    reason: Option<String>,
    /// Who wants them [default: the name of this account]
    #[arg(long, value_name = "NAME", requires = "names")]
    by: Option<String>,
    #[command(flatten)]
    place: Where,
}

/// A page and whose it is.
struct Made {
    frame: Frame,
    digest: Digest,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let from = match args.week.as_deref() {
        None => last_week(clock::now()),
        Some(text) => {
            let day = Date::parse(text).ok_or_else(|| Usage(format!("--week: {text:?} is no date, as in 2026-11-16")))?;
            Date(day.0 - day.weekday())
        }
    };
    let by = if args.names { who(args.by.clone())? } else { String::new() };
    let config = args.place.config()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let made = runtime.block_on(async {
        let (client, opened) = store(&config).await?;
        let made = async {
            let made = all(&client, &config, &args, from).await?;
            if args.names {
                record(&client, &config, &args, &by, &made).await?;
            }
            anyhow::Ok(made)
        };
        let made = made.await;
        close(opened).await;
        made
    })?;
    if let (Some(id), true) = (&args.supervisor, made.is_empty()) {
        anyhow::bail!("nobody who was active in the week of {from} has {id:?} as their supervisor");
    }
    let mut out = io::stdout().lock();
    if args.place.json {
        let shown = |m: &Made| json!({ "supervisor": m.frame.supervisor, "digest": m.digest });
        writeln!(out, "{}", serde_json::to_string_pretty(&made.iter().map(shown).collect::<Vec<_>>())?)?;
    } else if let Some(folder) = &args.out {
        fs::create_dir_all(folder)?;
        for m in &made {
            let path = folder.join(file_name(m));
            fs::write(&path, page(&m.frame, &m.digest))?;
            let waiting = m.digest.unanswered.len();
            let looked_at = m.digest.people.iter().filter(|p| !p.is_usual()).count();
            writeln!(
                out,
                "{}: {} people, {looked_at} to be looked at, {waiting} alerts unanswered",
                path.display(),
                m.digest.people.len()
            )?;
        }
        if made.is_empty() {
            writeln!(out, "nobody was active in the week of {from}")?;
        }
    } else {
        for m in &made {
            out.write_all(page(&m.frame, &m.digest).as_bytes())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes down whose names somebody sees.
async fn record(client: &clickhouse::Client, config: &Config, args: &Args, by: &str, made: &[Made]) -> anyhow::Result<()> {
    for Made { digest, .. } in made {
        let week = digest.from.to_string();
        let asked = reveal::Question { by, reason: args.reason.as_deref().unwrap_or_default(), place: "digest", about: &week };
        let active = digest.people.iter().map(|p| &p.week).chain(&digest.silent).map(|of| of.manager_alias.clone());
        let all: BTreeSet<String> = active.chain(digest.unanswered.iter().map(|told| told.manager_alias.clone())).collect();
        reveal::record(client, config, &asked, &digest.tenant, all).await?;
    }
    Ok(())
}

/// The digests of every tenant, by tenant and supervisor.
async fn all(client: &clickhouse::Client, config: &Config, args: &Args, from: Date) -> anyhow::Result<Vec<Made>> {
    let sql = "SELECT DISTINCT toString(tenant) AS t FROM manager_day ORDER BY t";
    let tenants = client.query(sql).fetch_all::<String>().await.map_err(crate::store::Error::from)?;
    let mut made = Vec::new();
    for tenant in tenants.iter().filter(|t| !is_own(t) && args.tenant.as_ref().is_none_or(|only| only == *t)) {
        let people = reference::people_of(client, tenant).await?;
        let week = Week::read(client, tenant, from).await?;
        for (supervisor, theirs) in by_supervisor(&people, week.people()) {
            let id = supervisor.as_deref().unwrap_or(NOBODY);
            if args.supervisor.as_deref().is_some_and(|only| only != id) {
                continue;
            }
            made.push(Made { frame: frame(config, args, &people, supervisor, &theirs), digest: week.of(&theirs) });
        }
    }
    Ok(made)
}

/// Everybody, by who hears of them.
fn by_supervisor(people: &Directory, all: BTreeSet<&str>) -> BTreeMap<Option<String>, BTreeSet<String>> {
    let (now, mut theirs) = (clock::now(), BTreeMap::<_, BTreeSet<String>>::new());
    for id in all {
        theirs.entry(who::supervisor(people, id, now, 0)).or_default().insert(id.to_owned());
    }
    theirs
}

fn frame(config: &Config, args: &Args, people: &Directory, supervisor: Option<String>, theirs: &BTreeSet<String>) -> Frame {
    let user = |id: &str| people.users().at(id, clock::now());
    let locale = supervisor.as_deref().and_then(user).and_then(|u| u.locale.as_deref());
    let named = |id: &String| Some((id.clone(), user(id)?.name.clone()?));
    Frame {
        russian: locale.map_or(args.lang == Lang::Ru, |l| l.to_ascii_lowercase().starts_with("ru")),
        names: if config.privacy.names_in_messages || args.names { theirs.iter().filter_map(named).collect() } else { BTreeMap::new() },
        console: config.http.public_url.clone().unwrap_or_else(|| format!("http://{}", config.http.listen)),
        supervisor,
    }
}

/// `digest-2026-11-16-acme-u-9.html`; what cannot stand in a name is `%` and its code.
fn file_name(made: &Made) -> String {
    let plain = |text: &str| {
        let one = |b: u8| if b.is_ascii_alphanumeric() || b"-_.".contains(&b) { char::from(b).to_string() } else { format!("%{b:02x}") };
        text.bytes().map(one).collect::<String>()
    };
    let (tenant, id) = (plain(&made.digest.tenant), plain(made.frame.supervisor.as_deref().unwrap_or(NOBODY)));
    format!("digest-{}-{tenant}-{id}.html", made.digest.from)
}
