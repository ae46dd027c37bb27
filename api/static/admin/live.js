//! The log as it grows: server-sent events over `fetch`, because `EventSource` cannot send the session's token. A broken stream is
//! opened again after the last position that was seen.

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
