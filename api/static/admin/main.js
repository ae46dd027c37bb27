//! The start: launch data is exchanged for a session, then the app is shown. Nothing of the session leaves this module's memory.

import { formats, languageOf, textsIn, wordsOf } from './format.js';
import { Api, Live } from './api.js';
import { App } from './app.js';
import { html, render } from './ui.js';
import { Native } from '/qr-auth/static/native.js';
import { Telegram, isHandheld, launchParams } from '/qr-auth/static/telegram.js';

const launch = launchParams(location.hash, window.sessionStorage);
const language = languageOf(launch.user?.language_code ?? navigator.language);
document.documentElement.lang = language;
const telegram = new Telegram(window, launch);
const native = new Native(telegram);
const root = document.getElementById('app');
let app = null;
let props = null;

async function start() {
  telegram.start().then(() => native.update({ again: true }));
  const t = textsIn(language, await wordsOf(language));
  document.title = t('title');
  const api = new Api({ language, onEnded: (status) => app?.ended(status) });
  props = { t, api, telegram, native, fmt: formats(language), isHandheld: isHandheld(launch.platform) };
  // Whoever closes the app has closed its session.
  window.addEventListener('pagehide', () => api.close());
  begin();
}

async function begin() {
  const { api } = props;
  if (!launch.initData) return show({ hasEnded: true, endTitle: 'outside', endText: 'outside_text' });
  try {
    return show({ me: await api.open(launch.initData), live: new Live(api) });
  } catch ({ status }) {
    if (status === 401) return show({ hasEnded: true });
    if (status === 403) return show({ hasEnded: true, endTitle: 'forbidden', endText: 'forbidden_text' });
    return show({ hasEnded: true, endTitle: status === 0 ? 'offline' : 'failed', endText: 'start_failed_text', onAgain: begin });
  }
}

function show(more) {
  render(null, root);
  root.replaceChildren();
  render(html`<${App} ref=${(it) => { app = it; }} ...${props} ...${more} />`, root);
}

start();
