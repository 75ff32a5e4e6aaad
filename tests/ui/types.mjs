// Writes each dashboard as a TypeScript constant of Grafana's type, its panels' options and custom fields by the types of their own
// plugins, and lets tsc read it. Then it breaks copies on purpose: a check that finds nothing there would be worth nothing.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const cache = process.argv[2];
const dashboards = new URL('../../dashboards/', import.meta.url);
const work = join(cache, 'src');
const PANELS = { bargauge: 'BarGauge', stat: 'Stat', table: 'Table', timeseries: 'TimeSeries' };
const CUSTOM = new Set(['table', 'timeseries']);

const imports = Object.entries(PANELS)
  .map(([type, name]) => `import type * as ${type} from '@grafana/schema/dist/esm/raw/composable/${type}/panelcfg/x/${name}PanelCfg_types.gen';`)
  .join('\n');
// JSON holds an enum's value, not the enum.
const head = `import type { Dashboard } from '@grafana/schema';
${imports}
type Plain<T> = T extends string ? \`\${T}\` : T extends number ? (\`\${T}\` extends \`\${infer N extends number}\` ? N : never)
  : T extends boolean | null | undefined ? T : T extends readonly (infer E)[] ? Plain<E>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
`;

function source(given) {
  const dashboard = structuredClone(given);
  // What a query holds beside these is its data source's.
  for (const a of dashboard.annotations.list.filter((a) => a.target)) a.target = { datasource: a.target.datasource, queryType: a.target.queryType, refId: a.target.refId };
  const parts = [head, `export const dashboard: Plain<Dashboard> = ${JSON.stringify(dashboard, null, 1)};`];
  for (const panel of dashboard.panels.filter((p) => p.type !== 'row')) {
    if (!PANELS[panel.type]) throw new Error(`${dashboard.uid}: panels of type ${panel.type} are not checked: add it to types.mjs`);
    const put = (name, type, value) => parts.push(`export const ${name}_${panel.id}: Partial<Plain<${panel.type}.${type}>> = ${JSON.stringify(value)};`);
    put('options', 'Options', panel.options);
    if (CUSTOM.has(panel.type)) {
      put('custom', 'FieldConfig', panel.fieldConfig.defaults.custom);
      for (const [i, o] of panel.fieldConfig.overrides.entries()) {
        const custom = o.properties.filter((p) => p.id.startsWith('custom.')).map((p) => [p.id.slice('custom.'.length), p.value]);
        put(`override${i}`, 'FieldConfig', Object.fromEntries(custom));
      }
    }
  }
  return parts.join('\n');
}

function check(files) {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(work, `${name}.ts`), text);
  const tsc = join(cache, 'node_modules/typescript/bin/tsc');
  const flags = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'esnext', '--moduleResolution', 'bundler', '--target', 'es2022'];
  try {
    execFileSync(process.execPath, [tsc, ...flags, ...Object.keys(files).map((name) => join('src', `${name}.ts`))], { cwd: cache, encoding: 'utf8', stdio: 'pipe' });
    return '';
  } catch (e) {
    return `${e.stdout}${e.stderr}`;
  }
}

const all = readdirSync(dashboards).filter((name) => name.endsWith('.json')).map((name) => JSON.parse(readFileSync(new URL(name, dashboards), 'utf8')));
if (all.length === 0) throw new Error('there are no dashboards');
const complaints = check(Object.fromEntries(all.map((d) => [d.uid, source(d)])));
if (complaints) {
  console.error(complaints);
  process.exit(1);
}

const broken = {
  misspelt: (d) => { d.panels.find((p) => p.type !== 'row').descripton = 'x'; },
  'wrong type': (d) => { d.graphTooltip = 'yes'; },
  'wrong word of a panel': (d) => { d.panels.find((p) => p.type === 'stat').options.colorMode = 'rainbow'; },
  'unknown custom field': (d) => { d.panels.find((p) => p.type === 'timeseries').fieldConfig.defaults.custom.lineWith = 1; },
  'wrong word of an override': (d) => { d.panels.find((p) => p.type === 'timeseries').fieldConfig.overrides = [{ matcher: { id: 'byName', options: 'a' }, properties: [{ id: 'custom.drawStyle', value: 'dots' }] }]; },
};
for (const [what, spoil] of Object.entries(broken)) {
  const copy = structuredClone(all.find((d) => ['stat', 'timeseries'].every((t) => d.panels.some((p) => p.type === t))));
  spoil(copy);
  if (!check({ broken: source(copy) })) {
    console.error(`ui: a dashboard with a ${what} passes: the check is blind`);
    process.exit(1);
  }
}
const panels = all.reduce((n, d) => n + d.panels.filter((p) => p.type !== 'row').length, 0);
console.log(`ui: ${all.length} dashboards with ${panels} panels fit @grafana/schema; ${Object.keys(broken).length} broken ones do not`);
