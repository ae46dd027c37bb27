//! The requests of the page: authorisation (initData), errors (problem+json) and the server's time.

/** An answer without success. `detail` is a sentence for the person, or null. `type` is the problem's. */
export class Refused extends Error {
  constructor(status, detail, retryAfter, type) {
    super(`HTTP ${status}`);
    this.status = status;
    this.detail = detail;
    this.retryAfterSeconds = retryAfter;
    this.isBlocked = type === 'urn:qr-login:blocked';
  }
}

export class Server {
  #initData;
  #language;
  #clock;
  #fetch;

  constructor({ session, initData, language, clock, fetch = globalThis.fetch.bind(globalThis) }) {
    this.session = session;
    this.#initData = initData;
    this.#language = language;
    this.#clock = clock;
    this.#fetch = fetch;
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
    // If the launch data is invalid, the server takes the language of its error from this header.
    const headers = { 'Accept-Language': this.#language };
    if (this.#initData) headers.Authorization = `tma ${this.#initData}`;
    if (body) headers['Content-Type'] = 'application/json';
    const answer = await this.#fetch(url, {
      method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body), signal, cache: 'no-store', credentials: 'omit',
    });
    this.#clock.observe(answer.headers.get('Date'));
    if (!answer.ok) throw await refusal(answer);
    return answer;
  }
}

async function refusal(answer) {
  let problem = {};
  try {
    if (/json/.test(answer.headers.get('Content-Type') ?? '')) problem = await answer.json();
  } catch { /* A proxy's page instead of problem+json: only the status code is known. */ }
  const detail = [problem.detail, problem.title].find((text) => typeof text === 'string' && text) ?? null;
  return new Refused(answer.status, detail, Number(answer.headers.get('Retry-After')) || null, problem.type);
}
