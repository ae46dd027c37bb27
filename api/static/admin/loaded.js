//! Screens whose contents come from the server: loading, failed, shown; and brought up to date when the log says that they changed.

import { Bones, Component, Failed, createRef, html } from './ui.js';

/** Between two refreshes that events of the log ask for. */
const REFRESH_MS = 1_500;

/** A screen of one answer. A subclass has `request(signal)` and `body(data)`; it may have `keyOf(props)`, `concerns(event)`. */
export class Loaded extends Component {
  state = { data: null, problem: null };
  #controller = null;
  #off = null;
  #timer = null;
  #loadedAt = 0;

  componentDidMount() {
    // Preact hands `ref` to a component as a prop.
    this.props.ref?.(this);
    this.load();
    this.#off = this.props.app.live.on(({ event, gap, isOn }) => {
      // Reading is an event as well, which must not make us read again. What was loaded before the stream opened may have missed
      // something.
      if (gap || (event && event.event !== 'AuditRead' && this.concerns(event)) || (isOn && this.#loadedAt > 0)) this.refreshSoon();
    });
  }

  componentDidUpdate(before) {
    if (this.keyOf(before) === this.keyOf(this.props)) return;
    this.setState({ data: null, problem: null });
    this.load();
  }

  componentWillUnmount() {
    this.#controller?.abort();
    this.#off();
    clearTimeout(this.#timer);
  }

  keyOf() { return ''; }

  concerns() { return false; }

  async load() {
    this.#controller?.abort();
    clearTimeout(this.#timer);
    this.#timer = null;
    const { signal } = this.#controller = new AbortController();
    try {
      const data = await this.request(signal);
      if (!signal.aborted) this.setState({ data, problem: null });
    } catch (problem) {
      if (!signal.aborted) this.setState({ problem });
    }
    this.#loadedAt = Date.now();
  }

  /** Once for many events, and not more often than the server should be asked. */
  refreshSoon() {
    if (this.#timer) return;
    this.#timer = setTimeout(() => this.load(), Math.max(150, this.#loadedAt + REFRESH_MS - Date.now()));
  }

  bones() {
    return html`<${Bones} app=${this.props.app} />`;
  }

  render() {
    const { data, problem } = this.state;
    const failed = problem && html`<${Failed} app=${this.props.app} problem=${problem} onAgain=${() => this.load()} />`;
    if (data === null) return failed || this.bones();
    return html`${failed}${this.body(data)}`;
  }
}

/** A list of `{items, next}`. A subclass has `path(props)`, `query(props)` and `body(items)`. */
export class Listed extends Loaded {
  async request(signal) {
    const { api } = this.props.app;
    // What is on the screen stays there when the first page is brought up to date.
    const limit = Math.min(200, Math.max(50, this.state.data?.items.length ?? 0));
    return api.get(this.path(this.props), { ...this.query(this.props), limit }, signal);
  }

  keyOf(props) {
    return JSON.stringify([this.path(props), this.query(props)]);
  }

  refreshSoon() {
    if ((this.state.data?.items.length ?? 0) <= 200) super.refreshSoon();
  }

  async more() {
    const { data } = this.state;
    if (!data?.next || this.isLoadingMore) return;
    this.isLoadingMore = true;
    try {
      const page = await this.props.app.api.get(this.path(this.props), { ...this.query(this.props), limit: 50, after: data.next });
      if (this.state.data === data) this.setState({ data: { items: [...data.items, ...page.items], next: page.next } });
    } catch (problem) {
      this.setState({ problem });
    } finally {
      this.isLoadingMore = false;
    }
  }

  body({ items, next }) {
    return html`${this.list(items)}
      ${next && html`<${More} label=${this.props.app.t('more')} onMore=${() => this.more()} />`}`;
  }
}

/** Loads the next page when it comes into view, or by a click. */
class More extends Component {
  ref = createRef();

  componentDidMount() {
    this.observer = new IntersectionObserver(([{ isIntersecting }]) => { if (isIntersecting) this.props.onMore(); });
    this.observer.observe(this.ref.current);
  }

  componentWillUnmount() {
    this.observer.disconnect();
  }

  render({ label, onMore }) {
    return html`<button type="button" ref=${this.ref} class="quiet" data-row onClick=${onMore}>${label}</button>`;
  }
}
