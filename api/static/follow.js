//! Follows the status of one login, with never more than one request at a time. It uses long polls while they work, otherwise
//! a short poll every 2 s, and one more poll when the person comes back to the page. It does not touch the document.

import { Refused } from './server.js';

const POLL_MS = 2_000;
/** Above the 25 s that the server holds a long poll. */
const LONG_TIMEOUT_MS = 35_000;
const SHORT_TIMEOUT_MS = 10_000;
/** After a failure this many short polls come before the next long poll. */
const SHORT_POLLS_BEFORE_LONG = 5;

const ENDED = new Set(['not_found', 'authorized', 'expired', 'cancelled', 'rejected', 'failed']);

/** Whether this status is final. */
export function hasEnded(status) {
  return ENDED.has(status);
}

const realTimers = { now: () => Date.now(), set: (done, ms) => setTimeout(done, ms), clear: (id) => clearTimeout(id) };

/**
 * `fetchStatus(since, signal)` fetches a status; `since` is null for a short poll. `onStatus(status)` gets every new status.
 * `onFailures(failures)` gets the number of failures in a row, 0 after a success. `onRefused(refused)` gets a 401, 403 or 404,
 * after which the follower stops.
 */
export class Follower {
  #fetchStatus; #onStatus; #onFailures; #onRefused; #timers;
  #version = null;
  #run = 0;
  #running = false;
  #failures = 0;
  #shortPollsLeft = 0;
  #interrupt = null;

  constructor({ fetchStatus, onStatus, onFailures = () => {}, onRefused = () => {}, timers = realTimers }) {
    this.#fetchStatus = fetchStatus;
    this.#onStatus = onStatus;
    this.#onFailures = onFailures;
    this.#onRefused = onRefused;
    this.#timers = timers;
  }

  /** Starts without a version, because the session may have a new login. */
  start() {
    this.stop();
    this.#version = null;
    this.#running = true;
    this.#loop(++this.#run);
  }

  stop() {
    this.#running = false;
    this.#run += 1;
    this.#interrupt?.();
  }

  /** Polls now, and drops the request in flight, whose connection may be broken after the page was suspended. */
  pollNow() {
    if (!this.#running) return;
    this.#shortPollsLeft = 0;
    this.#interrupt?.();
  }

  /** Accepts a status, also from the answer of a POST. Ignores an older one, and all after the follower has stopped. */
  accept(status) {
    if (!this.#running) return;
    const { version } = status;
    if (typeof version === 'number' && this.#version !== null && version < this.#version) return;
    if (typeof version === 'number') this.#version = version;
    if (hasEnded(status.status)) this.stop();
    this.#onStatus(status);
  }

  async #loop(run) {
    let immediately = true;
    while (this.#running && run === this.#run) {
      const since = immediately || this.#shortPollsLeft > 0 ? null : this.#version;
      const previousVersion = this.#version;
      const outcome = await this.#request(since);
      if (!this.#running || run !== this.#run) return;
      immediately = outcome.interrupted;
      if (outcome.interrupted) continue;

      if (outcome.status) {
        this.#reportRecovery();
        this.accept(outcome.status);
        // Some servers or proxies answer a long poll at once with nothing new. Without a pause the loop would spin.
        const idle = since !== null && outcome.status.version === previousVersion && outcome.tookMs < POLL_MS / 2;
        if (idle) this.#shortPollsLeft = SHORT_POLLS_BEFORE_LONG;
        if (this.#shortPollsLeft === 0) continue;
        this.#shortPollsLeft -= 1;
        immediately = await this.#pause(POLL_MS);
      } else {
        if (outcome.error instanceof Refused && [401, 403, 404].includes(outcome.error.status)) {
          this.stop();
          this.#onRefused(outcome.error);
          return;
        }
        this.#shortPollsLeft = SHORT_POLLS_BEFORE_LONG;
        this.#failures += 1;
        this.#onFailures(this.#failures);
        const retryAfterMs = (outcome.error?.retryAfterSeconds ?? 0) * 1000;
        immediately = await this.#pause(Math.min(Math.max(POLL_MS, retryAfterMs), 30_000));
      }
    }
  }

  #reportRecovery() {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#onFailures(0);
  }

  async #request(since) {
    const controller = new AbortController();
    let interrupted = false;
    this.#interrupt = () => { interrupted = true; controller.abort(); };
    const timeout = this.#timers.set(() => controller.abort(), since === null ? SHORT_TIMEOUT_MS : LONG_TIMEOUT_MS);
    const began = this.#timers.now();
    try {
      const status = await this.#fetchStatus(since, controller.signal);
      return { status, interrupted, tookMs: this.#timers.now() - began };
    } catch (error) {
      return { error, interrupted };
    } finally {
      this.#timers.clear(timeout);
      this.#interrupt = null;
    }
  }

  /** Resolves to true if `pollNow` cut it short. */
  #pause(ms) {
    return new Promise((resolve) => {
      const timer = this.#timers.set(() => { this.#interrupt = null; resolve(false); }, ms);
      this.#interrupt = () => { this.#timers.clear(timer); this.#interrupt = null; resolve(true); };
    });
  }
}
