//! The QR code on the screen: fetched with the Authorization header, so shown from a blob, and swapped only when the new
//! one is decoded, so nothing flickers. Black on white is the server's doing and stays so in a dark theme.

const AGAIN_MS = 2_000;

/** `fetchPicture(signal)` gives a Blob; `onShown()` is called when a picture stands there. */
export class Picture {
  #img; #fetchPicture; #onShown;
  #token = null;
  #flight = null;
  #url = null;

  constructor(img, fetchPicture, onShown) {
    this.#img = img;
    this.#fetchPicture = fetchPicture;
    this.#onShown = onShown;
  }

  /** Shows the code of this token; null takes it away. The same token again does nothing. */
  show(token) {
    if (token === this.#token) return;
    this.#token = token;
    this.#flight?.abort();
    if (token === null) this.#clear();
    else this.#load(token);
  }

  async #load(token) {
    const flight = new AbortController();
    this.#flight = flight;
    const url = await this.#decoded(flight.signal).catch(() => null);
    if (this.#token !== token || this.#flight !== flight) {
      if (url) URL.revokeObjectURL(url);
      return;
    }
    if (!url) {
      setTimeout(() => { if (this.#token === token && this.#flight === flight) this.#load(token); }, AGAIN_MS);
      return;
    }
    const before = this.#url;
    this.#url = url;
    this.#img.src = url;
    this.#img.hidden = false;
    if (before) URL.revokeObjectURL(before);
    this.#onShown();
  }

  async #decoded(signal) {
    const url = URL.createObjectURL(await this.#fetchPicture(signal));
    const image = new Image();
    image.src = url;
    try {
      await (image.decode ? image.decode() : new Promise((resolve, reject) => { image.onload = resolve; image.onerror = reject; }));
    } catch (error) {
      URL.revokeObjectURL(url);
      throw error;
    }
    return url;
  }

  #clear() {
    this.#img.hidden = true;
    this.#img.removeAttribute('src');
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = null;
  }
}
