//! Requests to our server: authorisation (initData), and errors (problem+json).

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

export class Requests {
  #initData;
  #language;
  #fetch;

  constructor({ initData, language, fetch = globalThis.fetch.bind(globalThis) }) {
    this.#initData = initData;
    this.#language = language;
    this.#fetch = fetch;
  }

  /** The answer, whatever its status. With a `body` it is sent as JSON. */
  async send(url, { method = 'GET', body, signal } = {}) {
    // If the launch data is invalid, the server takes the language of its error from this header.
    const headers = { 'Accept-Language': this.#language };
    if (this.#initData) headers.Authorization = `tma ${this.#initData}`;
    if (body) headers['Content-Type'] = 'application/json';
    return this.#fetch(url, { method, headers, body: body && JSON.stringify(body), signal, cache: 'no-store', credentials: 'omit' });
  }

  /** The answer, if it is a success. Otherwise throws `Refused`. */
  async ask(url, options) {
    const answer = await this.send(url, options);
    if (!answer.ok) throw await refusal(answer);
    return answer;
  }
}

/** What an answer without success says. */
export async function refusal(answer) {
  let problem = {};
  try {
    if (/json/.test(answer.headers.get('Content-Type') ?? '')) problem = await answer.json();
  } catch { /* A proxy's page instead of problem+json: only the status code is known. */ }
  const detail = [problem.detail, problem.title].find((text) => typeof text === 'string' && text) ?? null;
  return new Refused(answer.status, detail, Number(answer.headers.get('Retry-After')) || null, problem.type);
}
