//! What Grafana makes of a query before ClickHouse sees it: its ClickHouse plugin's macros and its variables.

use std::collections::BTreeMap;

/// The time range of a dashboard, seconds since 1970, and the step that Grafana chose.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) interval_s: i64,
}

/// What is chosen for a variable.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Choice {
    All,
    Some(Vec<String>),
}

impl Choice {
    pub(super) fn one(value: &str) -> Self {
        Self::Some(vec![value.to_owned()])
    }
}

pub(super) type Choices = BTreeMap<String, Choice>;

/// The query as it is sent.
pub(super) fn expand(sql: &str, choices: &Choices, range: Range) -> Result<String, String> {
    let sql = variables(&conditional_all(sql, choices)?, choices)?;
    Ok(macros(&sql, range))
}

/// Text up to the bracket that closes an argument list, and what follows it; strings may hold brackets.
fn arguments(text: &str) -> Option<(Vec<String>, &str)> {
    let (mut depth, mut quoted, mut escaped, mut all) = (0, false, false, vec![String::new()]);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' if depth == 0 => return Some((all.iter().map(|a| a.trim().to_owned()).collect(), &text[i + 1..])),
            ')' => depth -= 1,
            ',' if depth == 0 => {
                all.push(String::new());
                continue;
            }
            _ => {}
        }
        all.last_mut().expect("never empty").push(c);
    }
    None
}

/// `$__conditionalAll(phrase, $variable)`: the phrase, or what is always true when all is chosen.
fn conditional_all(sql: &str, choices: &Choices) -> Result<String, String> {
    const MACRO: &str = "$__conditionalAll(";
    let mut sql = sql.to_owned();
    while let Some(at) = sql.rfind(MACRO) {
        let (args, rest) = arguments(&sql[at + MACRO.len()..]).ok_or("brackets are not balanced")?;
        let [phrase, variable] = args.as_slice() else { return Err(format!("two arguments are wanted: {args:?}")) };
        // The plugin replaces with String.replace, to which these mean something.
        if ["$&", "$'", "$`", "$$", "$<"].iter().any(|special| phrase.contains(special)) {
            return Err(format!("{phrase}: the plugin takes $ followed by this for a pattern"));
        }
        let name = variable.strip_prefix('$').ok_or_else(|| format!("{variable} is no variable"))?;
        let choice = choices.get(name).ok_or_else(|| format!("there is no variable {name}"))?;
        let kept = if *choice == Choice::All { "1=1" } else { phrase };
        sql = format!("{}{kept}{rest}", &sql[..at]);
    }
    Ok(sql)
}

/// `${name:singlequote}`: the values in quotes, with commas between them.
fn variables(sql: &str, choices: &Choices) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), sql);
    while let Some((before, after)) = rest.split_once("${") {
        let (inner, tail) = after.split_once('}').ok_or("a variable is not closed")?;
        let name = inner.strip_suffix(":singlequote").ok_or_else(|| format!("${{{inner}}}: without :singlequote a value is code"))?;
        let Some(choice) = choices.get(name) else { return Err(format!("there is no variable {name}")) };
        let Choice::Some(values) = choice else { return Err(format!("{name} may be All: put it into $__conditionalAll")) };
        let quoted: Vec<String> = values.iter().map(|v| format!("'{}'", v.replace('\'', "\\'"))).collect();
        out.push_str(before);
        out.push_str(&quoted.join(","));
        rest = tail;
    }
    Ok(out + rest)
}

/// The macros that dashboards may use; others stay as they are.
fn macros(sql: &str, range: Range) -> String {
    let (mut out, mut rest) = (String::new(), sql);
    while let Some((before, after)) = rest.split_once("$__") {
        out.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (name, tail) = after.split_at(end);
        let called = tail.strip_prefix('(').and_then(arguments);
        let (args, following) = called.as_ref().map_or((&[][..], tail), |(args, following)| (args.as_slice(), *following));
        match (replacement(name, &[], range), replacement(name, args, range)) {
            (Some(plain), _) => {
                out.push_str(&plain);
                rest = tail;
            }
            (None, Some(text)) => {
                out.push_str(&text);
                rest = following;
            }
            (None, None) => {
                out.push_str("$__");
                rest = after;
            }
        }
    }
    out + rest
}

fn replacement(name: &str, args: &[String], Range { from, to, interval_s }: Range) -> Option<String> {
    let date = |s: i64| jiff::Timestamp::from_second(s).expect("a time of ours").strftime("%Y-%m-%d").to_string();
    let ms = |s: i64| format!("fromUnixTimestamp64Milli({})", s * 1000);
    let within = |x: &str, low: String, high: String| format!("{x} >= {low} AND {x} <= {high}");
    let seconds = |x: &str| within(x, format!("toDateTime({from})"), format!("toDateTime({to})"));
    let dates = |x: &str| within(x, format!("toDate('{}')", date(from)), format!("toDate('{}')", date(to)));
    Some(match (name, args) {
        ("fromTime", []) => format!("toDateTime({from})"),
        ("toTime", []) => format!("toDateTime({to})"),
        ("fromTime_ms", []) => ms(from),
        ("toTime_ms", []) => ms(to),
        ("interval_s", []) => interval_s.to_string(),
        ("timeFilter", [x]) => seconds(x),
        ("timeFilter_ms", [x]) => within(x, ms(from), ms(to)),
        ("dateFilter", [x]) => dates(x),
        ("dateTimeFilter", [d, t]) => format!("({}) AND ({})", dates(d), seconds(t)),
        ("timeInterval", [x]) => format!("toStartOfInterval(toDateTime({x}), INTERVAL {interval_s} second)"),
        ("timeInterval_ms", [x]) => format!("toStartOfInterval(toDateTime64({x}, 3), INTERVAL {} millisecond)", interval_s * 1000),
        _ => return None,
    })
}

/// True expansions of the plugin, 4.18, on 14 November 2023 from 22:13:20 for an hour.
#[test]
fn macros_expand_as_in_the_plugin() {
    let range = Range { from: 1_700_000_000, to: 1_700_003_600, interval_s: 60 };
    let check = |sql: &str, expected: &str| assert_eq!(macros(sql, range), expected);
    let both = "ts >= toDateTime(1700000000) AND ts <= toDateTime(1700003600)";
    check("$__timeFilter(ts)", both);
    check("$__timeFilter_ms(ts)", "ts >= fromUnixTimestamp64Milli(1700000000000) AND ts <= fromUnixTimestamp64Milli(1700003600000)");
    check("$__dateFilter(d)", "d >= toDate('2023-11-14') AND d <= toDate('2023-11-14')");
    check("$__dateTimeFilter(d, ts)", &format!("(d >= toDate('2023-11-14') AND d <= toDate('2023-11-14')) AND ({both})"));
    check("$__timeInterval(ts)", "toStartOfInterval(toDateTime(ts), INTERVAL 60 second)");
    check("$__timeInterval_ms(ts)", "toStartOfInterval(toDateTime64(ts, 3), INTERVAL 60000 millisecond)");
    check("$__fromTime, $__toTime", "toDateTime(1700000000), toDateTime(1700003600)");
    check("$__fromTime_ms", "fromUnixTimestamp64Milli(1700000000000)");
    check("($__toTime_ms)", "(fromUnixTimestamp64Milli(1700003600000))");
    check("$__interval_s", "60");
    let zone = "toDateTime(ts,'UTC')";
    check("$__timeFilter(toDateTime(ts,'UTC'))", &both.replace("ts", zone));
    check(
        "SELECT $__timeInterval(ts) AS t, count() FROM a WHERE $__timeFilter(ts) GROUP BY t",
        &format!("SELECT toStartOfInterval(toDateTime(ts), INTERVAL 60 second) AS t, count() FROM a WHERE {both} GROUP BY t"),
    );
    check("$__unknown(ts)", "$__unknown(ts)");
}

#[test]
fn variables_are_quoted_and_all_is_no_condition() {
    let range = Range { from: 0, to: 1, interval_s: 1 };
    let sql = "a = ${x:singlequote} AND $__conditionalAll(f(b, ')') IN (${x:singlequote}), $x) AND c";
    let with = |choice: Choice| expand(sql, &BTreeMap::from([("x".to_owned(), choice)]), range);
    assert_eq!(with(Choice::one("v")).as_deref(), Ok("a = 'v' AND f(b, ')') IN ('v') AND c"));
    assert_eq!(with(Choice::one("O'Hara")).as_deref(), Ok("a = 'O\\'Hara' AND f(b, ')') IN ('O\\'Hara') AND c"));
    let two = Choice::Some(vec!["v".to_owned(), "w".to_owned()]);
    assert_eq!(with(two).as_deref(), Ok("a = 'v','w' AND f(b, ')') IN ('v','w') AND c"));
    assert!(with(Choice::All).is_err(), "All outside of $__conditionalAll");
    let all = BTreeMap::from([("x".to_owned(), Choice::All)]);
    assert_eq!(expand("$__conditionalAll(b IN (${x:singlequote}), $x) AND c", &all, range).as_deref(), Ok("1=1 AND c"));
    assert!(expand("${x}", &all, range).is_err() && expand("${y:singlequote}", &all, range).is_err());
}
