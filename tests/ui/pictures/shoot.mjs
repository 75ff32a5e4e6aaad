// Starts Filin on its demo company with a webhook, backups and a Prometheus beside it, lets people answer some alerts, and draws every dashboard
// with what is there then. Usage: node shoot.mjs CACHE FILIN PROMETHEUS CHROMIUM OUT MINUTES [only a dashboard's uid]
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromClickHouse, fromPrometheus, rangeOf, variables } from './ask.mjs';

const [cache, filin, prometheus, chromium, out, minutes, only] = process.argv.slice(2);
const here = fileURLToPath(new URL('.', import.meta.url));
const repository = fileURLToPath(new URL('../../../', import.meta.url));
const load = createRequire(join(cache, 'package.json'));
const work = mkdtempSync(join(tmpdir(), 'filin-pictures-'));
const children = [];
const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

async function until(what, ready) {
  for (let i = 0; i < 600; i += 1) {
    const found = await ready().catch(() => null);
    if (found) return found;
    await sleep(500);
  }
  throw new Error(`waited too long for ${what}`);
}

const free = () => new Promise((done) => {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});

function start(program, args, environment = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, FILIN_LOG: 'off', ...environment } });
  children.push(child);
  child.on('exit', (code) => { if (code) { console.error(`pictures: ${program} ended with ${code}`); process.exit(1); } });
}

const listening = (handler) => new Promise((done) => {
  const server = http.createServer(handler).listen(0, '127.0.0.1', () => done(server));
});
const address = (server) => `http://127.0.0.1:${server.address().port}`;

/** Filin with everything that a dashboard can show. */
async function service() {
  const busy = Date.now() + 60_000;
  // A receiver that is away at first, takes most and refuses some.
  let n = 0;
  const webhook = await listening((_, answer) => { n += 1; answer.writeHead(Date.now() < busy ? 503 : n % 9 === 0 ? 422 : 200).end(); });
  const places = ['a', 'b'].map((name) => join(work, name));
  places.forEach((place) => mkdirSync(place));
  const key = join(work, 'key');
  writeFileSync(key, 'a key for these pictures, forty letters long');
  const config = join(work, 'filin.toml');
  const text = JSON.stringify;
  writeFileSync(config, `[alerts]
alertmanager = "${address(webhook)}"
webhook = { url = "${address(webhook)}/", secret = "a secret for these pictures" }
escalate_after = "2m"
escalate_from = "high"
notify_max_age = "31d"
[embedded]
data = ${text(join(work, 'data'))}
[backup]
to = ${text(places)}
every = "3m"
key_file = ${text(key)}
[canary]
first = "20s"
every = "5m"
`);
  const [console_, clickhouse] = [await free(), await free()].map((port) => `127.0.0.1:${port}`);
  const data = join(work, 'data');
  start(filin, ['run', '--demo', '--config', config, '--data', data, '--listen', console_, '--clickhouse-listen', clickhouse]);
  await until('Filin', async () => (await fetch(`http://${console_}/readyz`)).ok);
  // Places of backups are begun by hand; the service tries again in three minutes.
  execFileSync(filin, ['backup', '--config', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  const metrics = join(work, 'prometheus.yml');
  writeFileSync(metrics, JSON.stringify({
    global: { scrape_interval: '5s', evaluation_interval: '5s' },
    rule_files: [join(repository, 'dashboards/prometheus/rules.yml')],
    scrape_configs: [{ job_name: 'filin', static_configs: [{ targets: [console_] }] }],
  }));
  // The burst of history at the start is no normal day.
  await until('history to be scored', async () => (await (await fetch(`http://${console_}/v1/status`)).json()).log_behind === 0);
  const port = await free();
  start(prometheus, [`--config.file=${metrics}`, `--storage.tsdb.path=${join(work, 'tsdb')}`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error']);
  return { console: `http://${console_}`, clickhouse: `http://${clickhouse}`, prometheus: `http://127.0.0.1:${port}`, data };
}

/** Two of three alerts are answered: what was an attack as one, the others as work or false alarms; one in seven is looked at. */
async function answer({ console: base, clickhouse, data }) {
  const labels = readFileSync(join(data, 'labels.jsonl'), 'utf8').trim().split('\n').map((l) => JSON.parse(l));
  const thieves = new Set(labels.filter((l) => l.label === 'attack').map((l) => l.manager));
  const ask = async (sql) => (await fetch(`${clickhouse}/?database=filin`, { method: 'POST', body: sql })).text();
  const open = 'alert_id NOT IN (SELECT alert_id FROM actions)';
  const found = await ask(`SELECT alert_id, manager FROM alerts_latest WHERE ${open} ORDER BY opened_at FORMAT JSONCompact`);
  for (const [i, [alert, manager]] of JSON.parse(found).data.entries()) {
    if (i % 3 === 2) continue;
    const verdict = thieves.has(manager) ? 'true_positive' : ['benign_expected', 'false_positive'][i % 3];
    const said = i % 7 === 3 ? { action: 'acknowledge' } : { action: 'close', verdict, reason: 'seen in the demo' };
    const body = JSON.stringify({ ...said, revision: 0, by: 'vera' });
    await fetch(`${base}/v1/alerts/${alert}/actions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  }
  const alias = (await ask('SELECT any(manager_alias) FROM alerts_latest')).trim();
  execFileSync(filin, ['reveal', alias, '--reason', 'a case of the demo', '--by', 'vera', '--data', data], { stdio: 'ignore' });
}

function bundle() {
  copyFileSync(join(here, 'draw.tsx'), join(cache, 'draw.tsx'));
  return load('esbuild').build({
    absWorkingDir: cache,
    entryPoints: ['draw.tsx'],
    bundle: true,
    outfile: join(work, 'draw.js'),
    format: 'iife',
    logLevel: 'error',
    minify: true,
    define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
    loader: { '.svg': 'dataurl', '.woff2': 'dataurl', '.woff': 'dataurl', '.ttf': 'dataurl' },
  });
}

async function pictures(running) {
  const head = '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="draw.css"><style>body{margin:0}</style>';
  writeFileSync(join(work, 'page.html'), `${head}<div id="root"></div><script src="draw.js"></script>`);
  const files = await listening((asked, reply) => {
    try {
      reply.setHeader('content-type', { js: 'text/javascript', css: 'text/css' }[asked.url.split('.').at(-1)] ?? 'text/html');
      reply.end(readFileSync(join(work, asked.url.slice(1).split('?')[0])));
    } catch {
      reply.writeHead(404).end();
    }
  });
  const flags = ['no-sandbox', 'disable-gpu', 'disable-quic', 'no-first-run', 'disable-background-networking', 'disable-component-update', 'disable-sync'];
  const browser = await load('playwright-core').chromium.launch({ executablePath: chromium, args: flags.map((f) => `--${f}`) });
  const asked = (sql) => fetch(`${running.clickhouse}/?database=filin`, { method: 'POST', body: sql });
  const first = async (sql) => (await (await asked(sql)).text()).trim();
  const answered = 'alert_id IN (SELECT alert_id FROM actions)';
  const alert = await first(`SELECT alert_id FROM alerts_latest WHERE length(contributions) > 2 AND ${answered} ORDER BY bits DESC LIMIT 1`);
  const given = { alert, manager: await first(`SELECT manager_alias FROM alerts_latest WHERE alert_id = '${alert}'`) };
  const told = [];
  for (const name of readdirSync(join(repository, 'dashboards')).filter((n) => n.endsWith('.json'))) {
    const dashboard = JSON.parse(readFileSync(join(repository, 'dashboards', name), 'utf8'));
    if (only && dashboard.uid !== only) continue;
    const now = Math.floor(Date.now() / 1000);
    const metrics = dashboard.templating.list.some((v) => v.query === 'prometheus');
    const range = metrics ? { from: now - 60 * Number(minutes) - 60, to: now } : rangeOf(dashboard, now);
    const chosen = metrics ? {} : await variables(dashboard, running.clickhouse, given, range);
    const frames = {};
    for (const panel of dashboard.panels.filter((p) => p.type !== 'row')) {
      frames[panel.id] = metrics
        ? await fromPrometheus(panel, running.prometheus, 'filin', range)
        : await fromClickHouse(panel, running.clickhouse, chosen, range);
      if (!frames[panel.id].some((f) => f.fields[0]?.values.length)) told.push(`${dashboard.uid}: ${panel.title} has no data`);
    }
    // What lies outside of the window is not drawn.
    const bottom = Math.max(...dashboard.panels.map((p) => p.gridPos.y + p.gridPos.h));
    const page = await browser.newPage({ viewport: { width: 1400, height: 52 + 38 * bottom } });
    const wrong = [];
    page.on('pageerror', (e) => wrong.push(e.message.slice(0, 300)));
    await page.goto(`${address(files)}/page.html`);
    const said = Object.entries(chosen).map(([k, v]) => `${k}: ${v === null ? 'All' : v.join(', ')}`).join('   ');
    await page.evaluate((props) => window.draw(props), { dashboard, frames, range, chosen: said });
    await page.waitForTimeout(2500);
    wrong.push(...await page.evaluate(() => window.wrong));
    if (wrong.length) throw new Error(`${dashboard.uid}: ${wrong.join('\n')}`);
    await page.screenshot({ path: join(out, `${dashboard.uid}.png`), fullPage: true });
    await page.close();
    console.log(`pictures: ${dashboard.uid}`);
  }
  await browser.close();
  files.close();
  if (told.length) console.log(`pictures: ${told.join('; ')}`);
}

try {
  mkdirSync(out, { recursive: true });
  await bundle();
  const running = await service();
  await answer(running);
  await sleep(60_000 * Number(minutes));
  await answer(running);
  await pictures(running);
} finally {
  children.forEach((child) => child.kill());
  await sleep(3000);
  rmSync(work, { recursive: true, force: true });
}
process.exit(0);
