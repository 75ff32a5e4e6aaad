//! The layers of the code: which module may use which, and where tokio, Kafka and ClickHouse may be named.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use syn::visit::Visit;

/// What each module may use of ours. A part may have a row of its own.
const MAY_USE: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("adapter", &["event"]),
    ("directory", &["event"]),
    ("ops", &["event"]),
    ("engine", &["event", "directory"]),
    ("model", &["event", "directory", "engine"]),
    ("simulate", &["event", "directory", "model"]),
    ("source", &["event", "directory", "engine", "ops"]),
    ("log", &["event", "directory", "engine", "ops"]),
    ("store", &["event", "directory", "engine", "ops"]),
    ("notify", &["event", "directory", "engine", "ops"]),
    ("pipeline", ALL),
    ("api", ALL),
    ("console", ALL),
    ("cli", ALL),
];

/// All but the made-up company, which a running service knows only as the demo.
const ALL: &[&str] =
    &["event", "adapter", "directory", "ops", "engine", "model", "source", "log", "store", "notify", "pipeline", "api", "console", "cli"];

/// Who runs the made-up company.
const SIMULATES: &[&str] = &["pipeline", "cli"];

/// Crates that stay out of the pure modules: those of the package `filin-core`, which therefore does not depend on them.
const IMPURE: &[&str] = &["tokio", "tokio_util", "rdkafka", "clickhouse", "tracing", "axum", "hyper"];
const PURE: &[&str] = &["event", "adapter", "directory", "engine", "model", "simulate"];

/// A path that a file names, with its line.
struct Use {
    path: Vec<String>,
    line: usize,
}

/// Collects paths: `use` trees with their braces, and paths inside code, types, attributes and macros.
#[derive(Default)]
struct Paths(Vec<Use>);

impl Paths {
    fn tree(&mut self, tree: &syn::UseTree, before: &[String], line: usize) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(p) => self.tree(&p.tree, &with(&p.ident), line),
            syn::UseTree::Name(n) => self.0.push(Use { path: with(&n.ident), line }),
            syn::UseTree::Rename(r) => self.0.push(Use { path: with(&r.ident), line }),
            syn::UseTree::Glob(_) => self.0.push(Use { path: before.to_vec(), line }),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before, line)),
        }
    }

    /// Macros are tokens: names joined by `::` are paths there as well.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut line) = (0, 0);
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.push(&mut path, line);
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                proc_macro2::TokenTree::Punct(p) if p.as_char() == ':' => colons += 1,
                proc_macro2::TokenTree::Group(group) => {
                    self.push(&mut path, line);
                    colons = 0;
                    self.tokens(group.stream());
                }
                _ => {
                    self.push(&mut path, line);
                    colons = 0;
                }
            }
        }
        self.push(&mut path, line);
    }

    fn push(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.0.push(Use { path, line });
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &[], item.use_token.span.start().line);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let line = path.segments.first().map_or(0, |s| s.ident.span().start().line);
        self.0.push(Use { path: path.segments.iter().map(|s| s.ident.to_string()).collect(), line });
        syn::visit::visit_path(self, path);
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.visit_path(&list.path);
        self.tokens(list.tokens.clone());
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.visit_path(&mac.path);
        self.tokens(mac.tokens.clone());
    }
}

/// What a path names: a module of ours, or else a crate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Ours(String),
    Crate(String),
}

/// `module` is the path of the module that holds the text, as in `[engine, score]`; `declared` are names of its own modules.
fn named(path: &[String], module: &[String], declared: &BTreeSet<String>) -> Option<Named> {
    let first = path.first()?.as_str();
    match first {
        "crate" => Some(Named::Ours(path.get(1)?.clone())),
        "super" => {
            let ups = path.iter().take_while(|p| *p == "super").count();
            // Up to the root of the crate and down again.
            (ups == module.len()).then(|| path.get(ups).map(|p| Named::Ours(p.clone()))).flatten()
        }
        "self" | "Self" => None,
        _ if declared.contains(first) => None,
        _ => Some(Named::Crate(first.to_owned())),
    }
}

fn check(text: &str, module: &[String], at: &str, found: &mut Vec<String>) {
    let file = syn::parse_file(text).unwrap_or_else(|e| panic!("{at}: {e}"));
    let declared: BTreeSet<String> =
        file.items.iter().filter_map(|item| if let syn::Item::Mod(m) = item { Some(m.ident.to_string()) } else { None }).collect();
    let mut paths = Paths::default();
    // Tests beside the code may use what they need.
    for item in file.items.iter().filter(|item| !is_test(item)) {
        paths.visit_item(item);
    }
    let top = module.first().map_or("", String::as_str);
    let Some(&(_, may)) = MAY_USE.iter().find(|(name, _)| *name == top) else {
        found.push(format!("{at}: module {top} is not in the table of layers"));
        return;
    };
    let mut told = BTreeSet::new();
    for Use { path, line } in paths.0 {
        let wrong = match named(&path, module, &declared) {
            Some(Named::Ours(other)) if other == top => None,
            Some(Named::Ours(other)) if other == "simulate" => (!SIMULATES.contains(&top)).then(|| format!("{top} may not use simulate")),
            // Macros of the crate's root, and its items, are no modules.
            Some(Named::Ours(other)) if !MAY_USE.iter().any(|(name, _)| *name == other) => None,
            Some(Named::Ours(other)) => (!may.contains(&other.as_str())).then(|| format!("{top} may not use {other}")),
            Some(Named::Crate(other)) => {
                (PURE.contains(&top) && IMPURE.contains(&other.as_str())).then(|| format!("{other} stays out of {top}"))
            }
            None => None,
        };
        if let Some(wrong) = wrong
            && told.insert((line, wrong.clone()))
        {
            found.push(format!("{at}:{line}: {wrong} ({})", path.join("::")));
        }
    }
}

fn is_test(item: &syn::Item) -> bool {
    let attrs = match item {
        syn::Item::Mod(m) => &m.attrs,
        syn::Item::Use(u) => &u.attrs,
        syn::Item::Fn(f) => &f.attrs,
        _ => return false,
    };
    attrs.iter().any(|a| a.path().is_ident("cfg") && matches!(&a.meta, syn::Meta::List(list) if list.tokens.to_string() == "test"))
}

/// Files of a folder, deeper ones too.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push(path);
        }
    }
    all.sort();
    all
}

/// `engine/score.rs` is `[engine, score]`, `engine/mod.rs` is `[engine]`.
fn module(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> = path.with_extension("").iter().map(|p| p.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|p| p == "mod") {
        parts.pop();
    }
    parts
}

#[test]
fn no_module_uses_what_it_may_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut seen) = (Vec::new(), BTreeMap::new());
    for (src, path) in ["core/src", "src"].into_iter().flat_map(|src| files(&root.join(src)).into_iter().map(move |path| (src, path))) {
        let inner = path.strip_prefix(root.join(src)).expect("inside");
        let module = module(inner);
        let top = module.first().cloned().unwrap_or_default();
        // The map of the crate and its thin main; tests in files of their own.
        if matches!(top.as_str(), "lib" | "main") || module.last().is_some_and(|m| m == "tests") {
            continue;
        }
        if PURE.contains(&top.as_str()) != (src == "core/src") {
            found.push(format!("{src}/{}: {top} belongs into the other package", inner.display()));
        }
        *seen.entry(top).or_insert(0) += 1;
        check(&fs::read_to_string(&path).expect("readable"), &module, &format!("{src}/{}", inner.display()), &mut found);
    }
    let list = found.iter().fold(String::new(), |mut all, line| {
        writeln!(all, "{line}").expect("in memory");
        all
    });
    assert!(found.is_empty(), "layers are crossed:\n{list}");
    assert!(["event", "adapter", "engine", "cli"].iter().all(|m| seen.contains_key(*m)), "{seen:?}");
}

#[test]
fn crossings_are_found_however_they_are_written() {
    let crossings = |module: &str, text: &str| {
        let mut found = Vec::new();
        check(text, &module.split('/').map(str::to_owned).collect::<Vec<_>>(), "f.rs", &mut found);
        found
    };
    for (module, text, expected) in [
        ("engine/score", "use crate::{event::Event, store};", "f.rs:1: engine may not use store (crate::store)"),
        (
            "engine/score",
            "\nuse crate::{\n event::{Event, Action},\n ops::{clock, config as c},\n};",
            "f.rs:2: engine may not use ops (crate::ops::clock)",
        ),
        ("event", "fn f() { let x: crate::engine::Tenant = y(); }", "f.rs:1: event may not use engine (crate::engine::Tenant)"),
        ("event/time", "use super::super::directory::Zone;", "f.rs:1: event may not use directory (super::super::directory::Zone)"),
        ("adapter", "async fn f() {\n  tokio::spawn(g()).await;\n}", "f.rs:2: tokio stays out of adapter (tokio::spawn)"),
        ("directory", "fn f() { if g() { tracing::warn!(\"x\"); } }", "f.rs:1: tracing stays out of directory (tracing::warn)"),
        (
            "engine",
            "fn f() { assert!(vec![crate::ops::clock::now()].len() > 0); }",
            "f.rs:1: engine may not use ops (crate::ops::clock::now)",
        ),
        ("engine", "#[derive(clickhouse::Row)]\nstruct S;", "f.rs:1: clickhouse stays out of engine (clickhouse::Row)"),
        ("api", "use crate::simulate::demo::Demo;", "f.rs:1: api may not use simulate (crate::simulate::demo::Demo)"),
        ("nosuch", "", "f.rs: module nosuch is not in the table of layers"),
    ] {
        assert_eq!(crossings(module, text).first().map(String::as_str), Some(expected), "{text}");
    }
    for (module, text) in [
        ("engine/score", "use crate::{engine::day::Day, event::Event};\nuse super::math;"),
        ("engine", "mod tracing;\nuse tracing::x;"),
        ("engine", "#[cfg(test)]\nmod tests { use crate::ops::clock; }"),
        ("pipeline/demo", "use crate::simulate::demo::Demo;"),
        ("store", "use clickhouse::Row;\nuse crate::ops::clock;"),
        ("event", "pub(crate) use words;\nfn f() { crate::words!(X); }"),
    ] {
        assert_eq!(crossings(module, text), Vec::<String>::new(), "{text}");
    }
}
