//! The follower, with time and answers that the test controls.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Follower, hasEnded } from '../follow.js';
import { Refused } from '../server.js';

/** A follower whose requests the test ends with `answer` and `fail`, and whose time it moves with `advance`. */
function fixture() {
  const it = { requested: [], statuses: [], failures: [], refusals: [], now: 0, timers: new Map(), mostOpen: 0 };
  let next = 1;
  const open = [];
  it.follower = new Follower({
    fetchStatus: (since, signal) => new Promise((resolve, reject) => {
      const request = { since, signal, resolve, reject };
      it.requested.push(since);
      open.push(request);
      it.mostOpen = Math.max(it.mostOpen, open.length);
      signal.addEventListener('abort', () => { open.splice(open.indexOf(request), 1); reject(new Error('aborted')); });
    }),
    onStatus: (status) => it.statuses.push(status),
    onFailures: (failures) => it.failures.push(failures),
    onRefused: (refused) => it.refusals.push(refused.status),
    timers: {
      now: () => it.now,
      set: (done, ms) => { it.timers.set(next, { done, at: it.now + ms }); next += 1; return next - 1; },
      clear: (id) => it.timers.delete(id),
    },
  });
  it.inFlight = () => open.length;
  it.answer = async (status) => { open.shift().resolve(status); await settled(); };
  it.fail = async (error = new Error('no network')) => { open.shift().reject(error); await settled(); };
  it.advance = async (ms) => {
    it.now += ms;
    for (const [id, timer] of [...it.timers]) if (timer.at <= it.now) { it.timers.delete(id); timer.done(); }
    await settled();
  };
  return it;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const waiting = (version) => ({ status: 'waiting', version });

test('the first request is a short poll, the next ones are long polls above the version', async () => {
  const it = fixture();
  it.follower.start();
  await it.answer(waiting(3));
  await it.answer(waiting(4));
  assert.deepEqual(it.requested, [null, 3, 4]);
  assert.deepEqual(it.statuses.map(({ version }) => version), [3, 4]);
});

test('there is never more than one request in flight', async () => {
  const it = fixture();
  it.follower.start();
  await it.answer(waiting(1));
  for (const _ of [1, 2, 3]) it.follower.pollNow();
  await settled();
  it.follower.pollNow();
  await settled();
  await it.fail();
  it.follower.pollNow();
  await settled();
  assert.equal(it.mostOpen, 1);
  assert.equal(it.inFlight(), 1);
});

test('pollNow drops the request in flight and sends a short poll at once', async () => {
  const it = fixture();
  it.follower.start();
  await it.answer(waiting(1));
  it.follower.pollNow();
  await settled();
  assert.deepEqual(it.requested, [null, 1, null]);
  await it.answer(waiting(1));
  assert.deepEqual(it.requested.at(-1), 1);
});

test('where the long poll fails, it polls every 2 s, and tries the long poll again later', async () => {
  const it = fixture();
  it.follower.start();
  await it.answer(waiting(1));
  await it.fail(new Refused(504, null));
  assert.equal(it.inFlight(), 0);
  for (let polls = 0; polls < 5; polls += 1) {
    await it.advance(1_999);
    assert.equal(it.inFlight(), 0, 'not before 2 s');
    await it.advance(1);
    assert.equal(it.requested.at(-1), null, 'a short poll');
    await it.answer(waiting(1));
  }
  await it.advance(2_000);
  assert.equal(it.requested.at(-1), 1, 'the long poll again');
});

test('a server that ends long polls at once with nothing new does not make the loop spin', async () => {
  const it = fixture();
  it.follower.start();
  await it.answer(waiting(1));
  await it.answer(waiting(1));
  assert.equal(it.inFlight(), 0);
  assert.equal(it.requested.length, 2);
});

test('a long poll that ended without a change is followed by the next one', async () => {
  const it = fixture();
  it.follower.start();
  await it.answer(waiting(1));
  it.now += 25_000;
  await it.answer(waiting(1));
  assert.deepEqual(it.requested, [null, 1, 1]);
});

test('a request that never answers is given up', async () => {
  const it = fixture();
  it.follower.start();
  await it.answer(waiting(1));
  await it.advance(35_000);
  assert.equal(it.inFlight(), 0);
  await it.advance(2_000);
  assert.deepEqual(it.requested, [null, 1, null]);
});

test('failures are counted, and a success resets the count', async () => {
  const it = fixture();
  it.follower.start();
  await it.fail();
  await it.advance(2_000);
  await it.fail();
  await it.advance(2_000);
  await it.answer(waiting(1));
  assert.deepEqual(it.failures, [1, 2, 0]);
});

test('Retry-After is respected', async () => {
  const it = fixture();
  it.follower.start();
  await it.fail(new Refused(429, null, 7));
  await it.advance(6_999);
  assert.equal(it.inFlight(), 0);
  await it.advance(1);
  assert.equal(it.inFlight(), 1);
});

for (const code of [401, 403, 404]) {
  test(`a ${code} ends it`, async () => {
    const it = fixture();
    it.follower.start();
    await it.fail(new Refused(code, null));
    await it.advance(60_000);
    assert.deepEqual(it.refusals, [code]);
    assert.equal(it.requested.length, 1);
  });
}

for (const status of ['not_found', 'authorized', 'expired', 'cancelled', 'rejected', 'failed']) {
  test(`${status} is final: nothing is requested after it`, async () => {
    const it = fixture();
    it.follower.start();
    await it.answer({ status, version: 9 });
    await it.advance(60_000);
    assert.equal(it.requested.length, 1);
    assert.equal(it.statuses.length, 1);
    assert.ok(hasEnded(status));
  });
}

test('an older status than the one shown is ignored', async () => {
  const it = fixture();
  it.follower.start();
  await it.answer(waiting(5));
  it.follower.accept({ status: 'password_required', version: 8 });
  it.follower.accept({ status: 'code_required', version: 7 });
  await it.answer(waiting(6));
  assert.deepEqual(it.statuses.map(({ version }) => version), [5, 8]);
  assert.equal(it.requested.at(-1), 8);
});

test('a status that comes after the stop is ignored', async () => {
  const it = fixture();
  it.follower.start();
  await it.answer(waiting(5));
  it.follower.stop();
  it.follower.accept(waiting(6));
  assert.deepEqual(it.statuses.map(({ version }) => version), [5]);
});

test('a final status from a POST stops the loop, and a new start begins again', async () => {
  const it = fixture();
  it.follower.start();
  await it.answer(waiting(1));
  it.follower.accept({ status: 'cancelled', version: 2 });
  await settled();
  assert.equal(it.inFlight(), 0);
  it.follower.start();
  it.follower.accept(waiting(3));
  await it.answer(waiting(3));
  assert.equal(it.requested.at(-1), 3);
});
