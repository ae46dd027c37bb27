//! `make gallery`: takes a picture of each state that people see, in both languages, and writes the index docs/gallery.md.
//! A group is a file beside this one. It exports
//!
//! - `title`, and `about`, a sentence for the index
//! - `columns`: the names of its pictures in a row, like `ru` and `en`
//! - `states`: rows of `{ name, caption }`, with `only` a column where the others make no sense
//! - `take(browser, state, column)`: returns the picture, as WebP
//!
//! `node gallery.mjs page` takes the pictures of one group. The index always has all of them.

import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Browser } from '../../api/static/tests/browser.mjs';

const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url));
/** The order of the groups in the index. */
const GROUPS = ['page', 'me', 'chat', 'admin'];

const wanted = process.argv.slice(2).length ? process.argv.slice(2) : GROUPS;
const groups = await Promise.all(GROUPS.map(async (name) => ({ name, ...await import(`./${name}.mjs`) })));
const browser = await Browser.start();
try {
  for (const group of groups) if (wanted.includes(group.name)) await takeAll(group);
} finally {
  await browser.stop();
}
writeFileSync(`${DOCS}gallery.md`, index());

async function takeAll(group) {
  const folder = `${DOCS}gallery/${group.name}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const state of group.states) {
    for (const column of columnsOf(group, state)) writeFileSync(`${folder}/${fileOf(state, column)}`, await group.take(browser, state, column));
  }
  const sizes = readdirSync(folder).map((file) => statSync(`${folder}/${file}`).size);
  console.log(`${group.name}: ${sizes.length} pictures, ${Math.round(sizes.reduce((sum, size) => sum + size, 0) / 1024)} KiB`);
}

function columnsOf(group, { only }) {
  return only ? [only] : group.columns;
}

function fileOf(state, column) {
  return `${state.name}-${column}.webp`;
}

function index() {
  const lines = ['# Gallery', '', 'Every state that people see. `make gallery` takes the pictures anew.', ''];
  for (const group of groups) {
    const { name, title, about, columns, states } = group;
    lines.push(`## ${title}`, '', about, '', `| | ${columns.join(' | ')} |`, `|---|${columns.map(() => '---|').join('')}`);
    for (const state of states) {
      const pictures = columns.map((column) => (columnsOf(group, state).includes(column)
        ? `<img src="gallery/${name}/${fileOf(state, column)}" width="260" alt="${state.caption} (${column})">` : ''));
      lines.push(`| ${state.caption} | ${pictures.join(' | ')} |`);
    }
    lines.push('');
  }
  return `${lines.join('\n').trimEnd()}\n`;
}
