//! A QR code as SVG: black on white in every theme, with the quiet zone that cameras need.

import { generate } from './vendor/lean-qr.mjs';
import { html } from './dom.js';

const QUIET = 4;

/** The dark squares as one path. */
export function pathOf(code) {
  let path = '';
  for (let y = 0; y < code.size; y += 1) {
    for (let x = 0; x < code.size; x += 1) {
      if (!code.get(x, y)) continue;
      let run = 1;
      while (code.get(x + run, y)) run += 1;
      path += `M${x} ${y}h${run}v1h-${run}z`;
      x += run;
    }
  }
  return path;
}

export function QrCode({ text, label }) {
  const code = generate(text);
  const side = code.size + 2 * QUIET;
  return html`<div class="qr"><svg viewBox=${`${-QUIET} ${-QUIET} ${side} ${side}`} role="img" aria-label=${label}><path d=${pathOf(code)} fill="#000" /></svg></div>`;
}
