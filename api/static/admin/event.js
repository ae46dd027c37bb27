//! One event: what it holds, the event that caused it, and those that it led to.

import { html } from './dom.js';
import { Bar, Pairs, Row, Section, State } from './ui.js';
import { EventRow } from './audit.js';
import { Loaded } from './loaded.js';
import { eventTitle, isAccount, whoDid } from './event_words.js';

export class EventScreen extends Loaded {
  keyOf({ params }) { return params.position; }

  /** What it led to may still grow. */
  concerns({ event, position }) { return event !== 'AuditRead' && position > this.props.params.position && position < this.props.params.position + 50; }

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
