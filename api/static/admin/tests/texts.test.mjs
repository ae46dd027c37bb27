//! Both languages say the same, with the plurals that each has.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { TEXTS as SERVICES_EN } from '../services_words_en.js';
import { TEXTS as SERVICES_RU } from '../services_words_ru.js';
import { TEXTS as FIRST_EN } from '../words_en.js';
import { TEXTS as FIRST_RU } from '../words_ru.js';
import { textsIn, wordsOf } from '../format.js';
import { languageOf } from '../../language.js';

const APP = new URL('..', import.meta.url);
const [RU, EN] = [{ ...FIRST_RU, ...SERVICES_RU }, { ...FIRST_EN, ...SERVICES_EN }];
const TEXTS = { ru: RU, en: EN };
const forms = (words) => (typeof words === 'string' ? [words] : Object.values(words));
const placeholders = (words) => [...new Set(forms(words).flatMap((form) => form.match(/\{\w+\}/g) ?? []))].sort();
const sources = readdirSync(APP).filter((name) => name.endsWith('.js') && !name.includes('words_')).map((name) => readFileSync(new URL(name, APP), 'utf8')).join('\n');

test('both languages have the same keys, in the same order, and every text has something in it', () => {
  for (const [ru, en] of [[FIRST_RU, FIRST_EN], [SERVICES_RU, SERVICES_EN]]) assert.deepEqual(Object.keys(ru), Object.keys(en));
  assert.deepEqual(Object.keys(SERVICES_RU).filter((key) => key in FIRST_RU), [], 'no text stands in both files');
  for (const texts of Object.values(TEXTS)) for (const [key, words] of Object.entries(texts)) for (const form of forms(words)) assert.match(form, /\p{L}|\{/u, key);
});

test('a text has the same placeholders in both languages', () => {
  for (const key of Object.keys(RU)) assert.deepEqual(placeholders(EN[key]), placeholders(RU[key]), key);
});

test('Russian is written in Cyrillic and English is not', () => {
  const bare = (form) => form.replace(/\{\w+\}/g, '');
  for (const [key, words] of Object.entries(RU)) for (const form of forms(words)) if (/\p{L}/u.test(bare(form))) assert.match(bare(form), /[а-яё]/i, key);
  for (const [key, words] of Object.entries(EN)) for (const form of forms(words)) assert.doesNotMatch(form, /[а-яё]/i, key);
});

test('a number has the plurals of its language, and no other', () => {
  for (const [language, needed] of [['ru', ['one', 'few', 'many']], ['en', ['one', 'other']]]) {
    for (const [key, words] of Object.entries(TEXTS[language])) if (typeof words !== 'string') assert.deepEqual(Object.keys(words), needed, `${language} ${key}`);
  }
  for (const key of Object.keys(RU)) assert.equal(typeof RU[key], typeof EN[key], key);
});

test('every text is used, and every key that is used exists', () => {
  const used = new Set([...sources.matchAll(/['`](\w+)['`]/g)].map(([, key]) => key));
  // Keys that are built at run time begin so.
  const built = [...sources.matchAll(/`(\w+_)\$\{/g)].map(([, prefix]) => prefix);
  const suffixed = [...sources.matchAll(/`(\w+_)\$\{\w+\}(_\w+)`/g)].map(([, prefix, suffix]) => new RegExp(`^${prefix}\\w+${suffix}$`));
  for (const key of Object.keys(RU)) assert.ok(used.has(key) || built.some((prefix) => key.startsWith(prefix)) || suffixed.some((it) => it.test(key)), `${key} is not used`);
  for (const [, key] of sources.matchAll(/\bt\('(\w+)'/g)) assert.ok(key in RU, `${key} does not exist`);
});

test('every event of the log has words', () => {
  const events = readFileSync(new URL('../../../docs/events.md', APP), 'utf8');
  const names = [...events.matchAll(/^### `(\w+)`/gm)].map(([, name]) => name);
  assert.ok(names.length >= 29, String(names.length));
  for (const name of names) assert.ok(`event_${name}` in RU, `${name} has no words`);
});

test('numbers, plurals and values are inserted; an unknown key throws', async () => {
  const ru = textsIn('ru', await wordsOf('ru'));
  const en = textsIn('en', await wordsOf('en'));
  assert.deepEqual([1, 3, 5, 21, 112].map((n) => ru('days', { n })), ['1 день', '3 дня', '5 дней', '21 день', '112 дней']);
  assert.deepEqual([1, 2].map((n) => en('days', { n })), ['1 day', '2 days']);
  assert.equal(ru('rows', { n: 12_345 }), '12\u00a0345 строк');
  assert.equal(en('granted', { name: '$& <b>', subscription: '{name}' }), '$& <b>: {name}');
  assert.throws(() => ru('nothing_of_the_kind'));
});

test('Russian for ru and for none, English for any other', () => {
  assert.deepEqual(['ru', 'ru-RU', 'ru_RU', 'RU', undefined, null, ''].map(languageOf), Array(7).fill('ru'));
  assert.deepEqual(['en', 'uk', 'de-AT', 'run'].map(languageOf), Array(4).fill('en'));
});
