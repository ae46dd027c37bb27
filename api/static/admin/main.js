//! The start: launch data is exchanged for a session while the rest of the app loads, then it is shown. Nothing of the session leaves this
//! module's memory.

import { Api, Live } from './api.js';
import { formats, textsIn, wordsOf } from './format.js';
import { languageOf } from '/qr-auth/static/language.js';
import { Native } from '/qr-auth/static/native.js';
import { Telegram, isHandheld, launchParams, storage } from '/qr-auth/static/telegram.js';

const launch = launchParams(location.hash, storage());
const language = languageOf(launch.user?.language_code ?? navigator.language);
document.documentElement.lang = language;
const telegram = new Telegram(window, launch);
const native = new Native(telegram);
const root = document.getElementById('app');
let app = null;

/** Every module at once: by their imports alone the browser would find them in three steps. */
function load() {
  return Promise.all([
    import('./app.js'), import('./ui.js'), wordsOf(language), import('./vendor/preact.mjs'), import('./vendor/htm.mjs'), import('./loaded.js'),
    import('./dashboard.js'), import('./users.js'), import('./user.js'), import('./invites.js'), import('./vendor/lean-qr.mjs'), import('./audit.js'),
    import('./projections.js'), import('./later.js'), import('./export.js'),
  ]);
}

/** What the app begins with: a session, or why there is none. */
async function begin(api) {
  if (!launch.initData) return { hasEnded: true, endTitle: 'outside', endText: 'outside_text' };
  try {
    return { me: await api.open(launch.initData), live: new Live(api) };
  } catch ({ status, detail }) {
    if (status === 401) return { hasEnded: true };
    if (status === 403) return { hasEnded: true, endTitle: 'forbidden', endText: 'forbidden_text' };
    return { hasEnded: true, endTitle: status === 0 ? 'offline' : 'failed', endText: 'start_failed_text', endDetail: detail, onAgain: start };
  }
}

async function start() {
  const api = new Api({ language, onEnded: (status) => app?.ended(status) });
  const [[{ App }, { html, render }, words], begun] = await Promise.all([load(), begin(api)]);
  const t = textsIn(language, words);
  document.title = t('title');
  // The session ends when the app is closed.
  window.addEventListener('pagehide', () => api.close());
  const props = { t, api, telegram, native, fmt: formats(language), isHandheld: isHandheld(launch.platform), ...begun };
  render(null, root);
  root.replaceChildren();
  render(html`<${App} ref=${(it) => { app = it; }} ...${props} />`, root);
}

telegram.start().then(() => native.update({ again: true }));
start();
