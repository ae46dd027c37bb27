//! The steps of a phase. A login that waits has the way by code and the QR code; one that waits for its code has the code and the
//! number. What works on the device at hand comes first, and the way back leads there.

export class Steps {
  #handheld;
  #onePhone;
  #phase = null;
  #step = null;

  /** `handheld`: the page is on a phone. `onePhone`: the way by code is offered. */
  constructor({ handheld, onePhone }) {
    this.#handheld = handheld;
    this.#onePhone = onePhone;
  }

  /** `number`, `scan`, `full` (the QR code alone) or `code`. Null for a phase without steps. */
  get current() {
    return this.#step;
  }

  /** The step that the phase begins with. */
  get first() {
    if (this.#phase === 'waiting') return this.#handheld && this.#onePhone ? 'number' : 'scan';
    return this.#phase === 'code' ? 'code' : null;
  }

  /** Another phase begins with its first step. */
  enter(phase) {
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#step = this.first;
  }

  go(step) {
    this.#step = step;
  }

  back() {
    this.#step = this.#step === 'full' ? 'scan' : this.first;
  }
}
