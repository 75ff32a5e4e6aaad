//! What a reader may ask.
//!
//! `readonly=1` is not enough: under it files are written (`INTO OUTFILE`) and read (`file()`), other machines called
//! (`DESCRIBE url(…)`), queries killed. So a statement is looked at three times before it runs: its tokens here, its class by the
//! engine's parser, and the tables and functions that it resolves to, by `EXPLAIN QUERY TREE`. What is not known is refused.

use std::collections::BTreeSet;

use super::{
    DATABASE,
    connection::{Connection, Exception, Parameters},
    lex::{Kind, Token},
    statement::{Statement, Verb},
};

/// Tables that hold names, raw events or states; whatever database they are in.
const TABLES: &[&str] = &[
    "alert_actions",
    "clients",
    "credentials",
    "dead_letters",
    "erasures",
    "events_raw",
    "integrity_salts",
    "log",
    "log_meta",
    "login_claims",
    "manager_state",
    "orders",
    "priors",
    "reveal_requests",
    "reveals",
    "sessions",
    "tenant_state",
    "users",
];
/// Views of Filin's own, which may read such tables: they leave out what readers must not see.
const VIEWS: &[&str] = &["actions", "alert_states", "alerts_latest", "client_totals", "dead_letter_counts", "managers", "reveal_counts"];
/// Tables of the system that tell nothing about people or other people's queries.
const SYSTEM: &[&str] = &[
    "aggregate_function_combinators",
    "asynchronous_metrics",
    "build_options",
    "clusters",
    "collations",
    "columns",
    "completions",
    "contributors",
    "current_roles",
    "dashboards",
    "data_skipping_indices",
    "data_type_families",
    "databases",
    "detached_parts",
    "disks",
    "documentation",
    "enabled_roles",
    "events",
    "formats",
    "functions",
    "keywords",
    "licenses",
    "macros",
    "merge_tree_settings",
    "merges",
    "metrics",
    "numbers",
    "numbers_mt",
    "one",
    "parts",
    "privileges",
    "projections",
    "replicas",
    "roles",
    "settings",
    "storage_policies",
    "table_engines",
    "table_functions",
    "tables",
    "time_zones",
    "zeros",
    "zeros_mt",
];
/// Engines whose tables hold their own data; others read files, machines or tables behind the reader's back.
const ENGINES: &[&str] = &["Log", "Memory", "StripeLog", "TinyLog"];
const TABLE_FUNCTIONS: &[&str] = &["generate_series", "generateseries", "numbers", "numbers_mt", "sqlstandardvalues", "values", "view"];
/// Also a function of texts. As a table function it shows up in the query tree.
const ALSO_FUNCTION: &str = "format";
/// Functions that read files, call machines, write logs or look into tables by a name in a text.
const FUNCTIONS: &[&str] = &[
    "__getscalar",
    "__scalarsubqueryresult",
    "addresstoline",
    "addresstolinewithinlines",
    "addresstosymbol",
    "aiclassify",
    "aiembed",
    "aiextract",
    "aigenerate",
    "aitranslate",
    "catboostevaluate",
    "chdb",
    "evalmlmethod",
    "file",
    "generateserialid",
    "getclienthttpheader",
    "hascolumnintable",
    "joinget",
    "joingetornull",
    "logtrace",
    "showcertificate",
];
/// The same by their beginning, when called.
const FUNCTION_PREFIXES: &[&str] = &["dict", "naivebayes", "region"];
/// Formats that read or write files beside the result.
const FORMATS: &[&str] = &["CapnProto", "Protobuf", "ProtobufList", "ProtobufSingle", "Template", "TemplateIgnoreSpaces"];
const SHOW: &[&str] = &[
    "COLUMNS",
    "CREATE",
    "DATABASES",
    "ENGINES",
    "FIELDS",
    "FUNCTIONS",
    "INDEX",
    "INDEXES",
    "INDICES",
    "KEYS",
    "SETTING",
    "SETTINGS",
    "TABLES",
];
const EXPLAIN: &[&str] = &["AST", "ESTIMATE", "PIPELINE", "PLAN", "QUERY", "SYNTAX", "TREE"];
/// Views of views.
const DEPTH: usize = 5;

/// What the engine has, as far as readers are concerned.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Names of table functions, in lower case.
    pub(super) table_functions: BTreeSet<String>,
}

/// Refuses what a reader may not ask. `connection` is already read-only and bounded.
pub(super) fn check(
    connection: &mut Connection,
    statement: &Statement<'_>,
    format: &str,
    parameters: &Parameters,
    known: &Known,
) -> Result<(), Exception> {
    if FORMATS.iter().any(|refused| refused.eq_ignore_ascii_case(format)) {
        return Err(denied(&format!("format {format}")));
    }
    for select in selects(statement, known)? {
        check_select(connection, &select, parameters, known, DEPTH)?;
    }
    Ok(())
}

/// Looks at the tokens alone; gives the `SELECT`s whose tables must be looked at.
fn selects(statement: &Statement<'_>, known: &Known) -> Result<Vec<Vec<u8>>, Exception> {
    check_tokens(statement, known)?;
    let tokens = &statement.tokens[..];
    let text = statement.without_format();
    let from = |token: Token| text.get(token.start..).unwrap_or_default().to_vec();
    let begins = |token: &Token| ["SELECT", "WITH"].iter().any(|k| statement.is(*token, k)) || statement.text(*token) == b"(";
    let mut selects = views(statement)?;
    match statement.verb {
        Verb::Select => selects.push(text),
        Verb::Explain => {
            let at = tokens.iter().position(begins).ok_or_else(|| denied("this EXPLAIN"))?;
            let options = tokens.get(1..at).unwrap_or_default();
            let mut value = false;
            for &token in options {
                let word = EXPLAIN.iter().any(|k| statement.is(token, k));
                let sign = matches!(token.kind, Kind::Sign(b'=' | b',') | Kind::Number);
                // A setting: its name stands before `=`.
                let setting = options.iter().any(|next| next.start > token.start && next.kind == Kind::Sign(b'='));
                if !(word || sign || (token.kind == Kind::Word && (setting || value))) {
                    return Err(denied("this EXPLAIN"));
                }
                value = token.kind == Kind::Sign(b'=');
            }
            selects.extend(tokens.get(at).map(|&token| from(token)));
        }
        Verb::Describe => {
            let mut rest = tokens.iter().skip(1).copied().peekable();
            rest.next_if(|&token| statement.is(token, "TABLE"));
            let mut names = Vec::new();
            loop {
                match rest.next().filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted)) {
                    Some(name) => names.push(name),
                    None => return Err(denied("this DESCRIBE: name a table")),
                }
                if names.len() == 2 || rest.next_if(|token| token.kind == Kind::Sign(b'.')).is_none() {
                    break;
                }
            }
            let mut rest: Vec<_> = rest.collect();
            while rest.last().is_some_and(|token| token.kind == Kind::Sign(b';')) {
                rest.pop();
            }
            let format = rest.len() == 2 && statement.is(rest[0], "FORMAT");
            if !(rest.is_empty() || format) {
                return Err(denied("this DESCRIBE: name a table"));
            }
            check_names(statement)?;
        }
        Verb::Show | Verb::Exists => {
            let plain = |token: &Token| token.kind != Kind::Open && !statement.is(*token, "WHERE");
            if !tokens.iter().all(plain) {
                return Err(denied("conditions and brackets here: use LIKE"));
            }
            if statement.verb == Verb::Show {
                let mut words =
                    tokens.iter().skip(1).filter(|&&t| !["FULL", "EXTENDED", "TEMPORARY", "CHANGED"].iter().any(|k| statement.is(t, k)));
                if !words.next().is_some_and(|&token| SHOW.iter().any(|k| statement.is(token, k))) {
                    return Err(denied("this SHOW"));
                }
                check_names(statement)?;
            }
        }
        Verb::Insert | Verb::Kill | Verb::Optimize | Verb::Other => {
            return Err(Exception::new(164, "READONLY", "Cannot execute query in readonly mode"));
        }
    }
    Ok(selects)
}

/// What may stand nowhere: data written to files, functions that reach out, what the lexer is not sure about.
fn check_tokens(statement: &Statement<'_>, known: &Known) -> Result<(), Exception> {
    for (i, &token) in statement.tokens.iter().enumerate() {
        let next = statement.tokens.get(i + 1).copied();
        let called = next.is_some_and(|next| statement.text(next) == b"(");
        match token.kind {
            Kind::Odd => return Err(denied("signs beyond ASCII outside of quotes, here-documents, quotes and comments without an end")),
            Kind::Word if statement.is(token, "INTO") => return Err(denied("INTO")),
            // The engine refuses them in readonly mode, but not within sub-queries. A table may be called so: system.settings.
            Kind::Word if statement.is(token, "SETTINGS") => {
                let member = i > 0 && statement.tokens.get(i - 1).is_some_and(|before| before.kind == Kind::Sign(b'.'));
                let named = next.filter(|next| matches!(next.kind, Kind::Word | Kind::Quoted));
                let set = statement.tokens.get(i + 2).is_some_and(|sign| sign.kind == Kind::Sign(b'='));
                if let Some(name) = named.filter(|_| set && !member) {
                    return Err(read_only(&identifier(statement, name)));
                }
            }
            Kind::Word | Kind::Quoted => {
                let name = identifier(statement, token);
                let escaped =
                    statement.text(token).contains(&b'\\') || next.is_some_and(|n| n.kind == Kind::Quoted && n.start == token.end);
                if token.kind == Kind::Quoted && escaped {
                    return Err(denied("escapes in quoted names"));
                }
                let table_function =
                    known.table_functions.contains(&name) && !TABLE_FUNCTIONS.contains(&name.as_str()) && name != ALSO_FUNCTION;
                let prefixed = FUNCTION_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
                if FUNCTIONS.contains(&name.as_str()) || (called && (table_function || prefixed)) {
                    return Err(denied(&format!("function {name}")));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Refuses names of tables that readers do not see, where they cannot be anything else.
fn check_names(statement: &Statement<'_>) -> Result<(), Exception> {
    for &token in &statement.tokens {
        let name = identifier(statement, token);
        if matches!(token.kind, Kind::Word | Kind::Quoted) && TABLES.contains(&name.as_str()) {
            return Err(denied(&format!("table {name}")));
        }
    }
    Ok(())
}

/// A name without its quotes, in lower case.
fn identifier(statement: &Statement<'_>, token: Token) -> String {
    let text = String::from_utf8_lossy(statement.text(token)).to_lowercase();
    text.trim_matches(['`', '"']).to_owned()
}

/// The `SELECT`s within `view(…)`: the query tree does not look into them.
fn views(statement: &Statement<'_>) -> Result<Vec<Vec<u8>>, Exception> {
    let tokens = &statement.tokens;
    let mut found = Vec::new();
    for (i, pair) in tokens.windows(2).enumerate() {
        if identifier(statement, pair[0]) != "view" || statement.text(pair[1]) != b"(" {
            continue;
        }
        let mut depth = 0_i32;
        let end = tokens.iter().skip(i + 1).find(|token| {
            depth += match token.kind {
                Kind::Open => 1,
                Kind::Close => -1,
                _ => 0,
            };
            depth == 0
        });
        let end = end.ok_or_else(|| denied("a bracket without an end"))?;
        found.push(statement.between(pair[1].end, end.start).to_vec());
    }
    Ok(found)
}

fn check_select(connection: &mut Connection, select: &[u8], parameters: &Parameters, known: &Known, depth: usize) -> Result<(), Exception> {
    let mut explain = b"EXPLAIN QUERY TREE run_passes = 1, passes = 1 ".to_vec();
    explain.extend(select);
    let tree = connection.query(&explain, "TSVRaw", parameters)?;
    let tree = String::from_utf8_lossy(&tree.body);
    // The shorter forms of a SETTINGS clause, which the tokens do not tell from names.
    if let Some(settings) = tree.lines().find_map(|line| line.trim_start().strip_prefix("SETTINGS ")) {
        return Err(read_only(settings.split('=').next().unwrap_or_default()));
    }
    for name in values(&tree, "table_function_name: ") {
        if !TABLE_FUNCTIONS.contains(&name.to_lowercase().as_str()) {
            return Err(denied(&format!("table function {name}")));
        }
    }
    for name in values(&tree, " function_name: ") {
        let lower = name.to_lowercase();
        if FUNCTIONS.contains(&lower.as_str()) || FUNCTION_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
            return Err(denied(&format!("function {name}")));
        }
    }
    let tables: BTreeSet<&str> = values(&tree, "table_name: ").collect();
    for name in tables {
        check_table(connection, name, known, depth)?;
    }
    Ok(())
}

/// The values that follow `key` in a query tree. A text of the query that looks the same only adds to them.
fn values<'t>(tree: &'t str, key: &'t str) -> impl Iterator<Item = &'t str> {
    tree.match_indices(key).map(move |(at, _)| {
        let rest = tree.get(at + key.len()..).unwrap_or_default();
        rest.split([',', '\n']).next().unwrap_or_default().trim()
    })
}

fn check_table(connection: &mut Connection, full: &str, known: &Known, depth: usize) -> Result<(), Exception> {
    let (database, table) = full.split_once('.').ok_or_else(|| denied(&format!("table {full}")))?;
    let allowed = match database.to_ascii_lowercase().as_str() {
        "information_schema" => true,
        "system" => SYSTEM.contains(&table),
        _ if TABLES.contains(&table.to_lowercase().as_str()) => false,
        DATABASE if VIEWS.contains(&table) => true,
        _ => {
            let name = [("d".to_owned(), database.as_bytes().to_vec()), ("t".to_owned(), table.as_bytes().to_vec())];
            let sql = b"SELECT engine, as_select FROM system.tables WHERE database = {d:String} AND name = {t:String}";
            let found = connection.query(sql, "TSVRaw", &name)?;
            let found = String::from_utf8_lossy(&found.body);
            match found.split_once('\t') {
                Some((engine, _)) if engine.ends_with("MergeTree") || ENGINES.contains(&engine) => true,
                Some(("View", select)) if depth > 0 => {
                    for select in selects(&Statement::read(select.trim_end().as_bytes()), known)? {
                        check_select(connection, &select, &[], known, depth - 1)?;
                    }
                    true
                }
                _ => false,
            }
        }
    };
    if allowed { Ok(()) } else { Err(denied(&format!("table {full}"))) }
}

fn read_only(setting: &str) -> Exception {
    Exception::new(164, "READONLY", format!("Cannot modify '{setting}' setting in readonly mode"))
}

fn denied(what: &str) -> Exception {
    Exception::new(497, "ACCESS_DENIED", format!("{READER}: Not enough privileges: {what} is not for readers", READER = super::READER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sql: &str, allowed: bool) {
        let known = Known { table_functions: ["url", "file", "sqlite", "view", "numbers", "format", "merge"].map(str::to_owned).into() };
        let got = selects(&Statement::read(sql.as_bytes()), &known);
        assert_eq!(got.is_ok(), allowed, "{sql}: {got:?}");
    }

    #[test]
    fn tokens_are_looked_at() {
        for sql in [
            "SELECT 1",
            "(SELECT 1) UNION ALL (SELECT 2)",
            "WITH 1 AS x SELECT x FORMAT JSON",
            "SELECT 'INTO', `into`, format('{}', 'a') FROM numbers(3)",
            "SELECT clients, log FROM filin.alerts",
            "SELECT settings FROM t WHERE settings IN ('a') ORDER BY settings",
            "SELECT name FROM system.settings LIMIT 5",
            "SELECT name FROM settings AS s WHERE settings = 1",
            "SHOW SETTINGS LIKE '%'",
            "SELECT 'Иванов' AS `имя`",
            "SHOW TABLES FROM filin LIKE '%'",
            "SHOW FULL TABLES",
            "SHOW CREATE TABLE filin.alerts",
            "EXISTS TABLE filin.alerts",
            "DESC filin.alerts",
            "DESCRIBE TABLE `filin`.`alerts` FORMAT JSON;",
            "EXPLAIN SELECT 1",
            "EXPLAIN PIPELINE graph = 1, header = 1 SELECT 1",
            "EXPLAIN QUERY TREE (SELECT 1)",
        ] {
            check(sql, true);
        }
        for sql in [
            "INSERT INTO t VALUES (1)",
            "CREATE TABLE t (a UInt8)",
            "SET a = 1",
            "FROM t SELECT 1",
            "SELECT 1 INTO OUTFILE '/x'",
            "SELECT 1 SETTINGS final = 0",
            "SELECT * FROM (SELECT 1 SETTINGS final = 0)",
            "SELECT * FROM (SELECT 1 settings/**/`final` = 0)",
            "SELECT 1 /* c */ iNtO /* d */ OUTFILE '/x' TRUNCATE",
            "EXPLAIN SELECT 1 INTO OUTFILE '/x'",
            "KILL QUERY WHERE 1 ASYNC",
            "SELECT * FROM url('http://x')",
            "SELECT * FROM `url` ('http://x')",
            "SELECT * FROM \"URL\"/**/('http://x')",
            "SELECT * FROM `u\\rl`('http://x')",
            "SELECT * FROM `a``b`",
            "SELECT file('/etc/passwd')",
            "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
            "SELECT dictGet('d', 'a', 1)",
            "DESCRIBE TABLE file('/x.csv')",
            "DESC url('http://x')",
            "DESCRIBE (SELECT 1)",
            "DESCRIBE filin.users",
            "DESCRIBE",
            "SHOW CREATE TABLE filin.users",
            "SHOW PROCESSLIST",
            "SHOW TABLES WHERE name IN (SELECT id FROM users)",
            "SHOW TABLES WHERE name IN users",
            "EXISTS (SELECT 1)",
            "EXPLAIN TABLE OVERRIDE mysql('h:1', 'd', 't', 'u', 'p') PARTITION BY x",
            "EXPLAIN CURRENT TRANSACTION",
            "EXPLAIN INSERT INTO t SELECT 1",
            "SELECT $x$ 1 $x$",
            "SELECT 1 AS \u{201c}a\u{201d}",
            "SELECT 'a",
            "",
        ] {
            check(sql, false);
        }
    }

    #[test]
    fn views_are_looked_into() {
        let known = Known::default();
        let got = selects(&Statement::read(b"SELECT * FROM view(SELECT 1 FROM VIEW (SELECT (2)))"), &known).unwrap();
        let got: Vec<_> = got.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect();
        assert_eq!(got, ["SELECT 1 FROM VIEW (SELECT (2))", "SELECT (2)", "SELECT * FROM view(SELECT 1 FROM VIEW (SELECT (2)))"]);
    }

    #[test]
    fn names_are_taken_from_the_tree() {
        let tree = "  TABLE id: 3, alias: a\nb, table_name: filin.users, final: 1\n TABLE_FUNCTION id: 4, table_function_name: numbers\n";
        assert_eq!(values(tree, "table_name: ").collect::<Vec<_>>(), ["filin.users"]);
        assert_eq!(values(tree, "table_function_name: ").collect::<Vec<_>>(), ["numbers"]);
        assert_eq!(values(tree, " function_name: ").count(), 0);
    }
}
