//! The requests of the admins' app, and the log as it grows. The session's token is kept in memory only: the session ends
//! when the app is closed. Events come as server-sent events over `fetch`, because `EventSource` cannot send the token; a broken
//! stream is opened again after the last position that was seen.

/** An answer without success, or none at all (`status` 0). `detail` is a sentence for the person, or null. */
export class Problem extends Error {
  constructor(status, { detail = null, type = null, retryAfter = null } = {}) {
    super(`HTTP ${status}`);
    Object.assign(this, { status, detail, type, retryAfter });
  }
}

export class Api {
  #token = null;
  #fetch;
  #language;
  #onEnded;

  /** `onEnded(status)` is called once the session has ended: it expired or was revoked (401), or the person may do no more (403). */
  constructor({ language, onEnded = () => {}, fetch = globalThis.fetch.bind(globalThis) }) {
    this.#language = language;
    this.#onEnded = onEnded;
    this.#fetch = fetch;
  }

  /** Exchanges launch data for a session: `{role, account_id, expires_at}`. The same launch data is taken once. */
  async open(initData) {
    const answer = await this.#send('POST', '/api/admin/session', { headers: { Authorization: `tma ${initData}` } });
    const { token, ...session } = await answer.json();
    this.#token = token;
    return session;
  }

  /** Ends the session at the server, also while the page is being closed. */
  close() {
    if (this.#token) this.#send('DELETE', '/api/admin/session', { headers: { Authorization: `Bearer ${this.#token}` }, keepalive: true }).catch(() => {});
    this.#token = null;
  }

  async get(path, query = {}, signal) {
    return (await this.#authorised('GET', path, { query, signal })).json();
  }

  async post(path, body = {}, headers = {}) {
    const text = await (await this.#authorised('POST', path, { body, headers })).text();
    return text ? JSON.parse(text) : null;
  }

  async patch(path, body) {
    return (await this.#authorised('PATCH', path, { body })).json();
  }

  async delete(path, body) {
    const answer = await this.#authorised('DELETE', path, { body });
    return answer.status === 204 ? null : answer.json();
  }

  /** The body of server-sent events, as a ReadableStream: `EventSource` cannot send the header. */
  async stream(path, lastEventId, signal) {
    const headers = { Accept: 'text/event-stream', ...(lastEventId && { 'Last-Event-ID': lastEventId }) };
    return (await this.#authorised('GET', path, { headers, signal })).body;
  }

  async #authorised(method, path, { headers = {}, ...rest }) {
    try {
      return await this.#send(method, `/api/admin/${path}`, { headers: { Authorization: `Bearer ${this.#token}`, ...headers }, ...rest });
    } catch (error) {
      if ([401, 403].includes(error.status)) this.#onEnded(error.status);
      throw error;
    }
  }

  async #send(method, path, { query = {}, body, headers = {}, signal, keepalive }) {
    const wanted = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
    const url = wanted.length ? `${path}?${new URLSearchParams(wanted)}` : path;
    let answer = null;
    try {
      answer = await this.#fetch(url, {
        method, signal, keepalive, cache: 'no-store', credentials: 'omit',
        headers: { 'Accept-Language': this.#language, ...headers, ...(body && { 'Content-Type': 'application/json' }) },
        body: body && JSON.stringify(body),
      });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new Problem(0);
    }
    if (!answer.ok) throw await problemOf(answer);
    return answer;
  }
}

async function problemOf(answer) {
  let problem = {};
  try {
    if (/json/.test(answer.headers.get('Content-Type') ?? '')) problem = await answer.json();
  } catch { /* A proxy's page instead of problem+json. */ }
  const detail = [problem.detail, problem.title].find((text) => typeof text === 'string' && text) ?? null;
  return new Problem(answer.status, { detail, type: problem.type ?? null, retryAfter: Number(answer.headers.get('Retry-After')) || null });
}

/** Keys that make one change of many tries: the same order gets the same key, until `done()`. */
export class OrderKeys {
  #order = null;
  #key = null;

  of(order) {
    const text = JSON.stringify(order);
    if (this.#order !== text) [this.#order, this.#key] = [text, idempotencyKey()];
    return this.#key;
  }

  done() {
    this.#order = null;
  }
}

/** 128 random bits. */
export function idempotencyKey() {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Every item of a list, page by page. `onCount(n)` is told how many there are so far. Stops at `most`. */
export async function everyItem(api, path, query, { onCount = () => {}, most = 100_000, signal } = {}) {
  const items = [];
  let after = null;
  do {
    const page = await api.get(path, { ...query, limit: 200, after }, signal);
    items.push(...page.items);
    after = page.next;
    onCount(items.length);
  } while (after !== null && after !== undefined && items.length < most);
  return items;
}

const RETRY_MS = [500, 1_000, 2_000, 5_000, 10_000];

/** Splits the text of an event stream into `{event, id, data}`. Feed it chunks as they come. */
export class EventStreamParser {
  #rest = '';
  #fields = {};

  /** The events that are complete after this chunk. */
  feed(chunk) {
    const lines = (this.#rest + chunk).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    const events = [];
    for (const line of lines) {
      if (line === '') {
        if ('data' in this.#fields) events.push({ event: 'message', id: null, ...this.#fields });
        this.#fields = {};
        continue;
      }
      const at = line.indexOf(':');
      if (at === 0) continue;
      const [name, value] = at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1).replace(/^ /, '')];
      if (name === 'data') this.#fields.data = 'data' in this.#fields ? `${this.#fields.data}\n${value}` : value;
      else if (name === 'event' || name === 'id') this.#fields[name] = value;
    }
    return events;
  }
}

export class Live {
  #api;
  #setTimeout;
  #listeners = new Set();
  #controller = null;
  #lastId = null;
  #timer = null;
  #failures = 0;
  /** Whether the stream is open now. */
  isOn = false;

  constructor(api, { setTimeout = globalThis.setTimeout.bind(globalThis) } = {}) {
    this.#api = api;
    this.#setTimeout = setTimeout;
  }

  /** `listener({event})` for each event of the log, `listener({gap})` where some were left out, `listener({isOn})` when the stream opens or
   *  breaks. Returns how to stop. */
  on(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start() {
    this.stop();
    this.#controller = new AbortController();
    this.#follow(this.#controller);
  }

  stop() {
    this.#controller?.abort();
    this.#controller = null;
    clearTimeout(this.#timer);
    this.#tell(false);
  }

  async #follow(controller) {
    try {
      const body = await this.#api.stream('events/live', this.#lastId, controller.signal);
      const reader = body.getReader();
      const decoder = new TextDecoder();
      const parser = new EventStreamParser();
      this.#tell(true);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        this.#failures = 0;
        for (const { event, id, data } of parser.feed(decoder.decode(value, { stream: true }))) {
          if (id) this.#lastId = id;
          if (event === 'log') this.#send({ event: JSON.parse(data) });
          if (event === 'gap') this.#send({ gap: true });
        }
      }
    } catch (error) {
      if ([401, 403].includes(error.status)) return this.#tell(false);
    }
    if (controller.signal.aborted) return undefined;
    this.#tell(false);
    const wait = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)];
    this.#failures += 1;
    this.#timer = this.#setTimeout(() => this.#follow(controller), wait);
    return undefined;
  }

  #tell(isOn) {
    if (this.isOn === isOn) return;
    this.isOn = isOn;
    this.#send({ isOn });
  }

  #send(news) {
    for (const listener of [...this.#listeners]) listener(news);
  }
}
