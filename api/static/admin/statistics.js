//! Statistics: charts, each with its table and its CSV. A chart is SVG: stacked bars, or lines.

import { CsvButton } from './export.js';
import { Loaded } from './loaded.js';
import { Bar, Bones, Component, Section, Segments, State, Tool, html, tierTitle } from './ui.js';
import { TIERS } from './users.js';

const DAY_MS = 86_400_000;
/** How far back, and by which step. */
const RANGES = { day: [1, 'hour'], week: [7, 'day'], month: [30, 'day'], quarter: [90, 'week'], year: [365, 'week'] };
const TIER_COLORS = { free: 'c6', trial: 'c3', basic: 'c1', premium: 'c4', enterprise: 'c2' };

export class Statistics extends Component {
  state = { range: this.props.app.memory.statistics ?? 'month' };

  render({ app }, { range }) {
    const { t } = app;
    return html`<${Bar} app=${app} title=${t('tab_statistics')} back=${false}><${Tool} icon="refresh" label=${t('refresh')} data-key="refresh" onClick=${() => this.charts.load()} /><//>
      <${Segments} label=${t('range')} name="range" value=${range} options=${Object.keys(RANGES).map((it) => [it, t(`range_${it}`)])} onChange=${(value) => { app.memory.statistics = value; this.setState({ range: value }); }} />
      <p class="note-below muted small">${t('today_note')}</p>
      <${Charts} ref=${(it) => { this.charts = it; }} app=${app} range=${range} />`;
  }
}

class Charts extends Loaded {
  keyOf({ range }) { return range; }

  concerns({ event }) { return /^(AccountRegistered|Login|Authorization|Subscription)/.test(event); }

  request(signal) {
    const { app, range } = this.props;
    const [days, bucket] = RANGES[range];
    const now = app.fmt.now();
    return app.api.get('statistics', { from: new Date(now - days * DAY_MS).toISOString(), to: new Date(now).toISOString(), bucket }, signal);
  }

  bones() {
    return html`<${Bones} app=${this.props.app} rows=${6} />`;
  }

  body({ bucket, buckets }) {
    const { app } = this.props;
    const { t, fmt } = app;
    const of = (label, color, value) => ({ label, color, values: buckets.map(value) });
    const tiers = TIERS.filter((tier) => buckets.some(({ subscriptions }) => subscriptions.started[tier]));
    const seconds = (name) => (it) => it.seconds_to_log_in?.[name] ?? null;
    const figures = [
      { title: t('registrations'), kind: 'bars', series: [of(t('registrations'), 'c1', (it) => it.registered)] },
      { title: t('logins_by_outcome'), kind: 'bars', series: [['authorized', 'c2'], ['expired', 'c6'], ['cancelled', 'c3'], ['rejected', 'c5'], ['failed', 'c4']].map(([name, color]) => of(t(`login_${name}`), color, (it) => it.logins[name])) },
      { title: t('logins_by_way'), kind: 'bars', series: [of(t('way_qr'), 'c1', (it) => it.ways.qr), of(t('way_phone'), 'c3', (it) => it.ways.phone)] },
      { title: t('time_to_log_in'), kind: 'lines', unit: 'seconds', note: t('time_note'), series: [of(t('p50'), 'c1', seconds('p50')), of(t('p90'), 'c3', seconds('p90'))] },
      { title: t('subscriptions_started'), kind: 'bars', series: tiers.map((tier) => of(tierTitle(tier), TIER_COLORS[tier], (it) => it.subscriptions.started[tier] ?? 0)) },
      { title: t('subscriptions_ended'), kind: 'bars', series: [of(t('subscriptions_ended'), 'c6', (it) => it.subscriptions.ended)] },
    ];
    const labels = buckets.map(({ start }) => (bucket === 'hour' ? fmt.hour(start) : fmt.utcDay(start)));
    return html`<div class="two">${figures.map((figure) => html`<${Figure} key=${figure.title} app=${app} ...${figure} labels=${labels} starts=${buckets.map(({ start }) => start)} />`)}</div>`;
  }
}

function Figure({ app, title, kind, series, labels, starts, unit, note }) {
  const { t, fmt } = app;
  const say = (value) => (value === null ? '—' : unit ? t('seconds', { n: Math.round(value) }) : fmt.number(value));
  const isEmpty = series.every(({ values }) => values.every((value) => !value));
  const total = ({ values }) => values.reduce((sum, value) => sum + (value ?? 0), 0);
  const columns = [['start', (row) => row.start], ...series.map(({ label, values }) => [label, (row) => values[row.at]])];
  const rows = starts.map((start, at) => ({ start, at }));
  const alt = `${title}. ${series.map((it) => `${it.label}: ${unit ? say(last(it.values)) : say(total(it))}`).join(', ')}. ${t('table_below')}`;
  return html`<${Section} title=${title} note=${note} action=${!isEmpty && html`<${CsvButton} app=${app} asText=${true} name="statistics" columns=${columns} rows=${rows} />`}><div class="card pad">
    ${isEmpty ? html`<${State} icon="statistics" title=${t('no_numbers')} text=${t('no_numbers_text')} />` : html`
    <${Chart} kind=${kind} series=${series} labels=${labels} alt=${alt} width=${app.isNarrow ? 280 : 480} number=${(value) => fmt.number(value)} />
    <ul class="legend">${series.map((it) => html`<li key=${it.label}><span class=${`key ${it.color}`}></span>${it.label}<span class="num strong">${unit ? say(last(it.values)) : say(total(it))}</span></li>`)}</ul>
    <details><summary>${t('table')}</summary><div class="scroll" tabindex="0" role="region" aria-label=${`${title}: ${t('table')}`}><table><thead><tr><th scope="col">${t('when')}</th>${series.map((it) => html`<th scope="col" key=${it.label}>${it.label}</th>`)}</tr></thead>
      <tbody>${rows.map(({ start, at }) => html`<tr key=${start}><th scope="row">${labels[at]}</th>${series.map((it) => html`<td key=${it.label}>${say(it.values[at])}</td>`)}</tr>`)}</tbody></table></div></details>`}</div><//>`;
}

/** The newest value there is. */
function last(values) {
  return values.findLast((value) => value !== null) ?? null;
}

const HEIGHT = 180;
const LEFT = 38;
const BOTTOM = 22;
const TOP = 8;

/** Round numbers from 0 to at least `most`: `[0, 5, 10]`. */
export function ticks(most, wanted = 3) {
  if (!(most > 0)) return [0, 1];
  const rough = most / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].find((it) => it * power >= rough) * power, Number.isInteger(most) ? 1 : 0);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, index) => index * step);
}

/** How many of `count` labels fit: every n-th. */
export function everyNth(count, fits = 6) {
  return Math.max(1, Math.ceil(count / fits));
}

/** `series` are `{label, color, values}` of equal length; `labels` name the places below. A null value is a gap in a line. `width` is
 *  about that of the place on the screen, so that words keep their size. */
export function Chart({ kind, series, labels, alt, number, width = 480 }) {
  const totals = labels.map((_, at) => (kind === 'bars'
    ? series.reduce((sum, { values }) => sum + (values[at] ?? 0), 0) : Math.max(0, ...series.map(({ values }) => values[at] ?? 0))));
  const marks = ticks(Math.max(0, ...totals));
  const top = marks.at(-1);
  const slot = (width - LEFT) / Math.max(1, labels.length);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const nth = everyNth(labels.length, Math.floor((width - LEFT) / 66));
  return html`<svg class="chart" viewBox=${`0 0 ${width} ${HEIGHT}`} role="img" aria-label=${alt}>
    ${marks.map((mark) => html`<g key=${mark}>
      <line class="grid" x1=${LEFT} x2=${width} y1=${y(mark)} y2=${y(mark)} />
      <text x=${LEFT - 8} y=${y(mark) + 4} text-anchor="end">${number(mark)}</text></g>`)}
    ${kind === 'bars' ? bars(series, labels, slot, y) : series.map((it) => line(it, slot, y))}
    ${labels.map((label, at) => (at % nth === 0 && html`<text key=${at} x=${LEFT + slot * (at + 0.5)} y=${HEIGHT - 5}
      text-anchor=${at === 0 ? 'start' : at > labels.length - nth ? 'end' : 'middle'}>${label}</text>`))}
  </svg>`;
}

function bars(series, labels, slot, y) {
  const width = Math.max(1, Math.min(26, slot * 0.72));
  return labels.map((_, at) => {
    let below = 0;
    return series.map(({ color, values }) => {
      const value = values[at] ?? 0;
      if (!value) return null;
      const [bottom, height] = [y(below), y(below) - y(below + value)];
      below += value;
      return html`<rect key=${`${at}-${color}`} class=${color} x=${LEFT + slot * (at + 0.5) - width / 2} y=${bottom - height} width=${width} height=${Math.max(0.5, height)} rx="1.5" />`;
    });
  });
}

function line({ color, values }, slot, y) {
  const x = (at) => LEFT + slot * (at + 0.5);
  const path = values.map((value, at) => (value === null ? '' : `${at > 0 && values[at - 1] !== null ? 'L' : 'M'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)).join('');
  return html`<g key=${color}><path class=${`line ${color.replace('c', 'l')}`} d=${path} />
    ${values.map((value, at) => value !== null && html`<circle key=${at} class=${color} cx=${x(at)} cy=${y(value)} r="2.5" />`)}</g>`;
}
