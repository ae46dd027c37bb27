//! A person's own page: what it shows, who is let in, and that disconnecting and forgetting ask first.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { expectAccessible } from './accessible.mjs';
import { Client, ILYA, THEMES, last, posted, press, pressNative, shown, textOf } from './client.mjs';
import { PROOF, history, person } from './mock.mjs';
import { TEXTS } from '../me/table.js';

const client = new Client();
const STATIC = new URL('..', import.meta.url);
const BLOCKED = [403, '⛔ Доступ заблокирован. Поддержка: @support', 'urn:qr-login:blocked'];
const HOME = "document.body.dataset.phase === 'home'";

const open = (t, options = {}) => client.open(t, { path: '/me', platform: 'ios', ...options });
const textIn = (page, id) => page.evaluate(textOf(id));

test('the page tells who is linked since when, as which device, and what the subscription gives', async (t) => {
  const { page } = await open(t);
  await page.until(HOME);
  assert.equal(await textIn(page, 'title'), 'Ilya Ivanov');
  assert.equal(await textIn(page, 'who'), '@ilya · 139883458');
  assert.equal(await textIn(page, 'session-state'), 'Подключён');
  assert.match(await textIn(page, 'since'), /^22 нояб?\./);
  assert.match(await textIn(page, 'seen'), /^28 нояб?\./);
  assert.equal(await textIn(page, 'device'), 'qr-login');
  assert.match(await textIn(page, 'tier'), /^Premium, до 22 декабря 2026/);
  assert.match(await textIn(page, 'limits'), /Каналы50Группы20.*Приоритет–$/);
  assert.equal(await page.evaluate("document.querySelectorAll('#recent li').length"), 3);
  const { headers } = await client.first('/api/me');
  assert.match(headers.authorization, /^tma /);
  assert.ok(client.service.requests.every(({ path }) => !/user|tma|hash/.test(path)), 'launch data is in no URL');
});

for (const [name, known, state, note] of [
  ['nothing is linked', { session: null, subscription: null }, 'Не подключён', /\/login/],
  ['it was handed over', { session: null, user: { session_exported: true } }, 'Передан другому сервису', /Устройства/],
]) {
  test(`where ${name} the page says so, and has no button to disconnect`, async (t) => {
    const { page } = await open(t, { setUp: (service) => { service.me = person(known); } });
    await page.until(HOME);
    assert.equal(await textIn(page, 'session-state'), state);
    assert.match(await textIn(page, 'session-note'), note);
    assert.ok(!await page.evaluate(shown('disconnect')) && !await page.evaluate(shown('session-facts')));
  });
}

test('a subscription that is over, and one without an end', async (t) => {
  const expired = await open(t, { setUp: (service) => { service.me = person({ subscription: { status: 'expired' } }); } });
  await expired.page.until(HOME);
  assert.equal(await textIn(expired.page, 'tier'), 'Подписка Premium закончилась');
  assert.ok(!await expired.page.evaluate(shown('limits')));
  const unlimited = await open(t, { user: { ...ILYA, language_code: 'en' }, setUp: (service) => { service.me = person({ subscription: { expires_at: null } }); } });
  await unlimited.page.until(HOME);
  assert.equal(await textIn(unlimited.page, 'tier'), 'Premium, without an end');
});

test('the history is one step further, page by page, with who looked at it, and the client’s arrow leads back', async (t) => {
  const { page } = await open(t, { setUp: (service) => { service.me = person({ events: history(70) }); } });
  const count = "document.querySelectorAll('#events li').length";
  await page.until(HOME);
  await page.click('#to-history');
  await page.until(`${count} === 30`);
  assert.ok(await page.evaluate("document.activeElement.id === 'history-title'"), 'the heading is read');
  assert.match(await page.evaluate("document.querySelector('#events li').innerText"), /Вход по QR-коду, аккаунт подключён\n22 нояб?\..* · вы$/);
  await page.click('#more');
  await page.until(`${count} === 60`);
  await page.click('#more');
  await page.until(`${count} === 70 && !${shown('more')}`);

  await page.click('#show-looks');
  await page.until(`${count} === 17`);
  assert.equal(await page.evaluate("document.getElementById('show-looks').getAttribute('aria-pressed')"), 'true');
  assert.match(await page.evaluate("document.getElementById('events').innerText"), /^Просмотрена ваша история\n.* · администратор/);
  assert.ok((await page.evaluate(last('web_app_setup_back_button'))).is_visible);
  await pressNative(page, 'back');
  await page.until(`${HOME} && document.activeElement.id === 'to-history'`);
});

test('a history that nobody looked at says so', async (t) => {
  const { page } = await open(t, { setUp: (service) => { service.me = person({ events: history(3) }); } });
  await page.until(HOME);
  await page.click('#to-looks');
  await page.until(`${textOf('events-note')} === ${JSON.stringify(TEXTS.ru.nobody_looked)}`);
});

for (const answer of ['no', 'yes']) {
  test(`disconnecting asks first, and the answer is ${answer}`, async (t) => {
    const { page } = await open(t, { before: `window.popupAnswer = '${answer}';` });
    await page.until(HOME);
    await page.click('#disconnect');
    await page.until(posted('web_app_open_popup', "data.title === 'Отключить аккаунт?' && data.message.includes('Подписка останется')"));
    if (answer === 'yes') {
      await page.until(`${textOf('session-state')} === 'Не подключён'`);
      await page.until(`${textOf('status')} === ${JSON.stringify(TEXTS.ru.disconnected)}`);
    }
    assert.equal(client.requests('/api/me/logout').length, answer === 'yes' ? 1 : 0);
  });
}

test('forgetting asks first, says what goes and what stays, and then the page is over', async (t) => {
  const { page } = await open(t);
  await page.until(HOME);
  await page.click('#forget');
  await page.until(posted('web_app_open_popup', "/без возврата/.test(data.message) && /отпечаток/.test(data.message) && data.message.length <= 256"));
  await page.until(`${textOf('end-title')} === ${JSON.stringify(TEXTS.ru.forgotten)}`);
  assert.equal(client.requests('/api/me/forget').length, 1);
  assert.equal((await page.evaluate(last('web_app_setup_main_button'))).text, 'Закрыть');
  await pressNative(page, 'main');
  await page.until(posted('web_app_close'));
});

test('a refused order leaves everything as it is, and the reason is read aloud', async (t) => {
  const { page } = await open(t);
  await page.until(HOME);
  client.service.onMe = (what) => (what === '/forget' ? [409, 'Вы последний администратор.'] : null);
  await page.click('#forget');
  await page.until(`${textOf('problem')} === 'Вы последний администратор.'`);
  assert.ok(await page.evaluate(`${HOME} && ${shown('disconnect')}`));
});

test('without the client’s popups the page asks by itself, and Escape is no', async (t) => {
  const { page } = await open(t, { version: '6.0' });
  await page.until(HOME);
  await page.click('#forget');
  await page.until("document.getElementById('ask').open");
  assert.equal(await textIn(page, 'ask-title'), 'Забыть вас?');
  for (const type of ['keyDown', 'keyUp']) await page.send('Input.dispatchKeyEvent', { type, key: 'Escape', code: 'Escape', windowsVirtualKeyCode: 27 });
  await page.until("!document.getElementById('ask').open");
  assert.equal(client.requests('/api/me/forget').length, 0);
  assert.ok(await page.evaluate(HOME));
});

test('the data is saved as a file, and can be copied where a client saves none', async (t) => {
  const { page } = await open(t, { before: "window.saved = []; HTMLAnchorElement.prototype.click = function () { window.saved.push(this.download); };" });
  await page.until(HOME);
  await page.click('#download');
  await page.until(shown('export'));
  assert.deepEqual(await page.evaluate('window.saved'), ['my-data.json']);
  const data = JSON.parse(await page.evaluate("document.getElementById('export').value"));
  assert.equal(data.user.first_name, 'Ilya');
  assert.equal(data.events.length, 6);
  await press(page, 'copy');
  await page.until(`${textOf('copied')} === ${JSON.stringify(TEXTS.ru.copied)}`);
});

test('the proof of the history is saved as it came, and where there is none yet the page says when there will be', async (t) => {
  const { page } = await open(t, { before: "window.saved = []; HTMLAnchorElement.prototype.click = function () { window.saved.push(this.download); };" });
  await page.until(HOME);
  client.service.onMe = (what) => (what === '/proof' ? [404, 'Здесь ничего нет.'] : null);
  await page.click('#prove');
  await page.until(`${textOf('problem')} === ${JSON.stringify(TEXTS.ru.proof_later)}`);
  assert.ok(await page.evaluate(`${HOME} && !${shown('export')}`));

  client.service.onMe = () => null;
  await page.click('#prove');
  await page.until(shown('export'));
  assert.equal(await textIn(page, 'downloaded-title'), TEXTS.ru.proof_ready);
  assert.ok(!await page.evaluate(shown('problem')));
  assert.deepEqual(await page.evaluate('window.saved'), ['my-proof.txt']);
  assert.equal(await page.evaluate("document.getElementById('export').value"), PROOF);
  assert.equal(await page.evaluate("document.getElementById('export').getAttribute('aria-label')"), TEXTS.ru.proof_label);
  assert.match((await client.first('/api/me/proof')).headers.authorization, /^tma /);
  await press(page, 'copy');
  await page.until(`${textOf('copied')} === ${JSON.stringify(TEXTS.ru.copied)}`);

  await page.click('#download');
  await page.until(`${textOf('downloaded-title')} === ${JSON.stringify(TEXTS.ru.downloaded)}`);
  assert.match(await page.evaluate("document.getElementById('export').value"), /"first_name": "Ilya"/);
});

for (const [outcome, setUp] of [
  ['blocked', (service) => { service.onMe = () => BLOCKED; }],
  ['stale', (service) => { service.onMe = () => [401, 'Страница открыта слишком давно.']; }],
  ['unknown', (service) => { service.me = null; }],
]) {
  test(`who is ${outcome} sees that alone`, async (t) => {
    const { page } = await open(t, { setUp });
    await page.until(`${textOf('end-title')} === ${JSON.stringify(TEXTS.ru[outcome])}`);
    assert.doesNotMatch(await page.evaluate('document.body.innerText'), /Ilya|Premium|Забыть/);
  });
}

test('a block while the page is open ends it', async (t) => {
  const { page } = await open(t);
  await page.until(HOME);
  client.service.onMe = () => BLOCKED;
  await page.click('#download');
  await page.until(`${textOf('end-title')} === ${JSON.stringify(TEXTS.ru.blocked)}`);
  assert.match(await textIn(page, 'end-text'), /^Поддержка: @support$/);
});

test('outside of Telegram nothing is asked', async (t) => {
  const { page } = await open(t, { user: null, bridge: false });
  await page.until(`${textOf('end-title')} === ${JSON.stringify(TEXTS.ru.outside)}`);
  assert.equal(client.requests('/api/me').length, 0);
});

test('a server that does not answer can be asked again', async (t) => {
  const { page } = await open(t, { setUp: (service) => { service.onMe = () => [502, null]; } });
  await page.until(`${textOf('end-title')} === ${JSON.stringify(TEXTS.ru.failed)}`);
  client.service.onMe = () => null;
  await press(page, 'retry');
  await page.until(HOME);
});

test('a name is shown as it is written, and never becomes markup', async (t) => {
  const name = '<img src=x onerror=alert(1)> & "Ilya"';
  const { page } = await open(t, { setUp: (service) => { service.me = person({ user: { first_name: name, last_name: null } }); } });
  await page.until(HOME);
  assert.equal(await textIn(page, 'title'), name);
});

for (const [width, height] of [[320, 500], [1280, 800]]) {
  for (const theme of ['light', 'dark']) {
    test(`${width} px, ${theme}: nothing is wider than the window, and the colours are the client’s`, async (t) => {
      const long = person({ user: { first_name: 'Аlexander-Maximilian'.repeat(3), last_name: null }, session: { device: 'a-rather-long-name-of-a-device-that-somebody-chose' } });
      const { page } = await open(t, { platform: 'weba', width, height, theme, dark: theme === 'dark', setUp: (service) => { service.me = long; } });
      await page.until(HOME);
      assert.ok(await page.evaluate(`document.documentElement.scrollWidth <= ${width}`), 'wider than the window');
      const background = await page.evaluate('getComputedStyle(document.body).backgroundColor');
      assert.equal(background, rgb(THEMES[theme].secondary_bg_color));
      await page.click('#to-history');
      await page.until("document.querySelectorAll('#events li').length > 0");
      assert.ok(await page.evaluate(`document.documentElement.scrollWidth <= ${width}`));
    });
  }
}

for (const theme of [null, 'light', 'dark']) {
  test(`axe finds nothing in any state (${theme ?? 'the page’s own'} colours)`, async (t) => {
    const { page } = await open(t, { version: '6.0', theme, dark: theme === 'dark', height: 1600 });
    await page.until(HOME);
    await expectAccessible(page, theme, 'home');
    await page.click('#download');
    await page.until(shown('export'));
    await expectAccessible(page, theme, 'the data');
    await page.click('#to-history');
    await page.until("document.querySelectorAll('#events li').length > 0");
    await expectAccessible(page, theme, 'the history');
    await page.click('#back');
    await page.until(HOME);
    await page.click('#forget');
    await page.until("document.getElementById('ask').open");
    await expectAccessible(page, theme, 'the question');
    await page.click('#ask-yes');
    await page.until(shown('end-title'));
    await expectAccessible(page, theme, 'the end');
  });
}

test('everything can be reached by the keyboard alone', async (t) => {
  const { page } = await open(t, { version: '6.0' });
  await page.until(HOME);
  const reached = [];
  for (let presses = 0; presses < 12; presses += 1) {
    for (const type of ['keyDown', 'keyUp']) await page.send('Input.dispatchKeyEvent', { type, key: 'Tab', code: 'Tab', windowsVirtualKeyCode: 9 });
    reached.push(await page.evaluate('document.activeElement.id'));
  }
  for (const id of ['disconnect', 'to-history', 'to-looks', 'download', 'prove', 'forget']) assert.ok(reached.includes(id), `${id} in ${reached}`);
});

test('every text of the page is used, and what stands on a button or in a popup fits', () => {
  const sources = readdirSync(new URL('me/', STATIC)).filter((name) => /\.(js|html)$/.test(name) && name !== 'table.js')
    .map((name) => readFileSync(new URL(`me/${name}`, STATIC), 'utf8')).join('\n');
  const built = /^(forgotten|unknown|stale|outside|blocked|failed)_text$/;
  for (const key of Object.keys(TEXTS.ru)) if (!built.test(key)) assert.ok(new RegExp(`['"\`]${key}['"\`]`).test(sources), `${key} is not used`);
  for (const [, key] of sources.matchAll(/data-(?:text|label)="(\w+)"/g)) assert.ok(key in TEXTS.ru, key);
  for (const texts of Object.values(TEXTS)) {
    for (const key of ['disconnect', 'disconnect_no', 'forget_yes', 'forget_no', 'close', 'retry', 'copy', 'more']) assert.ok(texts[key].length <= 26, `${key}: ${texts[key]}`);
    for (const key of ['disconnect_question', 'forget_question']) assert.ok(texts[key].length <= 64, key);
    for (const key of ['disconnect_text', 'forget_text', 'forget_text_handed_over']) assert.ok(texts[key].length <= 256, `${key}: ${texts[key].length}`);
  }
});

test('the shell obeys its policy, and every element that a module uses is in it', () => {
  const read = (name) => readFileSync(new URL(name, STATIC), 'utf8');
  const shell = read('me/me.html');
  assert.doesNotMatch(shell, /<script(?![^>]*\ssrc=)|<style|\s(on\w+|style)=|javascript:|data:/);
  assert.deepEqual([...new Set([...shell.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name))], ['nonce']);
  const ids = new Set([...shell.matchAll(/\sid="([\w-]+)"/g)].map(([, id]) => id));
  for (const name of ['me/me.js', 'me/view.js']) {
    const source = read(name);
    assert.match(source, /^\/\/! \S/);
    assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|srcdoc|console\.|localStorage|document\.cookie/, name);
    for (const [, id] of source.matchAll(/\b(?:element|click|note|state|facts)\('([\w-]+)'/g)) assert.ok(ids.has(id), `${name}: ${id}`);
  }
});

function rgb(color) {
  return `rgb(${[1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)).join(', ')})`;
}
