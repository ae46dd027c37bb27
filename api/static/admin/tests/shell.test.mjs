//! The shell and the modules obey the Content-Security-Policy, hold no data, and are small. Vendored files are what their table says.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const APP = new URL('..', import.meta.url);
const LOGIN = new URL('../..', import.meta.url);
/** Script that one person's browser loads, compressed: SPEC allows 60 KB. */
const MOST_BYTES = 60 * 1024;
const read = (url) => readFileSync(new URL(url, APP), 'utf8');
/** Where a file is that the browser asks for under this path. */
const fileOf = (path) => (path.startsWith('/qr-auth/static/') ? new URL(path.slice('/qr-auth/static/'.length), LOGIN) : new URL(path.slice('/admin/static/'.length), APP));
const shell = read('admin.html');
const modules = loadedBy('/admin/static/main.js');
/** What is loaded at the start, and what comes with a tab that is opened. */
const first = loadedBy('/admin/static/main.js', new Set(), ({ path, isDynamic }) => !isDynamic || !path.endsWith('/later.js'));
const later = new Set([...modules].filter((path) => !first.has(path)));
/** What these may be, compressed. */
const MOST_LATER_BYTES = 16 * 1024;

/** The paths of a module and of all that it imports, as far as `follows({path, isDynamic})`. */
function loadedBy(path, seen = new Set(), follows = () => true) {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const [, how, other] of readFileSync(fileOf(path), 'utf8').matchAll(/(from |import\()'([^']+)'/g)) {
    if (follows({ path, isDynamic: how !== 'from ' })) loadedBy(new URL(other, `http://page${path}`).pathname, seen, follows);
  }
  return seen;
}

const own = [...modules].filter((path) => path.startsWith('/admin/') && !path.includes('/vendor/'));
const isOther = (language) => (path) => path.endsWith(`words_${language}.js`);

test('the shell has no inline script, handler or style, and one placeholder', () => {
  assert.doesNotMatch(shell, /<script(?![^>]*\ssrc=)/);
  assert.doesNotMatch(shell, /<style|\s(on\w+|style)=|javascript:|data:/);
  assert.deepEqual([...new Set([...shell.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name))], ['nonce']);
});

test('every module is reached from main.js, and nothing else is beside it', () => {
  const files = readdirSync(APP).filter((name) => name.endsWith('.js')).map((name) => `/admin/static/${name}`);
  assert.deepEqual(files.filter((path) => !modules.has(path)), []);
});

test('no module makes markup or code from text', () => {
  for (const path of own) {
    assert.doesNotMatch(readFileSync(fileOf(path), 'utf8'), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\(|new Function|srcdoc|setAttribute\('(on|style|src|href)/i, path);
  }
  for (const path of modules) assert.doesNotMatch(readFileSync(fileOf(path), 'utf8'), /\beval\(|new Function|\bFunction\(/, path);
});

test('no module writes to the console or keeps anything beyond the page', () => {
  for (const path of own) {
    const source = readFileSync(fileOf(path), 'utf8');
    assert.doesNotMatch(source, /console\.|localStorage|document\.cookie|indexedDB/, path);
    if (!path.endsWith('/main.js')) assert.doesNotMatch(source, /sessionStorage/, path);
  }
});

test('what looks like a comment is one: the server leaves such lines out', () => {
  for (const path of own) {
    let isOpen = false;
    for (const line of readFileSync(fileOf(path), 'utf8').split('\n').map((one) => one.trim())) {
      const looksSo = line.startsWith('//') || line.startsWith('/**') || line === '*' || line.startsWith('* ') || line === '*/';
      if (isOpen) assert.ok(looksSo, `${path}: ${line}`);
      else assert.ok(!/^\*/.test(line), `${path}: ${line}`);
      if (line.startsWith('/**')) {
        assert.ok(!line.includes('*/') || line.endsWith('*/'), `${path}: ${line}`);
        isOpen = !line.endsWith('*/');
      } else if (isOpen && line.includes('*/')) isOpen = false;
    }
    assert.ok(!isOpen, path);
  }
});

test('every file opens with a line that says what lives in it', () => {
  for (const path of own) assert.match(readFileSync(fileOf(path), 'utf8'), /^\/\/! \S/, path);
  assert.match(read('admin.css'), /^\/\*! \S/);
});

test('the vendored files are those of the table, with their licences', () => {
  const rows = [...read('vendor/README.md').matchAll(/^\| `([\w.-]+)` \| \[([\w-]+)\]\(\S+\) \S+ \| `\S+` \| [\w.-]+, `(LICENSE\.\S+)` \| `([0-9a-f]{64})` \|$/gm)];
  const files = readdirSync(new URL('vendor', APP)).filter((name) => name.endsWith('.mjs'));
  assert.deepEqual(rows.map(([, file]) => file).sort(), files.sort());
  for (const [, file, , licence, hash] of rows) {
    assert.equal(createHash('sha256').update(readFileSync(new URL(`vendor/${file}`, APP))).digest('hex'), hash, file);
    assert.ok(read(`vendor/${licence}`).length > 500, licence);
    assert.doesNotMatch(read(`vendor/${file}`), /\bimport\s*[({'"]|\bfrom\s*['"]/, file);
  }
});

test('the script that a browser loads first is at most 60 KB, compressed; two tabs come when they are opened', (t) => {
  assert.deepEqual([...later].map((path) => path.slice('/admin/static/'.length)).sort(), ['fields.js', 'keys.js', 'services.js', 'services_words_en.js', 'services_words_ru.js', 'statistics.js', 'webhooks.js']);
  for (const language of ['ru', 'en']) {
    const other = language === 'ru' ? 'en' : 'ru';
    const bytesOf = (paths) => [...paths].filter((path) => !isOther(other)(path)).reduce((sum, path) => sum + gzipSync(sent(path), { level: 9 }).length, 0);
    t.diagnostic(`${language}: ${bytesOf(first)} bytes, and ${bytesOf(later)} later`);
    assert.ok(bytesOf(first) <= MOST_BYTES, `${language}: ${bytesOf(first)} bytes`);
    assert.ok(bytesOf(later) <= MOST_LATER_BYTES, `${language}: ${bytesOf(later)} bytes later`);
  }
});

/** A module as the server sends it: ours without comments and indentation (web/src/embedded.rs). */
function sent(path) {
  const source = readFileSync(fileOf(path), 'utf8');
  return path.endsWith('.mjs') ? source : source.replace(/^[ \t]*(?:(?:\/\/|\/\*\*|\*( |$|\/)).*$)?/gm, '');
}
