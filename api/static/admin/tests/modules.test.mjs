//! The modules without a browser: words for numbers and dates, CSV, the event stream, requests, charts, what is typed into a search.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Api, EventStreamParser, Live, OrderKeys, everyItem, idempotencyKey } from '../api.js';
import { daysUntil, formats, hueOf, initials, instantOf, nameOf } from '../format.js';
import { everyNth, ticks } from '../statistics.js';
import { csvOf, USER_COLUMNS } from '../export.js';
import { parseSearch } from '../audit.js';
import { pathOf } from '../invites.js';
import { endAfter, takeBack } from '../users.js';
import { generate } from '../vendor/lean-qr.mjs';

const NOW = Date.parse('2026-11-29T10:00:00Z');

test('dates are in the language and the time zone of the person', () => {
  const ru = formats('ru', { timeZone: 'Asia/Tokyo', now: () => NOW });
  const en = formats('en', { timeZone: 'America/New_York', now: () => NOW });
  assert.equal(ru.short('2026-11-29T01:05:00Z'), '10:05');
  assert.equal(ru.short('2026-11-28T16:00:00Z'), '01:00', 'it is Sunday in Tokyo already');
  assert.equal(en.short('2026-11-29T04:59:00Z'), 'Nov 28', 'it is Saturday in New York still');
  assert.equal(en.day('2027-01-02T12:00:00Z'), 'Jan 2, 2027');
  assert.equal(ru.ago('2026-11-29T09:55:00Z'), '5 минут назад');
  assert.equal(en.ago('2026-12-02T11:00:00Z'), 'in 3 days');
  assert.equal(en.utcDay('2026-11-29T00:00:00Z'), 'Nov 29', 'the server counts days in UTC');
  assert.equal(ru.day(null), '—');
  assert.equal(en.moment('never'), '—');
});

test('days are rounded up, and an input’s time is an instant', () => {
  assert.equal(daysUntil('2026-11-30T10:00:00Z', NOW), 1);
  assert.equal(daysUntil('2026-11-30T10:00:01Z', NOW), 2);
  assert.equal(daysUntil('2026-11-01T10:00:00Z', NOW), 0);
  assert.equal(instantOf('2026-11-29T12:30'), new Date(2026, 10, 29, 12, 30).toISOString());
  assert.equal(instantOf(''), null);
});

test('a person without a name has one all the same', () => {
  const user = { telegram_id: 139883458, first_name: null, last_name: null, username: null };
  assert.deepEqual([nameOf(user), initials(user)], ['139883458', '#']);
  assert.deepEqual([nameOf({ ...user, username: 'anna' }), initials({ ...user, username: 'anna' })], ['@anna', 'A']);
  assert.deepEqual([nameOf({ ...user, first_name: '🦊 Ян' }), initials({ ...user, first_name: '🦊 Ян', last_name: 'ли' })], ['🦊 Ян', '🦊Л']);
  assert.ok([0, 1, 2, 3, 4, 5, 6].includes(hueOf(user.telegram_id)));
});

test('CSV is quoted, and no name becomes a formula', () => {
  const text = csvOf([['name', (row) => row.name], ['n', (row) => row.n]], [{ name: 'a,"b"\nc', n: -1 }, { name: '=HYPERLINK("x")', n: null }, { name: '@anna', n: { a: 1 } }]);
  assert.equal(text, '\ufeffname,n\r\n"a,""b""\nc",-1\r\n"\'=HYPERLINK(""x"")",\r\n\'@anna,"{""a"":1}"\r\n');
  assert.ok(USER_COLUMNS.some(([heading]) => heading === 'subscription_expires_at'));
});

test('an event stream is read whatever its chunks are', () => {
  const stream = ': hello\n\nevent: log\nid: 7\ndata: {"a":1}\n\nevent: log\r\nid: 8\r\ndata: one\r\ndata: two\r\n\r\n:\n\nid: 9\n\ndata\n\n';
  const expected = [{ event: 'log', id: '7', data: '{"a":1}' }, { event: 'log', id: '8', data: 'one\ntwo' }, { event: 'message', id: null, data: '' }];
  for (const size of [1, 2, 3, 7, stream.length]) {
    const parser = new EventStreamParser();
    const events = [];
    for (let at = 0; at < stream.length; at += size) events.push(...parser.feed(stream.slice(at, at + size)));
    assert.deepEqual(events, expected, `chunks of ${size}`);
  }
});

/** An answer of the server. */
const answer = (status, body, headers = {}) => new Response(body === null ? null : JSON.stringify(body), { status, headers: { 'Content-Type': status >= 400 ? 'application/problem+json' : 'application/json', ...headers } });

test('the token goes into the header of each request, and nowhere else', async () => {
  const sent = [];
  const api = new Api({ language: 'en', fetch: async (url, options) => {
    sent.push([url, options]);
    return url.endsWith('/session') ? answer(200, { token: 'secret', role: 'admin', account_id: 'a', expires_at: 'x' }) : answer(200, {});
  } });
  assert.deepEqual(await api.open('launch=data'), { role: 'admin', account_id: 'a', expires_at: 'x' }, 'the token is not handed out');
  await api.get('users', { query: 'a b', tier: '', after: null, limit: 50 });
  await api.post('users/x/block', { reason: 'r' });
  assert.equal(sent[0][1].headers.Authorization, 'tma launch=data');
  assert.equal(sent[1][0], '/api/admin/users?query=a+b&limit=50');
  assert.deepEqual(sent.slice(1).map(([, { headers }]) => headers.Authorization), ['Bearer secret', 'Bearer secret']);
  assert.ok(sent.every(([url, { body }]) => !`${url}${body}`.includes('secret')));
  assert.ok(!JSON.stringify(api).includes('secret'));
});

test('a session that has ended is told once a request is refused, and problems bring their words', async () => {
  const ended = [];
  const answers = [answer(409, { detail: 'Это последний администратор.', type: 'urn:x' }), answer(502, null), answer(401, { title: 'no' }), answer(403, { title: 'no' })];
  const api = new Api({ language: 'ru', onEnded: (status) => ended.push(status), fetch: async () => answers.shift() });
  await assert.rejects(api.post('a'), { status: 409, detail: 'Это последний администратор.', type: 'urn:x' });
  await assert.rejects(api.get('a'), { status: 502, detail: null });
  assert.deepEqual(ended, []);
  await assert.rejects(api.get('a'), { status: 401 });
  await assert.rejects(api.get('a'), { status: 403 });
  assert.deepEqual(ended, [401, 403]);
  const offline = new Api({ language: 'ru', fetch: async () => { throw new TypeError('failed'); } });
  await assert.rejects(offline.get('a'), { status: 0 });
});

test('a list is exported with every page of it', async () => {
  const asked = [];
  const api = { get: async (path, query) => { asked.push(query); return query.after === null ? { items: [1, 2], next: 'x' } : { items: [3], next: null }; } };
  assert.deepEqual(await everyItem(api, 'users', { tier: 'basic' }), [1, 2, 3]);
  assert.deepEqual(asked.map(({ tier, limit, after }) => [tier, limit, after]), [['basic', 200, null], ['basic', 200, 'x']]);
  assert.match(idempotencyKey(), /^[0-9a-f]{32}$/);
  const keys = new OrderKeys();
  const first = keys.of({ days: 1 });
  assert.equal(keys.of({ days: 1 }), first, 'the same order, tried again');
  assert.notEqual(keys.of({ days: 2 }), first);
  const second = keys.of({ days: 2 });
  keys.done();
  assert.notEqual(keys.of({ days: 2 }), second, 'what is done can be ordered once more');
});

test('a broken stream goes on after the last event that was seen; an ended session is not asked again', async () => {
  const asked = [];
  const events = [];
  const bodies = ['event: log\nid: 5\ndata: {"position":5}\n\n', 'event: log\nid: 6\ndata: {"position":6}\n\n'];
  let done;
  const finished = new Promise((resolve) => { done = resolve; });
  const live = new Live({ stream: async (_, lastId) => {
    asked.push(lastId);
    if (bodies.length === 0) { done(); throw Object.assign(new Error(), { status: 401 }); }
    return new Response(bodies.shift()).body;
  } }, { setTimeout: (act) => { queueMicrotask(act); return 0; } });
  live.on(({ event }) => { if (event) events.push(event.position); });
  live.start();
  await finished;
  assert.deepEqual([asked, events], [[null, '5', '6'], [5, 6]]);
});

test('a chart has round marks', () => {
  assert.deepEqual(ticks(0), [0, 1]);
  assert.deepEqual(ticks(2), [0, 1, 2]);
  assert.deepEqual(ticks(37), [0, 20, 40]);
  assert.deepEqual(ticks(0.3), [0, 0.1, 0.2, 0.30000000000000004]);
  assert.ok([1, 3, 10, 99, 101, 1e6].every((most) => ticks(most).at(-1) >= most && ticks(most).length <= 5));
  assert.deepEqual([everyNth(4), everyNth(30), everyNth(30, 4)], [1, 5, 8]);
});

test('what is typed into the audit’s search is a position, an account, a login or an event', () => {
  const events = ['LoginStarted'];
  assert.deepEqual(parseSearch(' #12 ', events), { position: 12 });
  assert.deepEqual(parseSearch('12', events), { position: 12 });
  assert.deepEqual(parseSearch('01912f6a-7c3b-7000-8000-000000000002', events), { account: '01912f6a-7c3b-7000-8000-000000000002' });
  assert.deepEqual(parseSearch('login-00000000000000000000000001', events), { login: 'login-00000000000000000000000001' });
  assert.deepEqual(parseSearch('loginstarted', events), { event: 'LoginStarted' });
  assert.equal(parseSearch('anna', events), null);
});

test('a QR code is drawn square by square', () => {
  const code = { size: 3, get: (x, y) => ['110', '001', '101'][y]?.[x] === '1' };
  assert.equal(pathOf(code), 'M0 0h2v1h-2zM2 1h1v1h-1zM0 2h1v1h-1zM2 2h1v1h-1z');
  assert.ok(generate('https://t.me/qr_login_bot?start=3HBP4Z3ECICZ').size >= 25);
});

test('the same tier goes on from the end of the one that runs; another one begins now', () => {
  const user = { subscription_status: 'active', subscription_type: 'premium', subscription_expires_at: '2026-12-09T10:00:00Z' };
  const day = (it) => it.until && new Date(it.until).toISOString().slice(0, 10);
  assert.equal(day(endAfter(user, 'premium', 30, NOW)), '2027-01-08');
  assert.equal(day(endAfter(user, 'basic', 30, NOW)), '2026-12-29');
  assert.equal(day(endAfter({ ...user, subscription_status: 'expired' }, 'premium', 30, NOW)), '2026-12-29');
  assert.equal(day(endAfter(undefined, 'premium', 30, NOW)), '2026-12-29');
  assert.equal(day(endAfter(user, 'premium', 0, NOW)), null);
  assert.equal(day(endAfter({ ...user, subscription_expires_at: null }, 'premium', 30, NOW)), null, 'what has no end gets none');
});

test('a grant is taken back to what was before it', async () => {
  const asked = [];
  const before = { account_id: 'a', telegram_id: 1, first_name: 'Anna', subscription_status: 'active', subscription_type: 'premium', subscription_expires_at: '2026-12-09T09:00:00Z' };
  const app = {
    t: (key) => key, fmt: formats('en', { now: () => NOW }),
    api: { delete: async (path) => { asked.push(['delete', path]); }, post: async (path, { tier, days }) => { asked.push(['post', tier, days]); return { user: before }; } },
  };
  const takeBackAfter = async (user, tier) => { asked.length = 0; await takeBack(app, user, { tier }); return [...asked]; };
  assert.deepEqual(await takeBackAfter({ ...before, subscription_status: 'none' }, 'basic'), [['delete', 'users/a/subscription']]);
  assert.deepEqual(await takeBackAfter(before, 'basic'), [['post', 'premium', 10]]);
  assert.deepEqual(await takeBackAfter(before, 'premium'), [['delete', 'users/a/subscription'], ['post', 'premium', 10]], 'it had been extended');
  assert.deepEqual(await takeBackAfter({ ...before, subscription_expires_at: null }, 'basic'), [['post', 'premium', 0]]);
  assert.deepEqual(await takeBackAfter({ ...before, subscription_expires_at: null }, 'premium'), [], 'nothing had changed');
});
