//! The server's clock, as its `Date` headers tell it: a phone whose own clock is wrong still shows the right countdown.

/** Follows the server's clock; `localNow` (milliseconds) is the device's own. */
export class ServerClock {
  #offset = null;
  #localNow;

  constructor(localNow = () => Date.now()) {
    this.#localNow = localNow;
  }

  /** Takes note of an answer's `Date` header, if it has one. */
  heard(dateHeader) {
    const said = Date.parse(dateHeader ?? '');
    if (Number.isNaN(said)) return;
    // The header has whole seconds, cut off. As long as our idea of the time agrees with it to within a second,
    // it stays: moving it at every answer would make the countdown jump to and fro.
    const ahead = this.now() - said;
    if (this.#offset !== null && ahead >= 0 && ahead < 1500) return;
    this.#offset = said + 500 - this.#localNow();
  }

  /** Milliseconds since 1970 on the server's clock; the device's until the first answer. */
  now() {
    return this.#localNow() + (this.#offset ?? 0);
  }

  /** Seconds until an instant of the server (RFC 3339), never below 0; null where there is none. Rounded: what is known of
   *  the time is half a second off at most, and a login of five minutes must not begin at 5:01. */
  secondsUntil(instant) {
    const at = Date.parse(instant ?? '');
    return Number.isNaN(at) ? null : Math.max(0, Math.round((at - this.now()) / 1000));
  }
}

/** `4:07` */
export function minutesAndSeconds(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
