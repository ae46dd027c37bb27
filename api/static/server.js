//! The requests of the page: who asks (initData), what went wrong (problem+json) and what time it is there.

/** An answer that is not a success; `detail` is a sentence for the person, or null. */
export class Refused extends Error {
  constructor(status, detail, retryAfter) {
    super(`HTTP ${status}`);
    this.status = status;
    this.detail = detail;
    this.retryAfterSeconds = retryAfter;
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

  /** The status; with `since`, as soon as its version is above that, after 25 s at the latest. */
  async status(since, signal) {
    const more = since === null ? {} : { since, wait: 25 };
    return (await this.#ask('/qr-auth-status', { query: more, signal })).json();
  }

  /** The QR code on offer now, as a picture. */
  async picture(signal) {
    return (await this.#ask('/qr-auth/qr.svg', { signal })).blob();
  }

  /** The SRP parameters of the 2-step password; they serve one try. */
  async password() {
    return (await this.#ask('/qr-auth/password', {})).json();
  }

  /** `POST /qr-auth/<what>`: answers the owner's status. */
  async post(what, fields = {}) {
    return (await this.#ask(`/qr-auth/${what}`, { body: { session_id: this.session, ...fields } })).json();
  }

  async #ask(path, { query = {}, body, signal }) {
    const url = body ? path : `${path}?${new URLSearchParams({ session_id: this.session, ...query })}`;
    // A refusal speaks the page's language too: launch data that is not believed does not say which one that is.
    const headers = { 'Accept-Language': this.#language };
    if (this.#initData) headers.Authorization = `tma ${this.#initData}`;
    if (body) headers['Content-Type'] = 'application/json';
    const answer = await this.#fetch(url, {
      method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body), signal, cache: 'no-store', credentials: 'omit',
    });
    this.#clock.heard(answer.headers.get('Date'));
    if (!answer.ok) throw await refusal(answer);
    return answer;
  }
}

async function refusal(answer) {
  let problem = {};
  try {
    if (/json/.test(answer.headers.get('Content-Type') ?? '')) problem = await answer.json();
  } catch { /* a proxy's page instead of ours: the status code has to do */ }
  const detail = [problem.detail, problem.title].find((text) => typeof text === 'string' && text) ?? null;
  return new Refused(answer.status, detail, Number(answer.headers.get('Retry-After')) || null);
}
