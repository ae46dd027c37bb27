//! Charts as SVG: stacked bars, or lines. Each stands with its table, which says the same to whoever does not see it.

import { html } from './ui.js';

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
