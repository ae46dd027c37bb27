//! START HERE: the login page, in steps.
//! 1. Launch parameters: who asks (initData), in which language, on which platform.
//! 2. The follower asks for the status until the login has ended; each answer goes through `show`.
//! 3. Buttons and forms post; their answers go the same way as the follower's.
//! 4. A login that succeeded closes the page; any other end offers to begin anew.

import { Follower, hasEnded } from './follow.js';
import { Forms } from './forms.js';
import { Picture } from './picture.js';
import { Refused, Server } from './server.js';
import { ServerClock } from './clock.js';
import { Telegram, launchParams, linkPolicy } from './telegram.js';
import { View, phaseOf } from './view.js';
import { copyFrom } from './copy.js';
import { languageOf, textsIn } from './texts.js';

const CLOSE_AFTER_MS = 2_000;
/** So long a code may be on its way before the page says that it is late. */
const LATE_MS = 10_000;
/** So many failures in a row before the page says that it is cut off. */
const FAILURES_SHOWN = 2;
const LOGIN_SECONDS = 300;

const { onePhone, device } = document.body.dataset;
const launch = launchParams(location.hash, storage());
const language = languageOf(launch.user?.language_code);
const text = textsIn(language);
const view = new View(document, text, { device, language });
const telegram = new Telegram(window, launch);
const clock = new ServerClock();
const server = new Server({ session: new URLSearchParams(location.search).get('session_id') ?? '', initData: launch.initData, language, clock });
const picture = new Picture(view.element('qr'), (signal) => server.picture(signal), () => view.picture('shown'));
const follower = new Follower({
  ask: (since, signal) => server.status(since, signal),
  onStatus: show,
  onTrouble: (failures) => view.trouble(failures >= FAILURES_SHOWN ? 'offline' : null),
  onRefused: refused,
});
const forms = new Forms({ view, text, telegram, server, take: (status) => follower.take(status), me: launch.user?.id });

let current = null;
/** Seconds from the first sight of a deadline to it: the full length of the bar. */
let whole = LOGIN_SECONDS;
/** Since when there is no code that could be scanned. */
let missingSince = null;

view.phase('loading');
view.status('loading');
view.picture('loading');
wire();
telegram.start();
setInterval(tick, 1_000);
if (server.session) follower.start();
else view.end('not_found', { close: true });

function show(status) {
  const before = current;
  current = status;
  // Without initData the server gives the bare status: nothing to scan, and nobody to scan it for.
  if (!launch.initData && status.status !== 'not_found') return lastWord('outside');
  if (status.expires !== before?.expires) whole = Math.max(LOGIN_SECONDS, clock.secondsUntil(status.expires) ?? 0);
  if (hasEnded(status.status)) ended(status);
  else going(status, before);
  forms.heard(status);
  tick();
  return undefined;
}

function going(status, before) {
  const token = status.status === 'waiting' ? status.token ?? null : null;
  view.phase(phaseOf(status.status), { token, owner: true, 'one-phone': onePhone === 'on' });
  if (status.status !== before?.status) view.status(status.status);
  view.note('problem', status.status === 'waiting' ? status.error : null);
  picture.show(token);
  if (!token) view.picture('loading');
  const input = view.element('token');
  if (input.value !== (token ?? '')) {
    input.value = token ?? '';
    view.note('copied', '');
  }
}

function ended({ status, error }) {
  if (status === 'authorized') {
    lastWord(status, { more: 'closing' });
    telegram.haptic('success');
    setTimeout(() => telegram.close(), CLOSE_AFTER_MS);
  } else if (status === 'not_found') {
    lastWord(status, { close: true });
  } else {
    lastWord(status, { said: error, more: status === 'rejected' ? 'rejected_more' : null, retry: true, close: true });
    telegram.haptic(status === 'rejected' || status === 'failed' ? 'error' : 'warning');
  }
}

function refused(refusal) {
  if (refusal.status === 404) lastWord('not_found', { close: true });
  else lastWord(refusal.status === 403 ? 'foreign' : launch.initData ? 'stale' : 'outside', { said: refusal.detail, close: true });
}

/** Nothing is asked after it, so what was told of a login that went on has to go: nothing would take it away any more. */
function lastWord(outcome, options) {
  follower.stop();
  picture.show(null);
  view.trouble(null);
  view.note('problem', null);
  view.end(outcome, options);
}

function tick() {
  const going = current && !hasEnded(current.status);
  const left = going ? clock.secondsUntil(current.expires) : null;
  view.countdown(left, left === null ? 0 : Math.min(1, left / whole));
  const stale = going && current.qr_expires && clock.secondsUntil(current.qr_expires) === 0;
  const missing = current?.status === 'waiting' && (stale || !current.token);
  missingSince = missing ? missingSince ?? Date.now() : null;
  const late = missing && Date.now() - missingSince >= LATE_MS;
  if (missing) view.picture(view.element('qr').hidden ? 'loading' : 'renewing', late);
  forms.tick();
}

function wire() {
  const click = (id, act) => view.element(id).addEventListener('click', act);
  click('open', openInTelegram);
  click('devices', () => { location.href = 'tg://settings/devices'; });
  click('token', (event) => event.currentTarget.select());
  click('copy', async () => {
    const copied = await copyFrom(view.element('token'));
    view.note('copied', text(copied ? 'copied' : 'copy_failed'));
    telegram.haptic(copied ? 'light' : 'error');
  });
  click('cancel', (event) => act(event.currentTarget, 'cancel'));
  click('retry', (event) => act(event.currentTarget, 'retry'));
  click('close', () => telegram.close());

  const back = () => { if (document.visibilityState === 'visible') follower.nudge(); };
  document.addEventListener('visibilitychange', back);
  window.addEventListener('online', back);
  telegram.on('visibility_changed', (data) => { if (data?.is_visible) follower.nudge(); });
}

/** Only where the link does something is it followed; what to do next is said in any case. */
function openInTelegram() {
  const opens = linkPolicy(launch.platform) === 'opens';
  view.note('link-help-title', text(opens ? 'help_mobile_title' : 'help_desktop_title'));
  const more = opens && onePhone === 'on' ? ` ${text('help_mobile_one_phone')}` : '';
  view.note('link-help-text', text(opens ? 'help_mobile' : 'help_desktop') + more);
  view.element('devices').hidden = !opens;
  view.element('link-help').hidden = false;
  telegram.haptic('light');
  if (opens && current?.deep_link?.startsWith('tg://login?')) location.href = current.deep_link;
}

async function act(button, what) {
  button.disabled = true;
  try {
    const status = await server.post(what);
    if (what === 'retry') restart(status);
    else follower.take(status);
  } catch (error) {
    if (error instanceof Refused && error.status === 401) refused(error);
    else if (what === 'retry') view.note('end-more', (error instanceof Refused && error.detail) || text('unexpected'));
    else view.note('problem', (error instanceof Refused && error.detail) || text('unexpected'));
  } finally {
    button.disabled = false;
  }
}

/** A new attempt of the same login: it goes by the same session id. */
function restart(status) {
  current = null;
  view.picture('loading');
  follower.start();
  follower.take(status);
}

function storage() {
  try { return window.sessionStorage; } catch { return null; }
}
