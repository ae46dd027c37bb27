//! Accessibility, by axe.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { THEMES } from './client.mjs';

/** Downloaded by scripts/axe. */
const AXE = new URL('../../../target/axe/axe.min.js', import.meta.url);

/** No finding, but for a contrast between two colours of Telegram's own theme. */
export async function expectAccessible(page, theme, state) {
  if (!await page.evaluate("typeof axe === 'object'")) await page.evaluate(`${readFileSync(AXE, 'utf8')}; 0`);
  const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
  const telegrams = new Set(Object.values(THEMES[theme] ?? {}));
  const isTelegrams = ({ any }) => any.some(({ data }) => telegrams.has(data?.fgColor) && telegrams.has(data?.bgColor));
  const found = violations.flatMap(({ id, nodes }) => nodes.filter((node) => id !== 'color-contrast' || !isTelegrams(node))
    .map((node) => `${id}: ${node.html} ${node.failureSummary}`));
  assert.deepEqual(found, [], state);
}
