//! Webhooks: the endpoints with what waits for them, one of them with its deliveries, and the form that makes or changes one.

import { Listed, Loaded } from './loaded.js';
import { Checks, Secret } from './fields.js';
import { Badge, Bar, Component, Icon, Pairs, Row, Section, Segments, State, Tool, html } from './ui.js';

/** What a webhook can tell. */
export const TYPES = ['login.authorized', 'login.ended', 'subscription.started', 'subscription.changed', 'subscription.expired', 'subscription.revoked',
  'session.revoked', 'session.logged_out', 'session.exported', 'user.blocked', 'user.unblocked', 'user.erased'];
const STATES = ['waiting', 'delivered', 'parked'];
const KIND = { waiting: 'late', delivered: 'good', parked: 'bad' };
/** How often deliveries that wait are looked at: what happens to them is no event. */
const LOOK_MS = 3_000;

export class WebhookList extends Listed {
  path() { return 'webhooks'; }

  query() { return {}; }

  concerns() { return true; }

  list(webhooks) {
    const { app, current } = this.props;
    const { t } = app;
    if (webhooks.length === 0) return html`<div class="card"><${State} icon="link" title=${t('no_webhooks')} text=${t('no_webhooks_text')} action=${t('new_webhook')} onAction=${() => app.open('webhook_form', {}, { instead: true })} /></div>`;
    return html`<ul class="card rows" aria-label=${t('webhooks')}>${webhooks.map((it) => html`<li key=${it.webhook_id}>
      <${Row} title=${html`<span>${placeOf(it.url)}</span><${WebhookBadge} app=${app} webhook=${it} />`} sub=${progressOf(app, it)} current=${current === it.webhook_id}
        onClick=${() => app.open('webhook', { webhook_id: it.webhook_id }, { instead: true })} /></li>`)}</ul>`;
  }
}

/** An address without its scheme, as it fits into a row. */
export function placeOf(url) {
  return url.replace(/^https?:\/\//, '').replace(/\/$/, '');
}

/** What an admin has to know first: that it is off, that something is parked, or that all is well. */
function WebhookBadge({ app: { t }, webhook: { enabled, parked } }) {
  if (enabled && parked > 0) return html`<${Badge} kind="bad">${t('parked_n', { n: parked })}<//>`;
  return html`<${Badge} kind=${enabled ? 'good' : 'late'}>${t(enabled ? 'webhook_on' : 'webhook_off')}<//>`;
}

function progressOf({ t, fmt }, webhook) {
  return [webhook.last_delivered_at ? t('delivered_ago', { ago: fmt.ago(webhook.last_delivered_at) }) : t('never_delivered'), webhook.waiting > 0 && t('waiting_n', { n: webhook.waiting })].filter(Boolean).join(' · ');
}

export class WebhookScreen extends Loaded {
  keyOf({ params }) { return params.webhook_id; }

  concerns() { return true; }

  async request(signal) {
    try {
      return { webhook: await this.props.app.api.get(`webhooks/${this.props.params.webhook_id}`, {}, signal) };
    } catch (problem) {
      if (problem.status === 404) return { webhook: null };
      throw problem;
    }
  }

  /** One request about this webhook, and what is said when it went well. */
  async act(request, said) {
    const { app } = this.props;
    await app.attempt(async () => {
      const answer = await request(`webhooks/${this.props.params.webhook_id}`);
      app.toast(typeof said === 'function' ? said(answer) : said);
    });
    this.load();
    this.deliveries?.load();
  }

  async switch(webhook) {
    const { app } = this.props;
    const { t } = app;
    if (webhook.enabled && !await app.ask({ title: t('off_title', { url: placeOf(webhook.url) }), text: t('off_text'), points: [t('off_waiting'), t('off_missed'), t('off_again')], yes: t('switch_off'), danger: true })) return;
    await this.act((path) => app.api.patch(path, { enabled: !webhook.enabled }), t(webhook.enabled ? 'is_off' : 'is_on'));
  }

  async rotate(webhook) {
    const { app } = this.props;
    const { t } = app;
    if (!await app.ask({ title: t('rotate_title'), text: t('rotate_text', { url: placeOf(webhook.url) }), points: [t('rotate_both'), t('rotate_then')], yes: t('rotate'), danger: true })) return;
    await app.attempt(async () => {
      const { secret } = await app.api.patch(`webhooks/${webhook.webhook_id}`, { rotate_secret: true });
      this.setState({ secret });
    });
    this.load();
  }

  async remove(webhook) {
    const { app } = this.props;
    const { t } = app;
    if (!await app.ask({ title: t('remove_title', { url: placeOf(webhook.url) }), text: t('remove_text'), points: [webhook.waiting + webhook.parked > 0 && t('remove_lost', { n: webhook.waiting + webhook.parked }), t('remove_forever')].filter(Boolean), yes: t('remove'), danger: true })) return;
    await app.attempt(async () => {
      await app.api.delete(`webhooks/${webhook.webhook_id}`);
      app.toast(t('is_removed'));
      app.go('services');
    });
  }

  render() {
    const { app } = this.props;
    const { data } = this.state;
    const reload = () => { this.load(); this.deliveries?.load(); };
    return html`<${Bar} app=${app} title=${data?.webhook ? placeOf(data.webhook.url) : app.t('webhook')}><${Tool} icon="refresh" label=${app.t('refresh')} data-key="refresh" onClick=${reload} /><//>${super.render()}`;
  }

  body({ webhook }) {
    const { app } = this.props;
    const { t, fmt } = app;
    if (!webhook) return html`<div class="card"><${State} icon="link" title=${t('no_webhook')} action=${t('back')} onAction=${() => app.back()} /></div>`;
    const { secret } = this.state;
    const act = (icon, words, onClick) => html`<button type="button" class="act" onClick=${onClick}><${Icon} name=${icon} />${words}</button>`;
    return html`
      ${secret && html`<${Secret} app=${app} secret=${secret} title=${t('secret_once')} text=${t('secret_new_text')} onDone=${() => this.setState({ secret: null })} />`}
      ${!webhook.enabled && html`<div class="card pad note warn"><p>${whyOff(app, webhook.disabled_reason)}</p></div>`}
      <div class="card pad"><${Pairs} items=${[
        [t('state'), html`<${WebhookBadge} app=${app} webhook=${webhook} />`], [t('address'), webhook.url, true], [t('told'), webhook.types.length > 0 ? webhook.types.join(' ') : t('everything'), webhook.types.length > 0],
        [t('last_delivery'), webhook.last_delivered_at ? fmt.moment(webhook.last_delivered_at) : t('never')], [t('state_waiting'), fmt.number(webhook.waiting)], [t('state_parked'), fmt.number(webhook.parked)], [t('made_at'), fmt.moment(webhook.created_at)],
        [t('old_secret_until'), webhook.secret_rotates_until ? fmt.moment(webhook.secret_rotates_until) : undefined],
      ]} /></div>
      <div class="acts" role="group" aria-label=${t('acts')}>
        ${act('play', t('test'), () => this.act((path) => app.api.post(`${path}/test`), t('test_sent')))}
        ${act('edit', t('change'), () => app.open('webhook_form', { webhook_id: webhook.webhook_id, webhook }))}
        ${act('lock', t('new_secret'), () => this.rotate(webhook))}
        ${webhook.enabled ? act('block', t('switch_off'), () => this.switch(webhook)) : act('unblock', t('switch_on'), () => this.switch(webhook))}</div>
      <${Deliveries} ref=${(it) => { this.deliveries = it; }} app=${app} webhook=${webhook} onReplay=${(request, said) => this.act(request, said)} />
      <div class="card rows"><button type="button" class="row danger" onClick=${() => this.remove(webhook)}><${Icon} name="trash" /><span class="body"><span class="title"><span>${t('remove')}</span></span></span></button></div>`;
  }
}

/** Why nothing is delivered to it. */
export function whyOff({ t }, reason) {
  return reason && t.has(`off_${reason}`) ? t(`off_${reason}`) : t('off_order');
}

class Deliveries extends Component {
  state = { state: '' };

  componentDidMount() {
    this.props.ref?.(this);
  }

  load() {
    this.list?.load();
  }

  async replayAll() {
    const { app, webhook, onReplay } = this.props;
    const { t } = app;
    if (!await app.ask({ title: t('replay_parked_title', { n: webhook.parked }), text: t('replay_parked_text', { url: placeOf(webhook.url) }), points: [t('replay_parked_fix'), t('replay_parked_order')], yes: t('replay') })) return;
    onReplay((path) => app.api.post(`${path}/deliveries/replay`), ({ replayed }) => t('replayed_n', { n: replayed }));
  }

  render({ app, webhook, onReplay }, { state }) {
    const { t } = app;
    const choose = (value) => this.setState({ state: value });
    return html`<${Section} title=${t('deliveries')} action=${webhook.parked > 0 && html`<button type="button" onClick=${() => this.replayAll()}>${t('replay_parked')}</button>`}>
      <${Segments} label=${t('filters')} name="delivery-state" value=${state} onChange=${choose} options=${[['', t('any_state')], ...STATES.map((it) => [it, t(`state_${it}`)])]} />
      <${DeliveryList} ref=${(it) => { this.list = it; }} app=${app} webhook_id=${webhook.webhook_id} state=${state} onAll=${() => choose('')}
        onReplay=${(id) => onReplay((path) => app.api.post(`${path}/deliveries/${encodeURIComponent(id)}/replay`), t('replayed_one'))} /><//>`;
  }
}

class DeliveryList extends Listed {
  #looking = null;

  path({ webhook_id: id }) { return `webhooks/${id}/deliveries`; }

  query({ state }) { return { state }; }

  concerns() { return true; }

  async load() {
    await super.load();
    clearTimeout(this.#looking);
    if (this.isLeft || !this.state.data?.items.some(({ state }) => state === 'waiting')) return;
    this.#looking = setTimeout(() => this.refreshSoon(), LOOK_MS);
  }

  componentWillUnmount() {
    super.componentWillUnmount();
    this.isLeft = true;
    clearTimeout(this.#looking);
  }

  list(deliveries) {
    const { app, state, onAll, onReplay } = this.props;
    const { t } = app;
    if (deliveries.length === 0) return html`<div class="card">${state ? html`<${State} icon="check" title=${t('no_deliveries_so')} action=${t('any_state')} onAction=${onAll} />` : html`<${State} icon="empty" title=${t('no_deliveries')} text=${t('no_deliveries_text')} />`}</div>`;
    return html`<ul class="card rows" aria-label=${t('deliveries')}>${deliveries.map((it) => html`<li key=${it.delivery_id} class="row"><span class="body">
      <span class="mono">${it.type}</span><span class="small"><${Badge} kind=${KIND[it.state]}>${t(`state_${it.state}`)}<//> <span class="muted">${sayDelivery(app, it)}</span></span></span>
      ${it.position !== null && html`<${Tool} text=${`#${it.position}`} label=${t('event_n', { position: it.position })} onClick=${() => app.open('event', { position: it.position })} />`}
      ${it.state === 'parked' && html`<${Tool} icon="play" label=${t('replay_one', { key: it.type })} onClick=${() => onReplay(it.delivery_id)} />`}</li>`)}</ul>`;
  }
}

/** How it went so far: when, how often it was tried, what the other side said. */
export function sayDelivery({ t, fmt }, { state, attempts, created_at: made, delivered_at: delivered, next_attempt_at: next, last_status: status, last_error: error }) {
  const answer = status ? `HTTP ${status}` : error;
  const tries = attempts > 1 || state !== 'delivered' ? t('attempts', { n: attempts }) : null;
  const parts = state === 'delivered' ? [fmt.moment(delivered), tries] : [fmt.moment(made), tries, answer, state === 'waiting' && next && attempts > 0 && t('next_attempt', { ago: fmt.ago(next) })];
  return parts.filter(Boolean).join(' · ');
}

/** Makes a webhook, or changes the one in `params`. */
export class WebhookForm extends Component {
  constructor({ params }) {
    super();
    this.state = { url: params.webhook?.url ?? '', types: params.webhook?.types ?? [], wrong: false, busy: false, made: null };
  }

  async submit(event) {
    event.preventDefault();
    const { app, params } = this.props;
    const { url, types } = this.state;
    const wrong = !isAddress(url.trim());
    this.setState({ wrong });
    if (wrong) { event.currentTarget.elements.url.focus(); return; }
    this.setState({ busy: true });
    const order = { url: url.trim(), types: TYPES.filter((it) => types.includes(it)) };
    await app.attempt(async () => {
      if (params.webhook_id) {
        await app.api.patch(`webhooks/${params.webhook_id}`, order);
        app.toast(app.t('is_changed'));
        app.back();
      } else this.setState({ made: await app.api.post('webhooks', order) });
    });
    this.setState({ busy: false });
  }

  render({ app, params }, { url, types, wrong, busy, made }) {
    const { t } = app;
    if (made) {
      return html`<${Bar} app=${app} title=${t('webhook_made')} />
        <${Secret} app=${app} secret=${made.secret} title=${t('secret_once')} text=${t('secret_once_text')} onDone=${() => app.open('webhook', { webhook_id: made.webhook_id }, { instead: true })} />`;
    }
    return html`<${Bar} app=${app} title=${t(params.webhook_id ? 'change_webhook' : 'new_webhook')} />
      <form novalidate onSubmit=${(event) => this.submit(event)}><div class="card pad">
        <div class="field"><label for="webhook-url">${t('address')}</label><input id="webhook-url" name="url" type="url" class="input" maxlength="2000" autocomplete="off" autocapitalize="off" spellcheck="false" value=${url} placeholder="https://service.example/webhooks"
          aria-invalid=${wrong ? 'true' : undefined} aria-describedby="webhook-url-error" onInput=${(event) => this.setState({ url: event.currentTarget.value })} /><p id="webhook-url-error" class="error" role="alert">${wrong && t('address_wrong')}</p></div>
        <p class="muted small">${t('address_note')}</p></div>
        <${Checks} name="types" legend=${t('told')} options=${TYPES.map((it) => [it])} chosen=${types} onChange=${(value) => this.setState({ types: value })} note=${t('types_note')} />
        <button type="submit" class="primary" data-main aria-busy=${busy ? 'true' : undefined} disabled=${busy}>${t(params.webhook_id ? 'save' : 'make_webhook')}</button></form>`;
  }
}

/** Whether the server could take it: it decides which hosts it delivers to. */
export function isAddress(text) {
  try {
    return ['https:', 'http:'].includes(new URL(text).protocol);
  } catch {
    return false;
  }
}
