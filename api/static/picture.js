//! The picture of the QR code. It is fetched with the Authorization header, so it is shown from a blob. A new picture replaces the
//! old one only when it is decoded, so that nothing flickers. The server draws it black on white, also for a dark theme.

const RETRY_MS = 2_000;

/** `fetchPicture(signal)` returns a Blob. `onShown()` is called when a picture is visible. */
export class Picture {
  #img; #fetchPicture; #onShown;
  #token = null;
  #controller = null;
  #url = null;

  constructor(img, fetchPicture, onShown) {
    this.#img = img;
    this.#fetchPicture = fetchPicture;
    this.#onShown = onShown;
  }

  /** Shows the code of this token, and hides it for null. The same token again does nothing. */
  show(token) {
    if (token === this.#token) return;
    this.#token = token;
    this.#controller?.abort();
    if (token === null) this.#clear();
    else this.#load(token);
  }

  async #load(token) {
    const controller = new AbortController();
    this.#controller = controller;
    const url = await this.#fetchDecoded(controller.signal).catch(() => null);
    if (this.#token !== token || this.#controller !== controller) {
      if (url) URL.revokeObjectURL(url);
      return;
    }
    if (!url) {
      setTimeout(() => { if (this.#token === token && this.#controller === controller) this.#load(token); }, RETRY_MS);
      return;
    }
    const previous = this.#url;
    this.#url = url;
    this.#img.src = url;
    this.#img.hidden = false;
    if (previous) URL.revokeObjectURL(previous);
    this.#onShown();
  }

  async #fetchDecoded(signal) {
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
