//! Projections: how far each view is behind the log; parked events by their cause, replayed after a fix; one view, rebuilt with progress, and a
//! diff in which every differing row names the events that make the difference.

import { CsvButton, DIFFERENCE_COLUMNS, PARKED_COLUMNS, REPLAY_COLUMNS, VIEW_COLUMNS } from './export.js';
import { Listed, Loaded } from './loaded.js';
import { Badge, Bar, Component, Pairs, Row, Section, State, Tool, eventTitle, html, whoDid } from './ui.js';

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

  /** Orders it for each view; what is parked no longer is no failure. An order takes 500 rows. */
  async order(views, which) {
    const total = { replayed: 0, still: 0 };
    for (const view of views.filter((it) => it !== REACTOR)) {
      let outcome = null;
      do {
        outcome = await this.props.app.api.post('parked/replay', { view, ...which }).catch((problem) => { if (problem.status === 404) return { replayed: 0, still_parked: 0, items: [] }; throw problem; });
        total.replayed += outcome.replayed;
      } while (outcome.items.length >= AT_MOST && outcome.replayed > 0);
      // Rows that are still parked come again in each order.
      total.still += outcome.still_parked;
    }
    return total;
  }

  async replay(views, which, count) {
    const { app, onReplayed } = this.props;
    const { t } = app;
    if (count > 1 && !await app.ask({ title: t('replay_title', { n: count }), text: t('replay_text'), points: [t('replay_again'), t('replay_log')], yes: t('replay') })) return;
    await app.attempt(async () => {
      const { replayed, still } = await this.order(views, which);
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
        ${views.some((view) => view !== REACTOR) && html`<div class="row"><button type="button" class="primary" onClick=${() => this.replay(views, { cause }, count)}>${t('replay_all', { n: count })}</button></div>`}
        <div class="row"><details class="grow"><summary>${t('rows', { n: count })}</summary><ul class="rows">${keys.map((it) => html`<li key=${it.view + it.key} class="row"><span class="body">
          <span class="mono">${it.view} · ${it.key}</span><span class="sub">${it.event ? eventTitle(app, it.event) : it.error}</span></span>
          <${Tool} text=${`#${it.position}`} label=${t('event_n', { position: it.position })} onClick=${() => app.open('event', { position: it.position })} />
          ${it.view !== REACTOR && html`<${Tool} icon="play" label=${t('replay_one', { key: it.key })} onClick=${() => this.replay([it.view], { key: it.key }, 1)} />`}</li>`)}</ul></details></div></div>`)}<//>`;
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

/** Where events are parked that led to nothing: they are no rows. */
const REACTOR = 'reactor';
/** Rows in one order. */
const AT_MOST = 500;
/** How often a run that goes on is looked at. */
const LOOK_MS = 700;

export class ViewScreen extends Loaded {
  keyOf({ params }) { return params.view; }

  concerns() { return !this.isRunning; }

  async request(signal) {
    const { api } = this.props.app;
    const { views } = await api.get('projections', {}, signal);
    const view = views.find((it) => it.view === this.props.params.view);
    const run = view?.rebuild ? await api.get(`rebuilds/${view.rebuild.rebuild_id}`, {}, signal) : null;
    this.follow(run);
    return { view, run };
  }

  componentWillUnmount() {
    super.componentWillUnmount();
    clearTimeout(this.looking);
    this.looking = null;
  }

  get isRunning() { return ['running', 'waiting'].includes(this.state.data?.run?.status); }

  /** Looks at a run until it has ended. */
  follow(run) {
    clearTimeout(this.looking);
    if (!run || !['running', 'waiting'].includes(run.status)) return;
    const looking = setTimeout(async () => {
      const next = await this.props.app.api.get(`rebuilds/${run.rebuild_id}`).catch(() => run);
      // The screen was left, or looks at another run.
      if (this.looking !== looking || !this.state.data) return;
      this.setState({ data: { ...this.state.data, run: next } });
      if (['running', 'waiting'].includes(next.status)) this.follow(next);
      else this.load();
    }, LOOK_MS);
    this.looking = looking;
  }

  async rebuild(dryRun) {
    const { app, params: { view } } = this.props;
    const { t } = app;
    if (!dryRun && !await app.ask({ title: t('rebuild_title', { view }), text: t('rebuild_text'), points: [t('rebuild_readers'), t('rebuild_stop'), t('rebuild_diff')], yes: t('rebuild'), danger: true })) return;
    await app.attempt(async () => {
      const run = await app.api.post(`projections/${view}/rebuild`, { dry_run: dryRun });
      this.setState({ data: { ...this.state.data, run } });
      this.follow(run);
    });
  }

  async stop(run) {
    const { app } = this.props;
    await app.attempt(async () => { await app.api.delete(`rebuilds/${run.rebuild_id}`); app.toast(app.t('stopping')); });
  }

  render() {
    const { app, params } = this.props;
    return html`<${Bar} app=${app} title=${params.view}><${Tool} icon="refresh" label=${app.t('refresh')} data-key="refresh" onClick=${() => this.load()} /><//>${super.render()}`;
  }

  body({ view, run }) {
    const { app } = this.props;
    const { t, fmt } = app;
    if (!view) return html`<div class="card"><${State} icon="projections" title=${t('no_view')} action=${t('back')} onAction=${() => app.back()} /></div>`;
    return html`<div class="card pad"><${Pairs} items=${[
        [t('state'), view.behind > 0 ? t('behind', { n: view.behind }) : t('view_up_to_date')], [t('position'), fmt.number(view.position)],
        [t('in_rows'), view.rows === null ? '—' : fmt.number(view.rows)], [t('parked'), fmt.number(view.parked)],
      ]} /></div>
      ${this.isRunning ? this.progress(run) : html`<div class="half"><button type="button" class="secondary" onClick=${() => this.rebuild(true)}>${t('dry_run')}</button><button type="button" class="primary" onClick=${() => this.rebuild(false)}>${t('rebuild')}</button></div>
        <p class="muted small">${t('dry_run_note')}</p>`}
      ${run && !this.isRunning && this.outcome(run)}`;
  }

  progress(run) {
    const { app } = this.props;
    const { t, fmt } = app;
    const share = run.end > 0 && run.position !== null ? Math.min(1, run.position / run.end) : 0;
    const left = run.events_per_second > 0 ? Math.ceil((run.end - run.position) / run.events_per_second) : null;
    return html`<div class="card pad"><p class="strong">${t(run.status === 'waiting' ? 'rebuild_waits' : run.dry_run ? 'dry_run_on' : 'rebuild_on')}</p>
      <div class="progress" role="progressbar" aria-label=${t('rebuild')} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(share * 100)}><div style=${{ transform: `scaleX(${share})` }}></div></div>
      <p class="muted small num">${fmt.percent(share)}${run.position !== null ? ` · ${fmt.number(run.position)} / ${fmt.number(run.end)}` : ''}${run.events_per_second ? ` · ${t('per_second', { n: Math.round(run.events_per_second) })}` : ''}${left !== null ? ` · ${t('left', { time: t('seconds', { n: left }) })}` : ''}</p>
      <button type="button" class="secondary" onClick=${() => this.stop(run)}>${t('stop')}</button></div>`;
  }

  outcome(run) {
    const { app } = this.props;
    const { t, fmt } = app;
    const { report } = run;
    const done = `${t(run.dry_run ? 'run_dry' : 'run_real')} · ${whoDid(app, run.asked_by)} · ${fmt.moment(run.ended_at ?? run.started_at)}`;
    const differ = report?.differ ?? 0;
    const kind = run.status === 'failed' ? 'bad' : differ > 0 ? 'warn' : run.status === 'done' ? 'good' : '';
    return html`<${Section} title=${t('last_run')} action=${report?.differences.length > 0 && html`<${CsvButton} app=${app} asText=${true} name="differences" columns=${DIFFERENCE_COLUMNS} rows=${report.differences} />`}>
      <div class=${`card pad note ${kind}`}><p class="strong">${run.status === 'done' && report ? (differ === 0 ? t('no_difference', { n: report.rows }) : t('differences', { n: differ })) : t(`run_${run.status}`)}</p>
        <p class="muted small">${done}</p>
        ${run.error && html`<p class="mono">${run.error}</p>`}
        ${differ > 0 && html`<p class="small">${t('difference_kinds', { differ: differ - report.missing - report.extra, missing: report.missing, extra: report.extra })}</p>`}</div>
      ${report?.differences.map((it) => html`<${Difference} key=${it.key} app=${app} difference=${it} />`)}
      ${report && report.differences.length < differ && html`<p class="note-below muted small">${t('first_differences', { n: report.differences.length })}</p>`}<//>`;
  }
}

/** A row as it stands and as the log makes it, with the reason. */
function Difference({ app, difference: { key, live, log, explanation } }) {
  const { t } = app;
  const columns = [...new Set([...Object.keys(live ?? {}), ...Object.keys(log ?? {})])].filter((name) => JSON.stringify(live?.[name]) !== JSON.stringify(log?.[name]));
  const say = (row, name) => (row ? JSON.stringify(row[name] ?? null) : t('no_row'));
  return html`<div class="card pad"><h3 class="mono">${key}</h3>
    ${explanation && html`<p class="small">${t(`why_${explanation.kind}`, { position: explanation.position ?? '—' })}</p>
      ${explanation.position && html`<button type="button" class="link tall" onClick=${() => app.open('event', { position: explanation.position })}>${eventTitle(app, explanation.event)} · #${explanation.position}</button>`}`}
    <div class="scroll" tabindex="0" role="region" aria-label=${key}><table class="diff"><thead><tr><th scope="col">${t('column')}</th><th scope="col">${t('stands')}</th><th scope="col">${t('by_log')}</th></tr></thead>
      <tbody>${columns.map((name) => html`<tr key=${name}><th scope="row" class="mono">${name}</th><td class="mono"><del>${say(live, name)}</del></td><td class="mono"><ins>${say(log, name)}</ins></td></tr>`)}</tbody></table></div>
    ${explanation?.changes?.length > 0 && html`<details><summary>${t('event_changes')}</summary><${Pairs} items=${explanation.changes.map(({ column, before, after }) => [column, `${JSON.stringify(before)} → ${JSON.stringify(after)}`, true])} /></details>`}</div>`;
}
