//! The tab Services in a browser, against an admin API in memory: keys and webhooks as an admin meets them, by the keyboard, in every state.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { expectAccessible } from '../../tests/accessible.mjs';
import { Browser } from '../../tests/browser.mjs';
import { initData } from '../../tests/mock.mjs';
import { keyState } from '../keys.js';
import { isAddress, placeOf, sayDelivery } from '../webhooks.js';
import { formats } from '../format.js';
import { FakeAdmin, ago, delivery, key, webhook } from './fake.mjs';

let browser;
before(async () => { browser = await Browser.start(); });
after(() => browser.stop());

/** Pictures of the states are kept where `PICTURES` says. */
const PICTURES = process.env.PICTURES;
const NO_SLIP = /status of (404|409|500)|ERR_INTERNET_DISCONNECTED/;

/** The app of an admin with the tab open. `setUp(fake)` runs before that. */
async function open(t, { setUp = () => {}, language = 'en', width = 390, dark = false, wait = true } = {}) {
  const fake = await new FakeAdmin().listen();
  setUp(fake);
  const page = await browser.page({ width, dark, before: "Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => { window.copied = text; } } });" });
  await page.send('Fetch.enable', { patterns: [{ urlPattern: 'https://telegram.org/*' }] });
  browser.listen(({ method, params, sessionId }) => {
    if (method === 'Fetch.requestPaused' && sessionId === page.sessionId) page.send('Fetch.failRequest', { requestId: params.requestId, errorReason: 'ConnectionRefused' });
  });
  const launch = new URLSearchParams({ tgWebAppVersion: '9.1', tgWebAppPlatform: 'tdesktop', tgWebAppData: initData({ id: 139883458, first_name: 'Ilya', language_code: language }) });
  await page.open(`${fake.origin}/admin#${launch.toString().replaceAll('+', '%20')}`);
  t.after(async () => {
    await page.close();
    await fake.close();
    assert.deepEqual(page.complaints.filter((one) => !/telegram\.org/.test(one) && !NO_SLIP.test(one)), [], 'the page complains');
  });
  const app = {
    fake, page,
    press: async (words) => {
      const find = `[...(document.querySelector('dialog[open]') ?? document).querySelectorAll('button, input, label')].find((it) => it.checkVisibility() && !it.disabled && [it.innerText?.trim(), it.ariaLabel].includes(${JSON.stringify(words)}))`;
      await page.until(find);
      await page.evaluate(`${find}.focus(), ${find}.click()`);
    },
    key: async (text, code) => {
      for (const type of ['keyDown', 'keyUp']) await page.send('Input.dispatchKeyEvent', { type, key: text, code, windowsVirtualKeyCode: { Enter: 13, Escape: 27, Tab: 9, ' ': 32 }[text] ?? 0, text: type === 'keyDown' && text === 'Enter' ? '\r' : type === 'keyDown' && text === ' ' ? ' ' : '' });
    },
    says: (words) => page.until(`document.body.innerText.includes(${JSON.stringify(words)})`),
    sent: (method) => fake.requests.filter((it) => it.method === method).map(({ path, body }) => [path, body]),
    check: async (state) => {
      await expectAccessible(page, null, state);
      assert.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), `${state} is too wide`);
      if (PICTURES) { mkdirSync(PICTURES, { recursive: true }); writeFileSync(`${PICTURES}/${state}-${language}-${width}${dark ? '-dark' : ''}.png`, await page.screenshot()); }
    },
    go: async () => { await page.evaluate('document.activeElement.blur()'); await app.key('g', 'KeyG'); await app.key('k', 'KeyK'); },
  };
  await page.until("document.querySelector('.tab')");
  await app.go();
  if (wait) await page.until("document.querySelector('h1').innerText.match(/Services|Сервисы/) && !document.querySelector('.bone')");
  return app;
}

test('a key is made by the keyboard alone, shown once, copied, and revoked after a question', async (t) => {
  const app = await open(t);
  await app.says('No keys yet');
  await app.key('n', 'KeyN');
  await app.page.until("document.getElementById('key-name')");
  // What is missing is said, and the focus goes there.
  await app.press('Make the key');
  await app.says('Pick at least one.');
  await app.page.until("document.activeElement.id === 'key-name'");
  await app.page.send('Input.insertText', { text: ' shop ' });
  for (let tabs = 0; tabs < 2; tabs += 1) await app.key('Tab', 'Tab');
  await app.key(' ', 'Space');
  await app.key('Tab', 'Tab');
  await app.key(' ', 'Space');
  await app.key('Enter', 'Enter');
  await app.says('The key is shown only now');
  assert.deepEqual(app.sent('POST'), [['keys', { name: 'shop', scopes: ['users:read', 'subscriptions:write'], expires_in_days: 90 }]]);
  assert.equal(await app.page.evaluate('document.activeElement.innerText'), 'Copy');
  await app.key('Enter', 'Enter');
  await app.page.until(`window.copied === 'qrl_0123456789abcdef_${'s'.repeat(43)}'`);
  await app.press('It’s stored');
  await app.says('Grant, renew and end subscriptions');
  assert.ok(!await app.page.evaluate("document.body.innerText.includes('qrl_')"), 'it is shown no more');
  await app.press('Revoke the key');
  await app.says('The service that uses it is refused within a second.');
  assert.equal(await app.page.evaluate('document.activeElement.innerText'), 'Cancel', 'the harmless answer has the focus');
  await app.key('Enter', 'Enter');
  assert.deepEqual(app.sent('DELETE'), []);
  await app.press('Revoke the key');
  await app.page.until("document.querySelector('dialog[open] [data-yes]')");
  await app.page.evaluate("document.querySelector('[data-yes]').click()");
  await app.says('“shop” is revoked');
  await app.page.until("document.querySelector('.badge').innerText === 'revoked'");
  assert.deepEqual(app.sent('DELETE'), [['keys/0123456789abcdef', null]]);
});

test('a webhook is made, tested, changed, gets a new secret, and is switched off and deleted after questions', async (t) => {
  const app = await open(t);
  await app.press('New webhook');
  await app.page.type('#webhook-url', 'shop.example');
  await app.press('Make the webhook');
  await app.says('Enter a whole address');
  await app.page.evaluate("document.getElementById('webhook-url').select()");
  await app.page.type('#webhook-url', 'https://shop.example/hook');
  await app.page.evaluate("document.querySelector('input[value=\"user.erased\"]').click()");
  await app.press('Make the webhook');
  await app.says('whsec_bmV3');
  await app.press('It’s stored');
  await app.says('https://shop.example/hook');
  await app.press('Test');
  await app.says('Test sent');
  await app.press('Change');
  await app.page.evaluate("document.querySelector('input[value=\"user.erased\"]').click()");
  await app.press('Save');
  await app.says('Webhook changed');
  await app.press('New secret');
  await app.says('For a day, each delivery is signed with both secrets');
  await app.press('Make a new secret');
  await app.says('whsec_cm90YXRlZA==');
  await app.press('Copy');
  await app.page.until("window.copied === 'whsec_cm90YXRlZA=='");
  await app.press('It’s stored');
  await app.says('Old secret works until');
  assert.ok(!await app.page.evaluate("document.body.innerText.includes('whsec_')"));
  await app.press('Switch off');
  await app.says('Nothing is delivered to this address any more.');
  await app.press('Switch off');
  await app.says('It is switched off: nothing is delivered.');
  await app.press('Switch on');
  await app.says('Webhook is on');
  await app.press('Delete the webhook');
  await app.says('Delete shop.example/hook?');
  await app.press('Delete the webhook');
  await app.says('No webhooks yet');
  assert.deepEqual(app.sent('POST'), [['webhooks', { url: 'https://shop.example/hook', types: ['user.erased'] }], ['webhooks/new/test', {}]]);
  assert.deepEqual(app.sent('PATCH').map(([, body]) => body), [{ url: 'https://shop.example/hook', types: [] }, { rotate_secret: true }, { enabled: false }, { enabled: true }]);
  assert.deepEqual(app.sent('DELETE'), [['webhooks/new', null]]);
});

const many = (fake) => {
  fake.keys.push(key({ scopes: ['users:read', 'events:read', 'webhooks:manage'] }), key({ key_id: 'bbbbbbbbbbbbbbbb', name: 'a service with a name that is long', revoked_at: ago(2) }), key({ key_id: 'cccccccccccccccc', name: 'digest', expires_at: ago(1) }));
  fake.webhooks.push(webhook({ waiting: 3, parked: 2 }), webhook({ webhook_id: 'w2', url: 'https://gone.example', enabled: false, disabled_reason: 'gone', types: ['user.erased'] }));
  fake.deliveries.push(delivery({ delivery_id: 'msg_4', state: 'waiting', attempts: 3, next_attempt_at: ago(-0.01), last_status: 503, delivered_at: null, position: 44 }),
    delivery({ delivery_id: 'msg_3', state: 'parked', attempts: 17, last_status: null, last_error: 'connection refused', delivered_at: null, position: 43, type: 'session.logged_out' }),
    delivery({ delivery_id: 'msg_2', state: 'parked', attempts: 17, last_status: 500, delivered_at: null, position: 42 }), delivery(), delivery({ delivery_id: 'msg_0', type: 'test', position: null }));
};

test('deliveries are seen by their state, and what is parked is replayed, one or all', async (t) => {
  const app = await open(t, { setUp: many });
  await app.press('Refresh');
  await app.page.evaluate("[...document.querySelectorAll('[data-row]')].find((it) => it.innerText.includes('shop.example')).click()");
  await app.page.until("[...document.querySelectorAll('ul li')].filter((it) => it.checkVisibility()).length === 5");
  await app.says('HTTP 503');
  await app.says('connection refused');
  await app.page.evaluate("document.querySelector('input[value=parked]').click()");
  await app.page.until("[...document.querySelectorAll('ul li')].filter((it) => it.checkVisibility()).length === 2");
  await app.press('Replay session.logged_out');
  await app.says('On its way again');
  await app.page.until("[...document.querySelectorAll('ul li')].filter((it) => it.checkVisibility()).length === 1");
  await app.press('Replay parked');
  await app.says('Replay 1 delivery?');
  await app.press('Replay');
  await app.says('1 delivery is on its way again');
  await app.says('No such deliveries');
  assert.deepEqual(app.sent('POST').map(([path]) => path), ['webhooks/w1/deliveries/msg_3/replay', 'webhooks/w1/deliveries/replay']);
});

test('what others change is shown without a reload', async (t) => {
  const app = await open(t);
  await app.says('No keys yet');
  await app.page.until("document.querySelector('.tabs')");
  app.fake.keys.push(key());
  app.fake.tell({ event: 'ApiKeyCreated', stream: 'service' });
  await app.says('shop');
});

test('a webhook that somebody else has deleted meanwhile is no failure', async (t) => {
  const app = await open(t, { setUp: (fake) => { fake.webhooks.push(webhook()); } });
  await app.page.until("document.querySelectorAll('[data-row]').length === 1");
  app.fake.webhooks.length = 0;
  await app.page.evaluate("document.querySelector('[data-row]').click()");
  await app.says('No such webhook');
});

test('a list that does not come says why, and comes when it is asked for again', async (t) => {
  const app = await open(t, { setUp: (fake) => { fake.refuse = (method, path) => (path === 'keys' ? [500, 'The database is away.'] : null); } });
  await app.says('The database is away.');
  await app.says('No webhooks yet');
  await app.check('failed');
  app.fake.refuse = () => null;
  await app.press('Try again');
  await app.says('No keys yet');
  // An act that is refused says why, and nothing is lost.
  app.fake.refuse = (method) => (method === 'POST' ? [409, 'Addresses in a private network are refused.'] : null);
  await app.press('New webhook');
  await app.page.type('#webhook-url', 'https://10.0.0.1/');
  await app.press('Make the webhook');
  await app.says('Addresses in a private network are refused.');
  assert.equal(await app.page.evaluate("document.getElementById('webhook-url').value"), 'https://10.0.0.1/');
});

test('without a connection the tab says so, and opens once there is one', async (t) => {
  const app = await open(t, { wait: false, setUp: (fake) => { let go; fake.held = new Promise((resolve) => { go = resolve; }); fake.go = go; } });
  // While the lists load, their places are held.
  await app.page.until("document.querySelectorAll('[role=status][aria-label=\"Loading…\"]').length === 2");
  await app.check('loading');
  app.fake.go();
  await app.says('No keys yet');
  const network = (offline) => app.page.send('Network.emulateNetworkConditions', { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  await app.page.send('Network.enable');
  await network(true);
  await app.key('g', 'KeyG');
  await app.key('s', 'KeyS');
  await app.says('Can’t reach the server');
  await app.check('offline');
  await network(false);
  await app.press('Try again');
  await app.page.until("document.querySelector('.segments')");
});

for (const [language, width, dark] of [['ru', 320, false], ['en', 320, true], ['ru', 1280, true], ['en', 1280, false]]) {
  test(`axe finds nothing in any state: ${language}, ${width} pixels, ${dark ? 'dark' : 'light'}`, async (t) => {
    const app = await open(t, { setUp: many, language, width, dark });
    const row = async (words) => {
      const find = `[...document.querySelectorAll('[data-row]')].find((it) => it.checkVisibility() && it.innerText.includes('${words}'))`;
      await app.page.until(find);
      await app.page.evaluate(`${find}.click()`);
    };
    const shows = (selector) => app.page.until(`document.querySelector('${selector}') && !document.querySelector('.bone')`);
    await app.check('services');
    assert.ok(await app.page.evaluate("[...document.querySelectorAll('.tab')].every((it, at, all) => it.getBoundingClientRect().width >= 38 && it.querySelector('span').getBoundingClientRect().height < 20 && (!all[at + 1] || !all[at + 1].checkVisibility() || innerWidth > 999 || it.querySelector('span').getBoundingClientRect().right <= all[at + 1].querySelector('span').getBoundingClientRect().left))"), 'the tabs do not fit');
    await row('shop');
    await shows('.pairs');
    await app.check('key');
    await app.go();
    await row('shop.example');
    await shows('.acts');
    await shows('ul li.row');
    await app.check('webhook');
    await app.page.evaluate("[...document.querySelectorAll('.act')][2].click()");
    await shows('dialog[open]');
    await app.check('rotate');
    await app.page.evaluate("document.querySelector('[data-yes]').click()");
    await shows('[data-secret]');
    await app.check('secret');
    await app.go();
    await row('gone.example');
    await shows('.note');
    await app.check('gone');
    await app.go();
    await app.page.evaluate("document.querySelectorAll('.section header button')[1].click()");
    await shows('#webhook-url');
    await app.page.evaluate("document.querySelector('[data-main]').click()");
    await app.check('new-webhook');
    await app.go();
    await app.key('n', 'KeyN');
    await shows('#key-name');
    await app.page.evaluate("document.querySelector('[data-main]').click()");
    await app.check('new-key');
    await app.page.type('#key-name', 'shop');
    await app.page.evaluate("document.querySelector('input[name=scopes]').click()");
    await app.page.evaluate("document.querySelector('[data-main]').click()");
    await shows('[data-secret]');
    await app.check('key-made');
  });
}

test('a key works until it ends or is revoked', () => {
  const now = Date.parse('2026-11-29T10:00:00Z');
  assert.equal(keyState({ revoked_at: null, expires_at: null }, now), 'active');
  assert.equal(keyState({ revoked_at: null, expires_at: '2026-11-29T10:00:01Z' }, now), 'active');
  assert.equal(keyState({ revoked_at: null, expires_at: '2026-11-29T10:00:00Z' }, now), 'expired');
  assert.equal(keyState({ revoked_at: '2026-11-28T10:00:00Z', expires_at: '2026-11-29T10:00:00Z' }, now), 'revoked');
});

test('an address is whole, and a delivery says how it went', () => {
  assert.deepEqual(['https://a.example/x', 'http://127.0.0.1:9/', 'a.example', 'ftp://a.example', ''].map(isAddress), [true, true, false, false, false]);
  assert.equal(placeOf('https://a.example/'), 'a.example');
  const now = Date.parse('2026-11-29T10:00:00Z');
  const app = { t: (name, { n, ago: when } = {}) => `${name} ${n ?? when ?? ''}`.trim(), fmt: formats('en', { timeZone: 'UTC', now: () => now }) };
  const say = (fields) => sayDelivery(app, { created_at: '2026-11-29T09:00:00Z', delivered_at: null, next_attempt_at: null, last_status: null, last_error: null, attempts: 0, ...fields });
  assert.equal(say({ state: 'waiting' }), 'Nov 29, 09:00 · attempts 0');
  assert.equal(say({ state: 'waiting', attempts: 2, last_status: 503, next_attempt_at: '2026-11-29T10:05:00Z' }), 'Nov 29, 09:00 · attempts 2 · HTTP 503 · next_attempt in 5 minutes');
  assert.equal(say({ state: 'parked', attempts: 9, last_error: 'timed out' }), 'Nov 29, 09:00 · attempts 9 · timed out');
  assert.equal(say({ state: 'delivered', attempts: 1, delivered_at: '2026-11-29T09:01:00Z', last_status: 200 }), 'Nov 29, 09:01');
});
