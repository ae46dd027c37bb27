//! The start: launch data is exchanged for a session, then the app is shown. Nothing of the session leaves this module's memory.

import { Native } from '/qr-auth/static/native.js';
import { Telegram, isHandheld, launchParams } from '/qr-auth/static/telegram.js';
import { Api } from './api.js';
import { App } from './app.js';
import { Live } from './live.js';
import { formats } from './format.js';
import { html, render } from './dom.js';
import { languageOf, textsIn } from './texts.js';

const launch = launchParams(location.hash, window.sessionStorage);
// The launch data must not stand in the address longer than it has to.
history.replaceState(null, '', location.pathname);
const language = languageOf(launch.user?.language_code ?? navigator.language);
document.documentElement.lang = language;
const t = textsIn(language);
document.title = t('title');
const telegram = new Telegram(window, launch);
const native = new Native(telegram);
telegram.start().then(() => native.update({ again: true }));

const root = document.getElementById('app');
let app = null;
const api = new Api({ language, onEnded: () => app?.ended() });
const props = { t, api, telegram, native, fmt: formats(language), isHandheld: isHandheld(launch.platform) };

async function begin() {
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

begin();
