//! Both languages have the same texts, and the fixed texts are exact.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { TEXTS, languageOf, textsIn } from '../texts.js';

const STATIC = new URL('..', import.meta.url);
const placeholders = (text) => [...text.matchAll(/\{\w+\}/g)].map(([whole]) => whole).sort();

test('both languages have the same keys, and every text has words in it', () => {
  assert.deepEqual(Object.keys(TEXTS.ru), Object.keys(TEXTS.en));
  for (const texts of Object.values(TEXTS)) for (const [key, text] of Object.entries(texts)) assert.match(text, /\p{L}/u, key);
});

test('a text has the same placeholders in both languages', () => {
  for (const key of Object.keys(TEXTS.ru)) assert.deepEqual([...new Set(placeholders(TEXTS.en[key]))], [...new Set(placeholders(TEXTS.ru[key]))], key);
});

test('Russian is written in Cyrillic and English is not', () => {
  for (const [key, text] of Object.entries(TEXTS.ru)) assert.match(text, /[а-яё]/i, key);
  for (const [key, text] of Object.entries(TEXTS.en)) assert.doesNotMatch(text, /[а-яё]/i, key);
});

test('the texts that the requirements fix are exact', () => {
  const { ru } = TEXTS;
  assert.equal(ru.waiting, '⏳ Ожидание авторизации...');
  assert.equal(ru.open, '📱 Открыть в Telegram');
  assert.equal(ru.copy, '📋 Скопировать токен');
  assert.equal(ru.authorized, '✅ Авторизация успешна!');
  assert.equal(ru.not_found, '❌ Сессия не найдена');
  assert.equal(ru.retry, '🔄 Попробовать снова');
  assert.equal(ru.rejected, '🚨 Вход подтвердил другой аккаунт');
  assert.equal(ru.expired, '⏰ Время входа истекло');
  assert.equal(ru.cancelled, '🚫 Вход отменён');
  assert.equal(ru.password_refused, '❌ Неверный пароль');
  assert.equal(ru.one_phone, 'Войти по коду на этом телефоне');
  assert.equal(ru.consent, 'Сервис сможет читать ваши чаты и действовать от вашего имени');
  assert.equal(ru.consent_more, 'подробнее');
  assert.equal(ru.to_scan, 'Есть другой экран?');
  assert.equal(ru.other_ways, 'Другие способы');
  assert.equal(ru.share_phone, 'Поделиться номером');
});

test('no text mentions an invite code, because only the server knows whether the login has one', () => {
  for (const texts of Object.values(TEXTS)) for (const [key, text] of Object.entries(texts)) assert.doesNotMatch(text, /инвайт|invite/i, key);
});

test('Russian for ru and for none, English for any other', () => {
  assert.deepEqual(['ru', 'ru-RU', 'ru_RU', 'RU', undefined, null, ''].map(languageOf), Array(7).fill('ru'));
  assert.deepEqual(['en', 'uk', 'de-AT', 'run', 'en_RU'].map(languageOf), Array(5).fill('en'));
});

test('what stands on a button fits it: 64 characters for Telegram, a row of 320 pixels for people', () => {
  for (const texts of Object.values(TEXTS)) {
    for (const key of ['share_phone', 'send_code', 'send', 'log_in', 'retry', 'close', 'cancel', 'cancel_no', 'back', 'to_scan', 'open', 'copy', 'devices']) {
      assert.ok(texts[key].length <= 26, `${key}: ${texts[key]}`);
    }
    assert.ok(texts.cancel_question.length <= 64 && texts.cancel_text.length <= 256);
  }
});

test('an unknown key throws, and values are inserted unchanged', () => {
  const text = textsIn('ru');
  assert.throws(() => text('nothing_of_the_kind'));
  assert.equal(text('password_hint', { hint: '$& {device} <b>' }), 'Подсказка: $& {device} <b>');
});

test('every text is used, and every key that is used exists', () => {
  const sources = readdirSync(STATIC).filter((name) => /\.(js|html)$/.test(name) && name !== 'texts.js' && name !== 'table.js')
    .map((name) => readFileSync(new URL(name, STATIC), 'utf8')).join('\n');
  // Keys that are built at run time: outcomes with their `_text`, ways of a code, states of the picture.
  const built = /^(code_via_\w+|picture_(loading|renewing)|(not_found|authorized|ended|handed_over|replaced|expired|cancelled|rejected|failed|stale|outside|foreign|blocked)(_text)?|waiting|code_required|password_required)$/;
  for (const key of Object.keys(TEXTS.ru)) if (!built.test(key)) assert.ok(new RegExp(`['"\`]${key}['"\`]`).test(sources), `${key} is not used`);
  for (const [, key] of sources.matchAll(/data-(?:text|label|placeholder)="(\w+)"/g)) assert.ok(key in TEXTS.ru, key);
});
