//! The server's clock, from its `Date` headers. The countdown is right even on a phone with a wrong clock.

/** Follows the server's clock. `localNow()` is the device's clock in milliseconds. */
export class ServerClock {
  #offset = null;
  #localNow;

  constructor(localNow = () => Date.now()) {
    this.#localNow = localNow;
  }

  /** Reads the `Date` header of an answer. Ignores an answer without one. */
  observe(dateHeader) {
    const serverTime = Date.parse(dateHeader ?? '');
    if (Number.isNaN(serverTime)) return;
    // The header is cut off to whole seconds. The offset stays while it agrees with the header within a second.
    // Otherwise the countdown would jump at every answer.
    const ahead = this.now() - serverTime;
    if (this.#offset !== null && ahead >= 0 && ahead < 1500) return;
    this.#offset = serverTime + 500 - this.#localNow();
  }

  /** Milliseconds since 1970 on the server's clock. Before the first answer it is the device's clock. */
  now() {
    return this.#localNow() + (this.#offset ?? 0);
  }

  /** Seconds until an instant of the server (RFC 3339), never below 0. Null if there is none. It is rounded, because the
   *  clock may be half a second off, and a login of five minutes must not begin at 5:01. */
  secondsUntil(instant) {
    const at = Date.parse(instant ?? '');
    return Number.isNaN(at) ? null : Math.max(0, Math.round((at - this.now()) / 1000));
  }
}

/** `4:07` */
export function minutesAndSeconds(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
