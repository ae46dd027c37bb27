//! The dashboard: what is going on now, brought up to date by the log itself.

import { Loaded } from './loaded.js';
import { Bar, Component, Icon, Row, Search, Section, Tool, eventTitle, html, tierTitle } from './ui.js';

const OUTCOMES = [['authorized', 'c2'], ['expired', 'c6'], ['cancelled', 'c3'], ['rejected', 'c5'], ['failed', 'c4']];

export class Dashboard extends Component {
  render({ app }) {
    return html`<${Bar} app=${app} title=${app.t('tab_dashboard')} live=${true} back=${false}>
        <${Tool} icon="refresh" label=${app.t('refresh')} data-key="refresh" onClick=${() => this.summary.load()} /><//>
      <${Search} app=${app} label=${app.t('search_people')} value="" onInput=${(query) => searchPeople(app, query)} />
      <${Summary} app=${app} ref=${(it) => { this.summary = it; }} />`;
  }
}

/** What is typed here goes on in the search of people. */
function searchPeople(app, query) {
  app.go('users', { ...app.memory.users, query }, '[data-search]');
}

class Summary extends Loaded {
  concerns() { return true; }

  async request(signal) {
    const summary = await this.props.app.api.get('summary', {}, signal);
    if (this.props.app.state.parked !== summary.parked) this.props.app.setState({ parked: summary.parked });
    return summary;
  }

  body(it) {
    const { app } = this.props;
    const { t, fmt } = app;
    const tile = (value, label, onClick) => html`<button type="button" class="tile" data-row onClick=${onClick}><span class="big">${fmt.number(value)}</span><span class="muted small">${label}</span></button>`;
    const logins = OUTCOMES.map(([name, color]) => ({ name, color, count: it.today.logins[name] }));
    const ended = logins.reduce((sum, { count }) => sum + count, 0);
    const active = it.subscriptions.reduce((sum, one) => sum + one.active, 0);
    const users = (filters) => () => app.go('users', filters);
    return html`
      ${it.alarms.map(({ kind, text }) => html`<div class="card pad note bad" role="alert" key=${kind + text}><p>${text}</p>
        ${['behind', 'parked'].includes(kind) && html`<button type="button" class="link tall" onClick=${() => app.go('projections')}>${t('to_projections')}</button>`}</div>`)}
      <div class="tiles">
        ${tile(it.live_logins, t('live_logins', { n: it.live_logins }), () => app.go('audit', { event: 'LoginStarted' }))}
        ${tile(it.people, t('people', { n: it.people }), users({}))}
        ${tile(it.authenticated, t('authenticated', { n: it.authenticated }), users({}))}
        ${tile(it.blocked, t('blocked_people', { n: it.blocked }), users({ blocked: 'true' }))}
      </div>
      <div class="two"><div class="stack">
        <${Section} title=${t('today')} note=${t('today_note')}><div class="card rows">
          <${Row} title=${t('registered')} value=${fmt.number(it.today.registered)} />
          <${Row} title=${t('invites_used')} value=${fmt.number(it.today.invites_used)} />
          <div class="row"><div class="body">
            <span class="title"><span>${t('logins_ended')}</span><span class="grow"></span><span class="num">${fmt.number(ended)}</span></span>
            ${ended > 0 && html`<span class="share" aria-hidden="true">${logins.filter(({ count }) => count).map(({ name, color, count }) => html`<span key=${name} class=${color} style=${{ flexGrow: count }}></span>`)}</span>`}
            <ul class="legend">${logins.map(({ name, color, count }) => html`<li key=${name}><span class=${`key ${color}`}></span>${t(`login_${name}`)}<span class="num strong">${fmt.number(count)}</span></li>`)}</ul>
          </div></div></div><//>
        <${Section} title=${t('service')}><div class="card rows">
          <${Row} icon="invites" title=${t('open_invites')} value=${fmt.number(it.open_invites)} onClick=${() => app.go('invites', { state: 'open' })} />
          <${Row} icon="projections" title=${it.lag.behind > 0 ? t('behind', { n: it.lag.behind }) : t('up_to_date')} sub=${it.lag.waiting_since && t('waiting_since', { time: fmt.moment(it.lag.waiting_since) })} onClick=${() => app.go('projections')} />
          <${Row} icon="warning" title=${t('parked')} value=${fmt.number(it.parked)} danger=${it.parked > 0} onClick=${() => app.go('projections')} /></div>
          <p class="note-below muted small">${t('as_of', { time: fmt.clock(it.at) })}</p><//>
        </div><div class="stack">
        <${Section} title=${t('subscriptions')}><div class="card rows">
          ${it.subscriptions.map(({ tier, active: count }) => html`<${Row} key=${tier} title=${tierTitle(tier)} value=${fmt.number(count)} onClick=${users({ tier, status: 'active' })} />`)}
          ${it.subscriptions.length === 0 && html`<${Row} title=${t('none_active')} />`}
          <${Row} icon="clock" title=${t('expiring_1')} value=${fmt.number(it.expiring.in_1_day)} onClick=${users({ status: 'active', sort: 'expires_at' })} />
          <${Row} icon="clock" title=${t('expiring_7')} value=${fmt.number(it.expiring.in_7_days)} onClick=${users({ status: 'active', sort: 'expires_at' })} /></div>
          <p class="note-below muted small">${t('active_in_all', { n: active })}</p><//>
        <${Feed} app=${app} /></div>
      </div>`;
  }
}

/** What has happened since the screen was opened. */
class Feed extends Component {
  state = { events: [] };

  componentDidMount() {
    this.off = this.props.app.live.on(({ event }) => { if (event) this.setState(({ events }) => ({ events: [event, ...events].slice(0, 8) })); });
  }

  componentWillUnmount() {
    this.off();
  }

  render({ app }, { events }) {
    return html`<${Section} title=${app.t('feed')}><div class="card rows">
      ${events.length === 0 && html`<p class="row muted small">${app.t('feed_empty')}</p>`}
      ${events.map((event) => html`<button type="button" class="row go" data-row key=${event.position} onClick=${() => app.open('event', { position: event.position })}>
        <${Icon} name=${event.stream === 'invite' ? 'invites' : event.stream === 'login' ? 'lock' : 'users'} /><span class="body"><span class="title"><span>${eventTitle(app, event.event)}</span></span></span>
        <span class="value soft small">${app.fmt.clock(event.at)}</span></button>`)}</div><//>`;
  }
}
