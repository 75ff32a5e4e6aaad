// Asks what a dashboard asks, of a running Filin's ClickHouse or of Prometheus, and gives the answers as Grafana's frames.
import { expand } from './expand.mjs';

const NICE = [60, 300, 900, 1800, 3600, 7200, 21600, 43200, 86400];
const SPANS = { m: 60, h: 3600, d: 86400 };

function seconds(text) {
  const [, n, unit] = /(\d+)([mhd])$/.exec(text);
  return n * SPANS[unit];
}

/** The time range that the dashboard opens with. */
export function rangeOf(dashboard, now) {
  return { from: now - seconds(dashboard.time.from), to: now };
}

function stepOf(panel, { from, to }) {
  const fits = NICE.find((s) => (to - from) / s <= 400) ?? 86400;
  return Math.max(fits, panel.interval ? seconds(panel.interval) : 0);
}

async function rows(clickhouse, sql) {
  const answer = await fetch(`${clickhouse}/?database=filin`, { method: 'POST', body: `${sql}\nFORMAT JSONCompact` });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${text}\n${sql}`);
  return JSON.parse(text);
}

function field({ name, type }, i, data) {
  const kind = type.replace(/(Nullable|LowCardinality)\(/g, '');
  const values = data.map((row) => row[i]);
  if (kind.startsWith('DateTime')) return { name, type: 'time', values: values.map((v) => v && Date.parse(`${v.replace(' ', 'T')}Z`)) };
  if (/^(U?Int|Float|Decimal)/.test(kind)) return { name, type: 'number', values: values.map((v) => (v === null ? null : Number(v))) };
  if (kind.startsWith('Bool')) return { name, type: 'boolean', values };
  return { name, type: 'string', values };
}

/** A series of its own for each value of the one text column. */
function wide(fields) {
  const label = fields.find((f) => f.type === 'string');
  if (!label) return fields;
  const time = fields[0].values;
  const value = fields.find((f) => f.type === 'number').values;
  const times = [...new Set(time)].sort((a, b) => a - b);
  const at = new Map(times.map((t, i) => [t, i]));
  const series = new Map([...new Set(label.values)].map((name) => [name, times.map(() => null)]));
  label.values.forEach((name, i) => { series.get(name)[at.get(time[i])] = value[i]; });
  return [{ name: 'time', type: 'time', values: times }, ...[...series].map(([name, values]) => ({ name, type: 'number', values }))];
}

/** Values of a dashboard's variables as it opens, but for those that are given. */
export async function variables(dashboard, clickhouse, given, range) {
  const chosen = {};
  for (const v of dashboard.templating.list.filter((v) => v.type !== 'datasource')) {
    const opened = v.current?.value;
    if (given[v.name]) chosen[v.name] = [given[v.name]];
    else if (opened) chosen[v.name] = [opened].flat().includes('$__all') ? null : [opened].flat();
    else if (v.type === 'custom') chosen[v.name] = [v.query.split(',')[0]];
    else chosen[v.name] = [(await rows(clickhouse, expand(v.query, chosen, { ...range, step: 60 }))).data[0]?.[0] ?? ''];
  }
  return chosen;
}

/** What a panel shows, from ClickHouse. */
export async function fromClickHouse(panel, clickhouse, chosen, range) {
  const { meta, data } = await rows(clickhouse, expand(panel.targets[0].rawSql, chosen, { ...range, step: stepOf(panel, range) }));
  const fields = meta.map((column, i) => field(column, i, data));
  return [{ fields: panel.type === 'timeseries' ? wide(fields) : fields }];
}

async function query(prometheus, path, parameters) {
  const answer = await (await fetch(`${prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`)).json();
  if (answer.status !== 'success') throw new Error(JSON.stringify(answer));
  return answer.data.result;
}

const legend = (format, labels) => (format === '__auto' ? 'value' : format.replace(/\{\{(\w+)\}\}/g, (_, name) => labels[name] ?? ''));

/** What a panel shows, from Prometheus. */
export async function fromPrometheus(panel, prometheus, job, { from, to }) {
  const step = Math.max(1, Math.round((to - from) / 200));
  const frames = [];
  for (const target of panel.targets) {
    const expression = target.expr.replaceAll('$__rate_interval', '1m').replaceAll('$job', job);
    if (panel.type === 'timeseries') {
      for (const { metric, values } of await query(prometheus, 'query_range', { query: expression, start: from, end: to, step })) {
        const time = { name: 'time', type: 'time', values: values.map(([t]) => t * 1000) };
        const numbers = values.map(([, v]) => Number(v)).map((v) => (Number.isFinite(v) ? v : null));
        frames.push({ fields: [time, { name: legend(target.legendFormat, metric), type: 'number', values: numbers }] });
      }
      continue;
    }
    const found = await query(prometheus, 'query', { query: expression, time: to });
    if (panel.type === 'table') {
      const names = [...new Set(found.flatMap((f) => Object.keys(f.metric)))].filter((n) => n !== '__name__');
      frames.push({ fields: names.map((name) => ({ name, type: 'string', values: found.map((f) => f.metric[name] ?? '') })) });
    } else {
      frames.push({ fields: found.slice(0, 1).map((f) => ({ name: legend(target.legendFormat, f.metric), type: 'number', values: [Number(f.value[1])] })) });
    }
  }
  return frames;
}
