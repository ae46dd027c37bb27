//! Projections: how far each view is behind the log, and parked events by their cause, replayed after a fix.

import { Component, html } from './dom.js';
import { Badge, Bar, Row, Section, State, Tool } from './ui.js';
import { CsvButton } from './export.js';
import { Listed, Loaded } from './loaded.js';
import { PARKED_COLUMNS, REPLAY_COLUMNS, VIEW_COLUMNS } from './csv.js';
import { eventTitle, whoDid } from './event_words.js';

export class Projections extends Component {
  render({ app }) {
    const reload = () => [this.views, this.parked, this.history].forEach((it) => it.load());
    return html`<${Bar} app=${app} title=${app.t('tab_projections')} live=${true} back=${false}><${Tool} icon="refresh" label=${app.t('refresh')} data-key="refresh" onClick=${reload} /><//>
      <${Views} ref=${(it) => { this.views = it; }} app=${app} />
      <${Parked} ref=${(it) => { this.parked = it; }} app=${app} onReplayed=${reload} />
      <${Replays} ref=${(it) => { this.history = it; }} app=${app} />`;
  }
}

class Views extends Loaded {
  concerns() { return true; }

  request(signal) { return this.props.app.api.get('projections', {}, signal); }

  body({ end, unplaced, views }) {
    const { app } = this.props;
    const { t, fmt } = app;
    const state = (it) => [it.rebuild && ['running', 'waiting'].includes(it.rebuild.status) && t('rebuilding'), it.behind > 0 ? t('behind', { n: it.behind }) : t('view_up_to_date'),
      it.waiting_since && t('waiting_since', { time: fmt.moment(it.waiting_since) }), it.rows !== null && it.rows !== undefined && t('rows', { n: it.rows })].filter(Boolean).join(' · ');
    return html`<${Section} title=${t('views')} action=${html`<${CsvButton} app=${app} asText=${true} name="projections" columns=${VIEW_COLUMNS} rows=${views} />`} note=${`${t('log_end', { position: fmt.number(end) })}${unplaced > 0 ? ` ${t('unplaced', { n: unplaced })}` : ''}`}>
      <div class="card rows">${views.map((it) => html`<button type="button" class="row go" data-row key=${it.view} onClick=${() => app.open('view', { view: it.view })}><span class="body">
        <span class="title"><span class="mono strong">${it.view}</span>${it.parked > 0 && html`<${Badge} kind="bad">${t('parked_count', { n: it.parked })}<//>`}</span><span class="sub">${state(it)}</span></span></button>`)}</div><//>`;
  }
}

class Parked extends Listed {
  path() { return 'parked'; }

  query() { return {}; }

  concerns() { return this.state.data?.items.length > 0; }

  async replay(body, count) {
    const { app, onReplayed } = this.props;
    const { t } = app;
    if (count > 1 && !await app.ask({ title: t('replay_title', { n: count }), text: t('replay_text'), points: [t('replay_again'), t('replay_log')], yes: t('replay') })) return;
    await app.attempt(async () => {
      const { replayed, still_parked: still } = await app.api.post('parked/replay', body);
      app.toast(still > 0 ? t('replayed_not_all', { done: replayed, n: still }) : t('replayed', { n: replayed }), { bad: still > 0 });
    });
    onReplayed();
  }

  list(causes) {
    const { app } = this.props;
    const { t, fmt } = app;
    if (causes.length === 0) return html`<${Section} title=${t('parked')}><div class="card"><${State} icon="check" title=${t('nothing_parked')} text=${t('nothing_parked_text')} /></div><//>`;
    const rows = causes.flatMap(({ cause, keys }) => keys.map((key) => ({ cause, ...key })));
    return html`<${Section} title=${t('parked')} note=${t('parked_note')} action=${html`<${CsvButton} app=${app} asText=${true} name="parked" columns=${PARKED_COLUMNS} rows=${rows} />`}>
      ${causes.map(({ cause, views, count, first_since: since, keys }) => html`<div class="card" key=${cause}>
        <div class="row"><span class="body"><span class="title"><span class="mono strong" style=${{ whiteSpace: 'normal' }}>${cause}</span></span><span class="sub">${views.join(', ')} · ${t('rows', { n: count })} · ${t('since_ago', { ago: fmt.ago(since) })}</span></span></div>
        <div class="row"><button type="button" class="primary" onClick=${() => this.replay({ view: views[0], cause }, count)}>${t('replay_all', { n: count })}</button></div>
        <div class="row"><details class="grow"><summary>${t('rows', { n: count })}</summary><ul class="rows">${keys.map((it) => html`<li key=${it.view + it.key} class="row"><span class="body">
          <span class="mono">${it.view} · ${it.key}</span><span class="sub">${eventTitle(app, it.event)} · #${it.position}</span></span>
          <${Tool} text=${t('cause')} aria-label=${t('event_n', { position: it.position })} onClick=${() => app.open('event', { position: it.position })} />
          <${Tool} icon="play" label=${t('replay_one', { key: it.key })} onClick=${() => this.replay({ view: it.view, key: it.key }, 1)} /></li>`)}</ul></details></div></div>`)}<//>`;
  }
}

class Replays extends Listed {
  path() { return 'parked/history'; }

  query() { return {}; }

  bones() { return null; }

  list(items) {
    const { app } = this.props;
    const { t, fmt } = app;
    if (items.length === 0) return null;
    return html`<${Section} title=${t('fixed')} action=${html`<${CsvButton} app=${app} asText=${true} name="fixed" columns=${REPLAY_COLUMNS} rows=${items} />`}><div class="card rows">
      ${items.map((it) => html`<${Row} key=${it.at + it.cause} title=${whoDid(app, it.by)} sub=${html`<span class="mono">${it.cause}</span> · ${t('replayed', { n: it.replayed })}${it.still_parked > 0 ? ` · ${t('still_parked', { n: it.still_parked })}` : ''}`} value=${fmt.short(it.at)} soft=${true} />`)}</div><//>`;
  }
}
