//! The requests of the login page, and the server's time.

import { Refused, Requests, refusal } from './requests.js';

export { Refused };

export class Server {
  #requests;
  #clock;

  constructor({ session, initData, language, clock, fetch }) {
    this.session = session;
    this.#requests = new Requests({ initData, language, fetch });
    this.#clock = clock;
  }

  /** The status. With `since` the server answers when the version is above it, or after 25 s. */
  async status(since, signal) {
    const longPoll = since === null ? {} : { since, wait: 25 };
    return (await this.#request('/qr-auth-status', { query: longPoll, signal })).json();
  }

  /** The current QR code, as a Blob. */
  async picture(signal) {
    return (await this.#request('/qr-auth/qr.svg', { signal })).blob();
  }

  /** The SRP parameters of the 2-step password. They are valid for one attempt. */
  async password() {
    return (await this.#request('/qr-auth/password', {})).json();
  }

  /** `POST /qr-auth/<action>`. Returns the owner's status. */
  async post(action, fields = {}) {
    return (await this.#request(`/qr-auth/${action}`, { body: { session_id: this.session, ...fields } })).json();
  }

  async #request(path, { query = {}, body, signal }) {
    const url = body ? path : `${path}?${new URLSearchParams({ session_id: this.session, ...query })}`;
    const answer = await this.#requests.send(url, { method: body ? 'POST' : 'GET', body, signal });
    this.#clock.observe(answer.headers.get('Date'));
    if (!answer.ok) throw await refusal(answer);
    return answer;
  }
}
