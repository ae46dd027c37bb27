//! The follow loop, with time and answers in the test's hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Follower, hasEnded } from '../follow.js';
import { Refused } from '../server.js';

/** A follower whose requests wait for the test: `answer`, `fail`; and whose time is `pass`. */
function world() {
  const it = { asked: [], shown: [], troubles: [], refusals: [], now: 0, timers: new Map(), most: 0 };
  let next = 1;
  const open = [];
  it.follower = new Follower({
    fetchStatus: (since, signal) => new Promise((resolve, reject) => {
      const flight = { since, signal, resolve, reject };
      it.asked.push(since);
      open.push(flight);
      it.most = Math.max(it.most, open.length);
      signal.addEventListener('abort', () => { open.splice(open.indexOf(flight), 1); reject(new Error('aborted')); });
    }),
    onStatus: (status) => it.shown.push(status),
    onFailures: (failures) => it.troubles.push(failures),
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
  it.pass = async (ms) => {
    it.now += ms;
    for (const [id, timer] of [...it.timers]) if (timer.at <= it.now) { it.timers.delete(id); timer.done(); }
    await settled();
  };
  return it;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const waiting = (version) => ({ status: 'waiting', version });

test('the first question is answered at once, the next ones are long polls above the version', async () => {
  const it = world();
  it.follower.start();
  await it.answer(waiting(3));
  await it.answer(waiting(4));
  assert.deepEqual(it.asked, [null, 3, 4]);
  assert.deepEqual(it.shown.map(({ version }) => version), [3, 4]);
});

test('there is never more than one request in flight', async () => {
  const it = world();
  it.follower.start();
  await it.answer(waiting(1));
  for (const _ of [1, 2, 3]) it.follower.pollNow();
  await settled();
  it.follower.pollNow();
  await settled();
  await it.fail();
  it.follower.pollNow();
  await settled();
  assert.equal(it.most, 1);
  assert.equal(it.inFlight(), 1);
});

test('a pollNow drops the request in flight and asks at once, without waiting on the server', async () => {
  const it = world();
  it.follower.start();
  await it.answer(waiting(1));
  it.follower.pollNow();
  await settled();
  assert.deepEqual(it.asked, [null, 1, null]);
  await it.answer(waiting(1));
  assert.deepEqual(it.asked.at(-1), 1);
});

test('where the long poll fails, it polls every 2 s, and tries the long poll again later', async () => {
  const it = world();
  it.follower.start();
  await it.answer(waiting(1));
  await it.fail(new Refused(504, null));
  assert.equal(it.inFlight(), 0);
  for (let polls = 0; polls < 5; polls += 1) {
    await it.pass(1_999);
    assert.equal(it.inFlight(), 0, 'not before 2 s');
    await it.pass(1);
    assert.equal(it.asked.at(-1), null, 'a short poll');
    await it.answer(waiting(1));
  }
  await it.pass(2_000);
  assert.equal(it.asked.at(-1), 1, 'the long poll again');
});

test('a server that ends long polls at once with nothing new does not make it spin', async () => {
  const it = world();
  it.follower.start();
  await it.answer(waiting(1));
  await it.answer(waiting(1));
  assert.equal(it.inFlight(), 0);
  assert.equal(it.asked.length, 2);
});

test('a long poll that lasted and brought nothing is followed by the next one', async () => {
  const it = world();
  it.follower.start();
  await it.answer(waiting(1));
  it.now += 25_000;
  await it.answer(waiting(1));
  assert.deepEqual(it.asked, [null, 1, 1]);
});

test('a request that never answers is given up', async () => {
  const it = world();
  it.follower.start();
  await it.answer(waiting(1));
  await it.pass(35_000);
  assert.equal(it.inFlight(), 0);
  await it.pass(2_000);
  assert.deepEqual(it.asked, [null, 1, null]);
});

test('failures are counted, and a success says that they are over', async () => {
  const it = world();
  it.follower.start();
  await it.fail();
  await it.pass(2_000);
  await it.fail();
  await it.pass(2_000);
  await it.answer(waiting(1));
  assert.deepEqual(it.troubles, [1, 2, 0]);
});

test('Retry-After is respected', async () => {
  const it = world();
  it.follower.start();
  await it.fail(new Refused(429, null, 7));
  await it.pass(6_999);
  assert.equal(it.inFlight(), 0);
  await it.pass(1);
  assert.equal(it.inFlight(), 1);
});

for (const code of [401, 403, 404]) {
  test(`a ${code} ends it`, async () => {
    const it = world();
    it.follower.start();
    await it.fail(new Refused(code, null));
    await it.pass(60_000);
    assert.deepEqual(it.refusals, [code]);
    assert.equal(it.asked.length, 1);
  });
}

for (const status of ['not_found', 'authorized', 'expired', 'cancelled', 'rejected', 'failed']) {
  test(`${status} is the last answer that is asked for`, async () => {
    const it = world();
    it.follower.start();
    await it.answer({ status, version: 9 });
    await it.pass(60_000);
    assert.equal(it.asked.length, 1);
    assert.equal(it.shown.length, 1);
    assert.ok(hasEnded(status));
  });
}

test('an older status than the one shown is no news', async () => {
  const it = world();
  it.follower.start();
  await it.answer(waiting(5));
  it.follower.accept({ status: 'password_required', version: 8 });
  it.follower.accept({ status: 'code_required', version: 7 });
  await it.answer(waiting(6));
  assert.deepEqual(it.shown.map(({ version }) => version), [5, 8]);
  assert.equal(it.asked.at(-1), 8);
});

test('what was under way when it stopped revives nothing', async () => {
  const it = world();
  it.follower.start();
  await it.answer(waiting(5));
  it.follower.stop();
  it.follower.accept(waiting(6));
  assert.deepEqual(it.shown.map(({ version }) => version), [5]);
});

test('an end that a POST answers with stops the loop, and a new start follows on', async () => {
  const it = world();
  it.follower.start();
  await it.answer(waiting(1));
  it.follower.accept({ status: 'cancelled', version: 2 });
  await settled();
  assert.equal(it.inFlight(), 0);
  it.follower.start();
  it.follower.accept(waiting(3));
  await it.answer(waiting(3));
  assert.equal(it.asked.at(-1), 3);
});
