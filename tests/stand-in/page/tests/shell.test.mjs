//! The sandbox page's files: flat, without markup made of text, without another origin.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

const PAGE = new URL('..', import.meta.url);
const files = readdirSync(PAGE, { withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => name);
const read = (name) => readFileSync(new URL(name, PAGE), 'utf8');

test('every file of the page is of a kind that its server knows', () => {
  for (const name of files) assert.match(name, /^(CONTRACT\.md|[a-z_]+\.(html|css|js|svg|png|woff2))$/);
});

test('no module makes markup out of text', () => {
  for (const name of files.filter((one) => one.endsWith('.js'))) {
    assert.doesNotMatch(read(name), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc/, name);
    assert.match(read(name), /^\/\/! \S/, name);
  }
});

test('the page has nothing inline and names no other origin', () => {
  assert.doesNotMatch(read('index.html'), /<script(?![^>]*\ssrc=)|<style|\s(on\w+|style)=|https?:\/\//);
  assert.doesNotMatch(read('sandbox.css'), /url\(|@import/);
  assert.match(read('index.html'), />SANDBOX</);
});

test('every icon that is asked for is drawn', () => {
  const known = new Set([...read('dom.js').matchAll(/^ {2}(\w+): '[Mm]/gm)].map(([, name]) => name));
  for (const name of files.filter((one) => one.endsWith('.js'))) {
    for (const [, asked] of read(name).matchAll(/icon\('(\w+)'\)/g)) assert.ok(known.has(asked), `${name}: ${asked}`);
  }
});
