//! The log, filtered: one person's, login's or invite's history, or all of it. And one event with its cause and its consequences.

import { CsvButton, EVENT_COLUMNS } from './export.js';
import { instantOf } from './format.js';
import { Listed, Loaded } from './loaded.js';
import { Bar, Bones, ChipSelect, Component, Dialog, Icon, Pairs, Row, Search, Section, State, Tool, eventTitle, html, isAccount, whoDid } from './ui.js';

const FILTERS = ['account', 'login', 'invite', 'event', 'actor', 'since', 'until', 'order'];
const NONE = Object.fromEntries(FILTERS.map((name) => [name, '']));

/** What was typed, as filters: an account, a login, an event's name; `#7` or `7` is a position. */
export function parseSearch(text, events) {
  const typed = text.trim();
  if (/^#?\d{1,15}$/.test(typed)) return { position: Number(typed.replace('#', '')) };
  if (isAccount(typed)) return { account: typed };
  const event = events.find((name) => name.toLowerCase() === typed.toLowerCase());
  if (event) return { event };
  return /^[\w-]{22,64}$/.test(typed) ? { login: typed } : null;
}

export class Audit extends Component {
  constructor({ app, params }) {
    super();
    // Opened for somebody, it shows them; as a tab, what was looked for last.
    this.isTab = Object.keys(params).length === 0;
    this.state = { filters: { ...NONE, ...(this.isTab ? app.memory.audit : params) }, typed: '', sheet: false, notFound: false };
  }

  set(change) {
    const filters = { ...this.state.filters, ...change };
    if (this.isTab) this.props.app.memory.audit = filters;
    this.setState({ filters, notFound: false });
  }

  find(text) {
    const { app } = this.props;
    const found = parseSearch(text, app.t.keys('event_').map((key) => key.slice('event_'.length)));
    if (!found) { this.setState({ notFound: text.trim() !== '' }); return; }
    this.setState({ typed: '', notFound: false });
    if (found.position) app.open('event', { position: found.position }, { instead: this.isTab });
    else this.set(found);
  }

  render({ app, beside }, { filters, typed, sheet, notFound }) {
    const { t } = app;
    const { event, order, ...rest } = filters;
    const set = Object.entries(rest).filter(([, value]) => value);
    const events = app.t.keys('event_').map((key) => key.slice('event_'.length));
    const say = (name, value) => (['since', 'until'].includes(name) ? app.fmt.moment(value) : name === 'actor' ? whoDid(app, value) : value.length > 14 ? `${value.slice(0, 8)}…` : value);
    return html`
      <${Bar} app=${app} title=${t(this.isTab ? 'tab_audit' : 'history')} back=${!this.isTab}>
        <${Tool} icon="refresh" label=${t('refresh')} data-key="refresh" onClick=${() => this.list.load()} />
        <${CsvButton} app=${app} name="events" columns=${EVENT_COLUMNS} path="events" query=${filters} /><//>
      ${this.isTab && html`<${Search} app=${app} label=${t('search_events')} value=${typed} onInput=${(value) => this.setState({ typed: value, notFound: false })} onEnter=${(value) => this.find(value)} />
        ${notFound && html`<p class="error" role="alert">${t('search_events_wrong')}</p>`}`}
      <div class="chips" role="group" aria-label=${t('filters')}>
        <button type="button" class="chip" onClick=${() => this.setState({ sheet: true })}>${t('filters')}</button>
        ${set.map(([name, value]) => html`<button type="button" class="chip" data-set key=${name} aria-label=${t('remove_filter', { name: t(`by_filter_${name}`) })} onClick=${() => this.set({ [name]: '' })}>${t(`by_filter_${name}`)}: ${say(name, value)} ✕</button>`)}
        <${ChipSelect} label=${t('by_filter_event')} value=${event} options=${[['', t('any_event')], ...events.map((name) => [name, name])]} onChange=${(value) => this.set({ event: value })} />
        <${ChipSelect} label=${t('filter_sort')} value=${order} options=${[['', t('newest_first')], ['asc', t('oldest_first')]]} onChange=${(value) => this.set({ order: value })} />
      </div>
      <${EventList} ref=${(it) => { this.list = it; }} app=${app} filters=${filters} current=${beside?.params.position} isTab=${this.isTab} onClear=${() => this.set({ ...NONE })} />
      ${sheet && html`<${FilterSheet} app=${app} filters=${filters} onClose=${(change) => { this.setState({ sheet: false }); if (change) this.set(change); }} />`}`;
  }
}

class EventList extends Listed {
  path() { return 'events'; }

  query({ filters }) { return filters; }

  concerns({ event, account_id: account }) {
    const { filters } = this.props;
    return filters.order !== 'asc' && (!filters.event || filters.event === event) && (!filters.account || filters.account === account);
  }

  bones() {
    return html`<${Bones} app=${this.props.app} rows=${8} />`;
  }

  list(events) {
    const { app, current, isTab, onClear } = this.props;
    if (events.length === 0) return html`<div class="card"><${State} icon="audit" title=${app.t('no_events')} text=${app.t('no_events_text')} action=${app.t('clear_filters')} onAction=${onClear} /></div>`;
    return html`<ul class="card rows" aria-label=${app.t('tab_audit')}>${events.map((event) => html`<li key=${event.position}><${EventRow} app=${app} event=${event} current=${current === event.position}
      onClick=${() => app.open('event', { position: event.position }, { instead: isTab })} /></li>`)}</ul>`;
  }
}

export function EventRow({ app, event, current, onClick, icon }) {
  return html`<button type="button" class="row go" data-row aria-current=${current ? 'true' : undefined} onClick=${onClick}>${icon && html`<${Icon} name=${icon} />`}
    <span class="body"><span class="title"><span>${eventTitle(app, event.event)}</span></span>
      <span class="sub cut">#${event.position} · ${whoDid(app, event.actor)} · ${event.event}</span></span>
    <span class="value soft small">${app.fmt.short(event.at)}</span></button>`;
}

function FilterSheet({ app, filters, onClose }) {
  const { t } = app;
  const submit = (event) => {
    event.preventDefault();
    const { elements } = event.currentTarget;
    const text = (name) => elements[name].value.trim();
    onClose({ account: text('account'), login: text('login'), invite: text('invite'), actor: text('actor'), since: instantOf(text('since')) ?? '', until: instantOf(text('until')) ?? '' });
  };
  const field = (name, type = 'text', value = filters[name]) => html`<div class="field"><label for=${`filter-${name}`}>${t(`by_filter_${name}`)}</label>
    <input id=${`filter-${name}`} name=${name} type=${type} class=${type === 'text' ? 'input mono' : 'input'} defaultValue=${value} maxlength="200" autocomplete="off" spellcheck="false" /></div>`;
  return html`<${Dialog} onCancel=${() => onClose(null)}><form onSubmit=${submit}><h2 id="dialog-title">${t('filters')}</h2>
    ${field('account')}${field('login')}${field('invite')}${field('actor')}
    <div class="half">${field('since', 'datetime-local', local(filters.since))}${field('until', 'datetime-local', local(filters.until))}</div>
    <div class="choices"><button type="button" onClick=${() => onClose({ ...NONE, event: filters.event, order: filters.order })}>${t('clear_filters')}</button><button type="submit">${t('show')}</button></div></form><//>`;
}

/** An instant as a datetime-local input holds it, on the device's clock. */
function local(instant) {
  if (!instant) return '';
  const at = new Date(instant);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export class EventScreen extends Loaded {
  keyOf({ params }) { return params.position; }

  /** What it led to may still grow. */
  concerns({ position }) { return position > this.props.params.position && position < this.props.params.position + 50; }

  request(signal) {
    return this.props.app.api.get(`events/${this.props.params.position}`, {}, signal);
  }

  render() {
    const { app, params } = this.props;
    const { data, problem } = this.state;
    return html`<${Bar} app=${app} title=${`${app.t('event')} #${params.position}`}><button type="button" class="tool text" onClick=${() => data && app.copy(JSON.stringify(data.event, null, 2))}>JSON</button><//>
      ${problem?.status === 404 ? html`<div class="card"><${State} icon="audit" title=${app.t('no_event')} text=${app.t('no_event_text')} action=${app.t('back')} onAction=${() => app.back()} /></div>` : super.render()}`;
  }

  body({ event, caused_by: cause, led_to: effects, name }) {
    const { app } = this.props;
    const { t, fmt } = app;
    const open = ({ position }) => app.open('event', { position });
    const isAdmin = app.me.role === 'admin';
    const account = event.account_id;
    return html`
      <div class="card pad"><h2 class="event-name">${eventTitle(app, event.event)}</h2><p class="mono muted">${event.event}</p>
        <${Pairs} items=${[[t('at'), fmt.full(event.at)], [t('who'), whoDid(app, event.actor)], [t('stream'), `${event.stream}/${event.stream_id}`, true], [t('version'), fmt.number(event.version)]]} /></div>
      <${Section} title=${t('cause')}><div class="card rows">${cause ? html`<${EventRow} app=${app} event=${cause} icon="cause" onClick=${() => open(cause)} />` : html`<p class="row muted small">${t('no_cause')}</p>`}</div><//>
      <${Section} title=${t('effects')}><div class="card rows">${effects.length === 0 ? html`<p class="row muted small">${t('no_effects')}</p>` : effects.map((it) => html`<${EventRow} key=${it.position} app=${app} event=${it} icon="effect" onClick=${() => open(it)} />`)}</div><//>
      <${Section} title=${t('payload')}><div class="card pad">${Object.keys(event.payload ?? {}).length === 0 ? html`<p class="muted small">${t('no_payload')}</p>` : html`<${Pairs} items=${Object.entries(event.payload).map(([key, value]) => [key, typeof value === 'object' && value !== null ? JSON.stringify(value, null, 1) : String(value), true])} />`}</div><//>
      <${Section} title=${t('belongs_to')}><div class="card rows">
        ${account && isAdmin && html`<${Row} icon="users" title=${name ?? t('person')} onClick=${() => app.open('user', { account_id: account })} />`}
        ${account && html`<${Row} icon="history" title=${t('history_of_person')} onClick=${() => app.open('audit', { account })} />`}
        ${event.login_id && html`<${Row} icon="lock" title=${t('history_of_login')} onClick=${() => app.open('audit', { login: event.login_id })} />`}
        ${event.stream === 'invite' && html`<${Row} icon="invites" title=${t('history_of_invite')} onClick=${() => app.open('audit', { invite: event.stream_id })} />`}
        ${isAccount(event.actor) && event.actor !== account && html`<${Row} icon="role" title=${t('history_of_actor')} onClick=${() => app.open('audit', { actor: event.actor })} />`}</div><//>`;
  }
}
