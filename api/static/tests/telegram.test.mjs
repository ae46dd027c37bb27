//! The client's bridge without the SDK, launch parameters, the rules of the link, phone numbers and the server's clock.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Telegram, atLeast, launchParams, linkPolicy } from '../telegram.js';
import { ServerClock, minutesAndSeconds } from '../clock.js';
import { maskedNumber, phoneNumber } from '../phone.js';

const initData = 'query_id=AAH&user=%7B%22id%22%3A139883458%2C%22first_name%22%3A%22%D0%98%20%2B%22%2C%22language_code%22%3A%22ru%22%7D&hash=ab';
const fragment = `#tgWebAppData=${encodeURIComponent(initData)}&tgWebAppVersion=8.0&tgWebAppPlatform=ios&tgWebAppThemeParams=%7B%22bg_color%22%3A%22%23212121%22%7D`;

function storage(kept = {}) {
  return { getItem: (key) => kept[key] ?? null, setItem: (key, value) => { kept[key] = value; } };
}

/** A window with a native client's bridge. `posted` holds the events that came over it. */
function nativeWindow() {
  const style = new Map();
  const window = {
    posted: [],
    setTimeout, clearTimeout,
    TelegramWebviewProxy: { postEvent: (event, data) => { window.posted.push([event, JSON.parse(data)]); window.answer?.(event, JSON.parse(data)); } },
    document: {
      documentElement: { dataset: {}, style: { setProperty: (name, value) => style.set(name, value) } },
      createElement: () => ({ addEventListener(event, act) { if (event === 'error') queueMicrotask(act); } }),
      head: { append() {} },
    },
    style,
  };
  window.parent = window;
  return window;
}

test('launch parameters are read from the fragment, and initData stays as it was signed', () => {
  const launch = launchParams(fragment, storage());
  assert.equal(launch.initData, initData);
  assert.equal(launch.platform, 'ios');
  assert.deepEqual(launch.user, { id: 139883458, first_name: 'И +', language_code: 'ru' });
  assert.deepEqual(launch.theme, { bg_color: '#212121' });
});

test('after a reload without the fragment they come from where the SDK stores them', () => {
  const shared = storage();
  launchParams(fragment, shared);
  assert.equal(launchParams('', shared).initData, initData);
});

test('without fragment and storage, or with broken JSON, nothing is known and nothing throws', () => {
  for (const [hash, store] of [['', null], ['#tgWebAppData=user%3D%7Bbroken', storage()], ['', storage({ __telegram__initParams: '{' })]]) {
    assert.equal(launchParams(hash, store).user, null);
  }
  assert.equal(launchParams('', { getItem() { throw new Error('denied'); } }).initData, '');
});

test('the link is followed on iOS and Android alone', () => {
  assert.deepEqual(['ios', 'android', 'android_x'].map(linkPolicy), Array(3).fill('opens'));
  assert.deepEqual(['tdesktop', 'macos', 'weba', 'webk', 'web', 'unigram', 'unknown'].map(linkPolicy), Array(7).fill('explains'));
});

test('client versions are compared as numbers', () => {
  assert.ok(atLeast('6.10', '6.9'));
  assert.ok(atLeast('7.0', '6.9'));
  assert.ok(!atLeast('6.0', '6.1'));
});

test('without the SDK, ready and expand go over the bridge', async () => {
  const window = nativeWindow();
  await new Telegram(window, launchParams(fragment, storage())).start();
  const events = window.posted.map(([event]) => event);
  assert.ok(events.includes('web_app_setup_swipe_behavior'), events.join());
  assert.ok(events.includes('web_app_ready') && events.includes('web_app_expand'), events.join());
});

test('a theme from the client becomes variables, and only colours do', () => {
  const window = nativeWindow();
  new Telegram(window, launchParams(fragment, storage()));
  assert.equal(window.document.documentElement.dataset.scheme, 'dark');
  window.Telegram.WebView.receiveEvent('theme_changed', { theme_params: { bg_color: '#ffffff', text_color: 'red;} body{', 'x-y': '#000000' } });
  assert.equal(window.document.documentElement.dataset.scheme, 'light');
  assert.equal(window.style.get('--tg-theme-bg-color'), '#ffffff');
  assert.equal(window.style.size, 1);
});

test('the contact is requested again until Telegram has it', async () => {
  const window = nativeWindow();
  const telegram = new Telegram(window, launchParams(fragment, storage()));
  let asked = 0;
  window.answer = (event, data) => {
    if (event === 'web_app_request_phone') queueMicrotask(() => window.Telegram.WebView.receiveEvent('phone_requested', { status: 'sent' }));
    if (event !== 'web_app_invoke_custom_method') return;
    asked += 1;
    const result = asked < 3 ? '' : 'contact=%7B%22user_id%22%3A139883458%2C%22phone_number%22%3A%2279990000001%22%7D&hash=x';
    queueMicrotask(() => window.Telegram.WebView.receiveEvent('custom_method_invoked', { req_id: data.req_id, result }));
  };
  assert.deepEqual(await telegram.requestContact(), {
    signed: 'contact=%7B%22user_id%22%3A139883458%2C%22phone_number%22%3A%2279990000001%22%7D&hash=x', number: '79990000001', userId: 139883458,
  });
  assert.equal(asked, 3);
});

test('a contact that is not given is null', async () => {
  const window = nativeWindow();
  const telegram = new Telegram(window, launchParams(fragment, storage()));
  window.answer = () => queueMicrotask(() => window.Telegram.WebView.receiveEvent('phone_requested', { status: 'cancelled' }));
  assert.equal(await telegram.requestContact(), null);
});

test('phone numbers are read in the ways people write them', () => {
  assert.equal(phoneNumber('+7 (999) 000-00-01'), '+79990000001');
  assert.equal(phoneNumber('8 999 000 00 01'), '+79990000001');
  assert.equal(phoneNumber('79990000001'), '+79990000001');
  assert.equal(phoneNumber('999 000-00-01'), '+79990000001');
  assert.equal(phoneNumber('+95 9123 4567'), '+9591234567');
  assert.equal(phoneNumber('994 50 123 45 67'), '+994501234567');
  assert.equal(phoneNumber('+81 90 1234 5678'), '+819012345678');
  assert.equal(phoneNumber('+8 6139 000 000'), '+86139000000');
  for (const bad of ['', '+', '12345', '+1234567890123456', 'phone']) assert.equal(phoneNumber(bad), null);
});

test('a number is shown by its country and its end', () => {
  assert.equal(maskedNumber('79990000001'), '+7 ••• ••01');
  assert.equal(maskedNumber('+447700900123'), '+44 ••• ••23');
  assert.equal(maskedNumber('+380501234567'), '+380 ••• ••67');
  assert.equal(maskedNumber('+12025550143'), '+1 ••• ••43');
});

test('the countdown runs on the server’s clock, not on the device’s', () => {
  let device = Date.parse('2031-01-01T00:00:00Z');
  const clock = new ServerClock(() => device);
  clock.observe('Sun, 22 Nov 2026 10:00:00 GMT');
  assert.equal(clock.secondsUntil('2026-11-22T10:05:00Z'), 300);
  assert.equal(clock.secondsUntil('2026-11-22T10:05:00.999Z'), 300, 'five minutes never begin at 5:01');
  device += 90_000;
  assert.equal(clock.secondsUntil('2026-11-22T10:05:00Z'), 210);
  device += 400;
  const before = clock.secondsUntil('2026-11-22T10:05:00Z');
  clock.observe('Sun, 22 Nov 2026 10:01:30 GMT');
  assert.equal(clock.secondsUntil('2026-11-22T10:05:00Z'), before, 'an answer that agrees does not make it jump');
  clock.observe('Sun, 22 Nov 2026 10:03:00 GMT');
  assert.equal(clock.secondsUntil('2026-11-22T10:05:00Z'), 120, 'one that does not agree sets it');
  clock.observe('Sun, 22 Nov 2026 10:00:30 GMT');
  assert.equal(clock.secondsUntil('2026-11-22T10:05:00Z'), 270, 'in either direction');
  clock.observe('nonsense');
  clock.observe(null);
  device += 3_600_000;
  assert.equal(clock.secondsUntil('2026-11-22T10:05:00Z'), 0);
  assert.equal(clock.secondsUntil(undefined), null);
  assert.equal(minutesAndSeconds(247), '4:07');
});
