//! START HERE: the login page, in steps.
//! 1. Launch parameters: the person (initData), the language and the platform.
//! 2. The follower fetches the status until the login has ended. Each answer goes to `show`.
//! 3. Buttons and forms send POSTs. Their answers go to `show` too.
//! 4. A successful login closes the page. After any other end the person can start again.

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
/** After this time without a QR code the page says that it is late. */
const LATE_MS = 10_000;
/** After this many failures in a row the page says that it is offline. */
const OFFLINE_AFTER_FAILURES = 2;
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
  fetchStatus: (since, signal) => server.status(since, signal),
  onStatus: show,
  onFailures: (failures) => view.trouble(failures >= OFFLINE_AFTER_FAILURES ? 'offline' : null),
  onRefused: refused,
});
const forms = new Forms({ view, text, telegram, server, onStatus: (status) => follower.accept(status), userId: launch.user?.id });

let current = null;
/** The full length of the bar: the seconds that were left when the deadline was first known. */
let fullSeconds = LOGIN_SECONDS;
/** Since when the page has no valid QR code, in milliseconds. */
let missingSince = null;

view.phase('loading');
view.status('loading');
view.picture('loading');
addListeners();
telegram.start();
setInterval(tick, 1_000);
if (server.session) follower.start();
else view.end('not_found', { close: true });

function show(status) {
  const previous = current;
  current = status;
  // Without initData the server returns only the bare status, and there is nothing to scan.
  if (!launch.initData && status.status !== 'not_found') return showEnd('outside');
  if (status.expires !== previous?.expires) fullSeconds = Math.max(LOGIN_SECONDS, clock.secondsUntil(status.expires) ?? 0);
  if (hasEnded(status.status)) showOutcome(status);
  else showRunning(status, previous);
  forms.update(status);
  tick();
  return undefined;
}

function showRunning(status, previous) {
  const token = status.status === 'waiting' ? status.token ?? null : null;
  view.phase(phaseOf(status.status), { token, owner: true, 'one-phone': onePhone !== 'off', typed: onePhone === 'typed' });
  if (status.status !== previous?.status) view.status(status.status);
  view.note('problem', status.status === 'waiting' ? status.error : null);
  picture.show(token);
  if (!token) view.picture('loading');
  const input = view.element('token');
  if (input.value !== (token ?? '')) {
    input.value = token ?? '';
    view.note('copied', '');
  }
}

function showOutcome({ status, error }) {
  if (status === 'authorized') {
    showEnd(status, { more: 'closing' });
    telegram.haptic('success');
    setTimeout(() => telegram.close(), CLOSE_AFTER_MS);
  } else if (status === 'not_found') {
    showEnd(status, { close: true });
  } else {
    showEnd(status, { detail: error, more: status === 'rejected' ? 'rejected_more' : null, retry: true, close: true });
    telegram.haptic(status === 'rejected' || status === 'failed' ? 'error' : 'warning');
  }
}

function refused(refusal) {
  if (refusal.status === 404) showEnd('not_found', { close: true });
  else if (refusal.isBlocked) showEnd('blocked', { detail: refusal.detail, close: true });
  else showEnd(refusal.status === 403 ? 'foreign' : launch.initData ? 'stale' : 'outside', { detail: refusal.detail, close: true });
}

/** Shows the final state and stops the follower. No later status could remove the messages of a running login, so they go. */
function showEnd(outcome, options) {
  follower.stop();
  picture.show(null);
  view.trouble(null);
  view.note('problem', null);
  view.end(outcome, options);
}

function tick() {
  const running = current && !hasEnded(current.status);
  const secondsLeft = running ? clock.secondsUntil(current.expires) : null;
  view.countdown(secondsLeft, secondsLeft === null ? 0 : Math.min(1, secondsLeft / fullSeconds));
  const expired = running && current.qr_expires && clock.secondsUntil(current.qr_expires) === 0;
  const missing = current?.status === 'waiting' && (expired || !current.token);
  missingSince = missing ? missingSince ?? Date.now() : null;
  const late = missing && Date.now() - missingSince >= LATE_MS;
  if (missing) view.picture(view.element('qr').hidden ? 'loading' : 'renewing', late);
  forms.tick();
}

function addListeners() {
  const click = (id, handler) => view.element(id).addEventListener('click', handler);
  click('open', openInTelegram);
  click('devices', () => { location.href = 'tg://settings/devices'; });
  click('token', (event) => event.currentTarget.select());
  click('copy', async () => {
    const copied = await copyFrom(view.element('token'));
    view.note('copied', text(copied ? 'copied' : 'copy_failed'));
    telegram.haptic(copied ? 'light' : 'error');
  });
  click('cancel', (event) => post(event.currentTarget, 'cancel'));
  click('retry', (event) => post(event.currentTarget, 'retry'));
  click('close', () => telegram.close());

  const onReturn = () => { if (document.visibilityState === 'visible') follower.pollNow(); };
  document.addEventListener('visibilitychange', onReturn);
  window.addEventListener('online', onReturn);
  telegram.on('visibility_changed', (data) => { if (data?.is_visible) follower.pollNow(); });
}

/** Follows the link only on platforms where it works. Explains the next step in any case. */
function openInTelegram() {
  const opens = linkPolicy(launch.platform) === 'opens';
  view.note('link-help-title', text(opens ? 'help_mobile_title' : 'help_desktop_title'));
  const more = opens && onePhone !== 'off' ? ` ${text('help_mobile_one_phone')}` : '';
  view.note('link-help-text', text(opens ? 'help_mobile' : 'help_desktop') + more);
  view.element('devices').hidden = !opens;
  view.element('link-help').hidden = false;
  telegram.haptic('light');
  if (opens && current?.deep_link?.startsWith('tg://login?')) location.href = current.deep_link;
}

async function post(button, action) {
  button.disabled = true;
  try {
    const status = await server.post(action);
    if (action === 'retry') restart(status);
    else follower.accept(status);
  } catch (error) {
    if (error instanceof Refused && (error.status === 401 || error.isBlocked)) refused(error);
    else if (action === 'retry') view.note('end-more', (error instanceof Refused && error.detail) || text('unexpected'));
    else view.note('problem', (error instanceof Refused && error.detail) || text('unexpected'));
  } finally {
    button.disabled = false;
  }
}

/** Starts a new attempt of the same login, with the same session id. */
function restart(status) {
  current = null;
  view.picture('loading');
  follower.start();
  follower.accept(status);
}

function storage() {
  try { return window.sessionStorage; } catch { return null; }
}
