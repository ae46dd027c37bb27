//! The shell and the modules obey the Content-Security-Policy and CSP.md.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

const STATIC = new URL('..', import.meta.url);
const read = (name) => readFileSync(new URL(name, STATIC), 'utf8');
const shell = read('login.html');
/** The modules of this page: login.js and all that it imports. */
const modules = importsOf('login.js');

function importsOf(name, seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  for (const [, other] of read(name).matchAll(/(?:from|import\()\s*'\.\/([\w.]+)'/g)) importsOf(other, seen);
  return seen;
}

test('the shell has no inline script, handler or style', () => {
  assert.doesNotMatch(shell, /<script(?![^>]*\ssrc=)/);
  assert.doesNotMatch(shell, /<style/);
  assert.doesNotMatch(shell, /\s(on\w+|style)=/);
  assert.doesNotMatch(shell, /javascript:|data:/);
});

test('the shell has exactly the placeholders that the server fills', () => {
  assert.deepEqual([...new Set([...shell.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name))].sort(), ['device_name', 'nonce', 'one_phone']);
});

test('no module creates markup or code from text', () => {
  assert.ok(modules.size >= 10, [...modules].join());
  for (const name of modules) {
    assert.doesNotMatch(read(name), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\(|new Function|srcdoc|setAttribute\('(on|style|src|href)/, name);
  }
});

test('no module writes to the console or stores data beyond the page', () => {
  for (const name of modules) {
    assert.doesNotMatch(read(name), /console\./, name);
    assert.doesNotMatch(read(name), /localStorage|document\.cookie|indexedDB/, name);
  }
});

test('every element that a module uses is in the shell', () => {
  const ids = new Set([...shell.matchAll(/\sid="([\w-]+)"/g)].map(([, id]) => id));
  for (const name of modules) {
    for (const [, id] of read(name).matchAll(/\belement\('([\w-]+)'\)/g)) assert.ok(ids.has(id), `${name}: ${id}`);
    for (const [, id] of read(name).matchAll(/\b(?:on|click|submit|note|say)\('([\w-]+)'/g)) {
      if (!/_/.test(id)) assert.ok(ids.has(id), `${name}: ${id}`);
    }
  }
});

test('every file opens with a line that says what lives in it', () => {
  for (const name of readdirSync(STATIC).filter((one) => one.endsWith('.js'))) assert.match(read(name), /^\/\/! \S/, name);
  assert.match(read('login.css'), /^\/\*! \S/);
});

test('the policy allows the empty style of the SDK by its hash, and nothing inline', () => {
  const policy = /```\n([\s\S]*?)```/.exec(read('CSP.md'))[1];
  assert.ok(policy.includes(`'sha256-${createHash('sha256').digest('base64')}'`));
  assert.doesNotMatch(policy, /unsafe|data:/);
  assert.match(policy, /^default-src 'none';/);
});

test('labels name their inputs, and buttons that are icons have a name', () => {
  for (const [, id] of shell.matchAll(/<label for="(\w+)"/g)) assert.match(shell, new RegExp(`<input id="${id}"`));
  for (const [tag] of shell.matchAll(/<button[^>]*>/g)) assert.match(tag, /type="(button|submit)"/);
  for (const [tag] of shell.matchAll(/<button[^>]*class="icon"[^>]*>/g)) assert.match(tag, /data-label=/);
});
