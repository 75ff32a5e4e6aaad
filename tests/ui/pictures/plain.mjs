// Renames .mjs of Grafana's packages to .js in the folder that npm filled: to an importer whose name ends in .mjs a bundler gives the defaults
// of Node, and a component that is wanted is an object then. Usage: node plain.mjs NODE_MODULES
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

for (const name of ['data', 'e2e-selectors', 'i18n', 'schema', 'ui']) {
  const root = join(process.argv[2], '@grafana', name);
  if (!existsSync(root)) continue;
  const files = readdirSync(root, { recursive: true }).filter((file) => file.endsWith('.mjs') && !file.includes('node_modules'));
  for (const file of files.map((f) => join(root, f))) {
    writeFileSync(file, readFileSync(file, 'utf8').replace(/(['"])(\.{1,2}\/[^'"]*?)\.mjs\1/g, '$1$2.js$1'));
    renameSync(file, file.replace(/\.mjs$/, '.js'));
  }
  const description = join(root, 'package.json');
  writeFileSync(description, readFileSync(description, 'utf8').replaceAll('.mjs"', '.js"'));
}
