// What Grafana makes of a query before ClickHouse sees it, as far as our dashboards need it; tests/it/dashboards/expand.rs is checked
// against true expansions of the plugin, this is the same in another language.

/** Arguments up to the bracket that closes them, and where they end; strings may hold brackets. */
function call(text) {
  const all = [''];
  for (let i = 0, depth = 0, quoted = false; i < text.length; i += 1) {
    const c = text[i];
    if (c === "'") quoted = !quoted;
    if (!quoted) {
      if (c === ')' && depth === 0) return [all.map((a) => a.trim()), i + 1];
      depth += (c === '(') - (c === ')');
      if (c === ',' && depth === 0) {
        all.push('');
        continue;
      }
    }
    all[all.length - 1] += c;
  }
  throw new Error(`brackets are not balanced: ${text}`);
}

/** `chosen`: variable to list of values, or null for all. `range`: from, to and step in seconds. */
export function expand(sql, chosen, range) {
  const ALL = '$__conditionalAll(';
  for (let at = sql.lastIndexOf(ALL); at >= 0; at = sql.lastIndexOf(ALL)) {
    const [[phrase, variable], end] = call(sql.slice(at + ALL.length));
    sql = sql.slice(0, at) + (chosen[variable.slice(1)] === null ? '1=1' : phrase) + sql.slice(at + ALL.length + end);
  }
  sql = sql.replace(/\$\{(\w+):singlequote\}/g, (_, name) => chosen[name].map((v) => `'${v.replaceAll("'", "\\'")}'`).join(','));
  const ms = (s) => `fromUnixTimestamp64Milli(${s * 1000})`;
  const date = (s) => `toDate('${new Date(s * 1000).toISOString().slice(0, 10)}')`;
  const plain = {
    fromTime: `toDateTime(${range.from})`,
    toTime: `toDateTime(${range.to})`,
    fromTime_ms: ms(range.from),
    toTime_ms: ms(range.to),
    interval_s: `${range.step}`,
  };
  const called = {
    timeFilter: (x) => `${x} >= ${plain.fromTime} AND ${x} <= ${plain.toTime}`,
    timeFilter_ms: (x) => `${x} >= ${plain.fromTime_ms} AND ${x} <= ${plain.toTime_ms}`,
    dateFilter: (x) => `${x} >= ${date(range.from)} AND ${x} <= ${date(range.to)}`,
    timeInterval: (x) => `toStartOfInterval(toDateTime(${x}), INTERVAL ${range.step} second)`,
    timeInterval_ms: (x) => `toStartOfInterval(toDateTime64(${x}, 3), INTERVAL ${range.step * 1000} millisecond)`,
  };
  for (let at = sql.lastIndexOf('$__'); at >= 0; at = sql.lastIndexOf('$__')) {
    const name = /^\w+/.exec(sql.slice(at + 3))[0];
    const rest = sql.slice(at + 3 + name.length);
    if (plain[name] !== undefined) {
      sql = sql.slice(0, at) + plain[name] + rest;
    } else {
      const [args, end] = call(rest.slice(1));
      if (!called[name]) throw new Error(`$__${name} is not known here`);
      sql = sql.slice(0, at) + called[name](...args) + rest.slice(1 + end);
    }
  }
  return sql;
}
