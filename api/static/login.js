//! START HERE: the login page, in steps.
//! 1. Launch parameters: the person (initData), the language and the platform.
//! 2. The follower fetches the status until the login has ended. Each answer goes to `show`.
//! 3. `draw` shows the step that the person is at, and the client's own buttons for it.
//! 4. Buttons and forms send POSTs. Their answers go to `show` too.
//! 5. A successful login closes the page. After any other end the person can start again.

import { Follower, hasEnded } from './follow.js';
import { Forms } from './forms.js';
import { Native } from './native.js';
import { Picture } from './picture.js';
import { Refused, Server } from './server.js';
import { ServerClock } from './clock.js';
import { Steps } from './steps.js';
import { Telegram, isHandheld, launchParams, linkPolicy, storage } from './telegram.js';
import { View, phaseOf } from './view.js';
import { askIn } from './dialog.js';
import { copyFrom } from './copy.js';
import { languageOf, textsIn } from './texts.js';

const CLOSE_AFTER_MS = 2_000;
/** After this time without a QR code the page says that it is late. */
const LATE_MS = 10_000;
/** After this many failures in a row the page says that it is offline. */
const OFFLINE_AFTER_FAILURES = 2;
const LOGIN_SECONDS = 300;
/** What became of a session since its login succeeded, where it is not linked any more. */
const SESSIONS = ['ended', 'handed_over', 'replaced'];
/** The button that leads to a step, which gets the focus again on the way back. */
const LEADS_TO = { scan: 'to-scan', number: 'one-phone-toggle', full: 'enlarge' };

const { onePhone, device } = document.body.dataset;
const launch = launchParams(location.hash, storage());
const language = languageOf(launch.user?.language_code);
const text = textsIn(language);
const handheld = isHandheld(launch.platform);
const view = new View(document, text, { device, language });
const telegram = new Telegram(window, launch);
const native = new Native(telegram);
const steps = new Steps({ handheld, onePhone: onePhone !== 'off' });
const clock = new ServerClock();
const server = new Server({ session: new URLSearchParams(location.search).get('session_id') ?? '', initData: launch.initData, language, clock });
const picture = new Picture(view.element('qr'), (signal) => server.picture(signal), () => view.picture('shown'));
const follower = new Follower({
  fetchStatus: (since, signal) => server.status(since, signal),
  onStatus: show,
  onFailures: (failures) => view.trouble(failures >= OFFLINE_AFTER_FAILURES ? 'offline' : null),
  onRefused: refused,
});
const forms = new Forms({
  view, text, telegram, server, userId: launch.user?.id,
  onStatus: (status) => follower.accept(status),
  onCodeSent: () => { steps.go('code'); draw(); },
  onChange: showNative,
});

let current = null;
let isFull = false;
let othersOpen = !handheld;
/** The full length of the bar: the seconds that were left when the deadline was first known. */
let fullSeconds = LOGIN_SECONDS;
/** Since when the page has no valid QR code, in milliseconds. */
let missingSince = null;

view.phase('loading');
view.say('scan-title', handheld ? 'scan_title_phone' : 'scan_title');
view.status('loading');
view.picture('loading');
addListeners();
showNative();
telegram.start().then(() => native.update({ again: true }));
setInterval(tick, 1_000);
if (server.session) follower.start();
else showEnd('not_found', { close: true });

function show(status) {
  const previous = current;
  current = status;
  // Without initData the server returns only the bare status, and there is nothing to scan.
  if (!launch.initData && status.status !== 'not_found') return showEnd('outside');
  if (status.expires !== previous?.expires) fullSeconds = Math.max(LOGIN_SECONDS, clock.secondsUntil(status.expires) ?? 0);
  if (hasEnded(status.status)) showOutcome(status);
  else showRunning(status, previous);
  forms.update(status);
  // Said beside the number already.
  if (status.error && view.element('phone-error').textContent === status.error) view.note('problem', null);
  tick();
  return undefined;
}

function showRunning(status, previous) {
  if (status.status !== previous?.status) view.status(status.status);
  draw();
  view.note('problem', status.status === 'waiting' ? status.error : null);
  const token = currentToken();
  picture.show(token);
  if (!token) view.picture('loading');
  const input = view.element('token');
  if (input.value !== (token ?? '')) {
    input.value = token ?? '';
    view.note('copied', '');
  }
}

function currentToken() {
  return current.status === 'waiting' ? current.token ?? null : null;
}

/** Shows the phase of a running login, at the step where the person is. */
function draw() {
  const phase = phaseOf(current.status);
  steps.enter(phase);
  const step = steps.current;
  setFull(step === 'full');
  const typed = onePhone === 'typed';
  view.phase(phase, {
    step, token: currentToken() !== null, owner: true, 'one-phone': onePhone !== 'off', typed, handheld,
    fullscreen: native.has('fullscreen'), others: othersOpen, start: step === steps.first, below: step !== steps.first,
  });
  view.say('number-title', phase === 'code' ? 'other_number' : handheld ? 'one_phone' : 'one_phone_desktop');
  view.say('number-lead', phase === 'code' && typed ? 'other_number_lead' : 'number_lead');
  if (!typed && !telegram.canShareContact()) view.note('phone-error', text('share_impossible'));
  showNative();
}

/** Shows the one thing to do now as the client's own button, and so the way out and the way back. */
function showNative() {
  const shown = (id) => { const button = view.element(id); return button.closest('[hidden]') ? null : button; };
  const share = view.element('share-phone');
  const canShare = telegram.canShareContact();
  const sendPhone = shown('send-phone');
  const typesNumber = sendPhone && (!canShare || view.element('phone').value !== '');
  // The native button is one: sharing the number, or sending the one that is being typed.
  share.hidden = !canShare || Boolean(typesNumber && native.has('main'));
  const main = typesNumber ? sendPhone : ['share-phone', 'send-code', 'send-password', 'retry', 'close'].map(shown).find(Boolean);
  const close = shown('close');
  native.show({ main, secondary: shown('cancel') ?? (close === main ? null : close), back: shown('back') });
}

/** Goes to another step of the phase. What was focused before may be gone, so the new step's heading is next. */
function goTo(step) {
  steps.go(step);
  native.hideKeyboard();
  draw();
  if (step !== 'full') view.focusHeading();
}

function goBack() {
  const left = steps.current;
  steps.back();
  native.hideKeyboard();
  draw();
  const next = steps.current === 'code' ? 'code' : LEADS_TO[left];
  view.element(next).focus({ preventScroll: true });
}

function setFull(on) {
  if (isFull === on) return;
  isFull = on;
  native.fullscreen(on);
  const enlarge = view.element('enlarge');
  enlarge.setAttribute('aria-pressed', String(on));
  enlarge.setAttribute('aria-label', text(on ? 'shrink' : 'enlarge'));
}

function showOutcome({ status, error, session }) {
  if (status === 'authorized' && SESSIONS.includes(session)) {
    showEnd(session, { close: true });
  } else if (status === 'authorized') {
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
  steps.enter('end');
  setFull(false);
  native.hideKeyboard();
  // Nothing is left to cancel.
  if (view.element('ask').open) view.element('ask').close();
  view.end(outcome, options);
  showNative();
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
  click('cancel', cancel);
  click('retry', (event) => post(event.currentTarget, 'retry'));
  click('close', () => telegram.close());

  click('back', goBack);
  click('to-scan', () => goTo('scan'));
  click('one-phone-toggle', () => goTo('number'));
  click('change-number', () => goTo('number'));
  click('enlarge', () => (isFull ? goBack() : goTo('full')));
  click('other-toggle', (event) => {
    othersOpen = !othersOpen;
    event.currentTarget.setAttribute('aria-expanded', String(othersOpen));
    draw();
  });
  click('consent-more', () => {
    view.element('access').scrollIntoView({ behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
    view.element('access-title').focus({ preventScroll: true });
  });
  document.addEventListener('keydown', ({ key }) => { if (key === 'Escape' && !view.element('back').hidden && !view.element('ask').open) goBack(); });
  telegram.on('fullscreen_changed', (data) => { if (isFull && data?.is_fullscreen === false) goBack(); });

  const onReturn = () => { if (document.visibilityState === 'visible') follower.pollNow(); };
  document.addEventListener('visibilitychange', onReturn);
  window.addEventListener('online', onReturn);
  telegram.on('visibility_changed', (data) => { if (data?.is_visible) follower.pollNow(); });
}

async function cancel() {
  const question = { title: text('cancel_question'), message: text('cancel_text'), yes: text('cancel'), no: text('cancel_no') };
  const isSure = await (native.has('popup') ? native.confirm(question) : askIn(view, question));
  if (isSure && current && !hasEnded(current.status)) await post(view.element('cancel'), 'cancel');
}

/** Follows the link only on platforms where it works. Explains the next step in any case. */
function openInTelegram() {
  const opens = linkPolicy(launch.platform) === 'opens';
  view.note('link-help-title', text(opens ? 'help_mobile_title' : 'help_desktop_title'));
  const more = opens && onePhone !== 'off' ? ` ${text('help_mobile_one_phone')}` : '';
  view.note('link-help-text', text(opens ? 'help_mobile' : 'help_desktop') + more);
  view.element('link-help').hidden = false;
  telegram.haptic('light');
  if (opens && current?.deep_link?.startsWith('tg://login?')) location.href = current.deep_link;
}

async function post(button, action) {
  if (button.hasAttribute('aria-busy')) return;
  view.working(button, true);
  showNative();
  try {
    const status = await server.post(action);
    if (action === 'retry') restart(status);
    else follower.accept(status);
  } catch (error) {
    if (error instanceof Refused && (error.status === 401 || error.isBlocked)) refused(error);
    else if (action === 'retry') view.note('end-more', (error instanceof Refused && error.detail) || text('unexpected'));
    else view.note('problem', (error instanceof Refused && error.detail) || text('unexpected'));
  } finally {
    view.working(button, false);
    showNative();
  }
}

/** Starts a new attempt of the same login, with the same session id. */
function restart(status) {
  current = null;
  view.picture('loading');
  follower.start();
  follower.accept(status);
}
