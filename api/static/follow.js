//! Following one login: a single request in flight, ever. It is a long poll while that works, a question every 2 s while
//! it does not, and one more at once when the person comes back to the page. Knows nothing of what is shown.

import { Refused } from './server.js';

const POLL_MS = 2_000;
/** Above the 25 s that the server holds a question. */
const LONG_LIMIT_MS = 35_000;
const SHORT_LIMIT_MS = 10_000;
/** So many short polls, then the long poll gets another chance. */
const POLLS_BEFORE_LONG = 5;

const ENDED = new Set(['not_found', 'authorized', 'expired', 'cancelled', 'rejected', 'failed']);

/** Whether nothing more can happen to a login of this status. */
export function hasEnded(status) {
  return ENDED.has(status);
}

const realTimers = { now: () => Date.now(), set: (done, ms) => setTimeout(done, ms), clear: (id) => clearTimeout(id) };

/**
 * `ask(since, signal)` fetches a status (since null: at once). `onStatus(status)` gets every one that is news,
 * `onTrouble(failures)` the number of failures in a row (0: over), `onRefused(refused)` a 401, 403 or 404, after which it stops.
 */
export class Follower {
  #ask; #onStatus; #onTrouble; #onRefused; #timers;
  #version = null;
  #run = 0;
  #running = false;
  #failures = 0;
  #pollsLeft = 0;
  #interrupt = null;

  constructor({ ask, onStatus, onTrouble = () => {}, onRefused = () => {}, timers = realTimers }) {
    this.#ask = ask;
    this.#onStatus = onStatus;
    this.#onTrouble = onTrouble;
    this.#onRefused = onRefused;
    this.#timers = timers;
  }

  /** Begins from the start, forgetting the version: another login may be followed now. */
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

  /** Asks once more, now: what was in flight may have died while the page slept. */
  nudge() {
    if (!this.#running) return;
    this.#pollsLeft = 0;
    this.#interrupt?.();
  }

  /** Takes a status from elsewhere (a POST's answer); an older one than we know is no news, and none is once it has stopped. */
  take(status) {
    if (!this.#running) return;
    const { version } = status;
    if (typeof version === 'number' && this.#version !== null && version < this.#version) return;
    if (typeof version === 'number') this.#version = version;
    if (hasEnded(status.status)) this.stop();
    this.#onStatus(status);
  }

  async #loop(run) {
    let atOnce = true;
    while (this.#running && run === this.#run) {
      const since = atOnce || this.#pollsLeft > 0 ? null : this.#version;
      const before = this.#version;
      const outcome = await this.#once(since);
      if (!this.#running || run !== this.#run) return;
      atOnce = outcome.interrupted;
      if (outcome.interrupted) continue;

      if (outcome.status) {
        this.#recovered();
        this.take(outcome.status);
        // A server or proxy that answers a long poll at once with nothing new would have us spin.
        const idle = since !== null && outcome.status.version === before && outcome.tookMs < POLL_MS / 2;
        if (idle) this.#pollsLeft = POLLS_BEFORE_LONG;
        if (this.#pollsLeft === 0) continue;
        this.#pollsLeft -= 1;
        atOnce = await this.#pause(POLL_MS);
      } else {
        if (outcome.error instanceof Refused && [401, 403, 404].includes(outcome.error.status)) {
          this.stop();
          this.#onRefused(outcome.error);
          return;
        }
        this.#pollsLeft = POLLS_BEFORE_LONG;
        this.#failures += 1;
        this.#onTrouble(this.#failures);
        const asked = (outcome.error?.retryAfterSeconds ?? 0) * 1000;
        atOnce = await this.#pause(Math.min(Math.max(POLL_MS, asked), 30_000));
      }
    }
  }

  #recovered() {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#onTrouble(0);
  }

  async #once(since) {
    const flight = new AbortController();
    let interrupted = false;
    this.#interrupt = () => { interrupted = true; flight.abort(); };
    const limit = this.#timers.set(() => flight.abort(), since === null ? SHORT_LIMIT_MS : LONG_LIMIT_MS);
    const began = this.#timers.now();
    try {
      const status = await this.#ask(since, flight.signal);
      return { status, interrupted, tookMs: this.#timers.now() - began };
    } catch (error) {
      return { error, interrupted };
    } finally {
      this.#timers.clear(limit);
      this.#interrupt = null;
    }
  }

  /** True when it was cut short by a nudge. */
  #pause(ms) {
    return new Promise((resolve) => {
      const timer = this.#timers.set(() => { this.#interrupt = null; resolve(false); }, ms);
      this.#interrupt = () => { this.#timers.clear(timer); this.#interrupt = null; resolve(true); };
    });
  }
}
