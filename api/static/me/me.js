//! START HERE: a person's own page, in steps.
//! 1. Launch parameters: the person (initData), the language and the client.
//! 2. `load` asks what is known, and the latest of the history. `show` shows it.
//! 3. The whole history is one step further, and the client's arrow leads back.
//! 4. Disconnecting and forgetting ask first. Then the page asks anew what holds, or ends.

import { Native } from '../native.js';
import { Refused, Requests } from '../requests.js';
import { Telegram, launchParams, storage } from '../telegram.js';
import { askIn } from '../dialog.js';
import { copyFrom } from '../copy.js';
import { languageOf, textsOf } from '../language.js';
import { TEXTS } from './table.js';
import { View } from './view.js';

/** How much of the history stands on the first view, and on each page of the other. */
const RECENT = 3;
const PAGE = 30;
/** The limits of a subscription that are numbers, with their texts. */
const LIMITS = { max_channels: 'channels', max_groups: 'groups', posts_per_day: 'posts', rag_per_day: 'rag', voice_per_day: 'voice' };
/** Those that it has or has not. */
const FEATURES = { ai_digest: 'digest', priority: 'priority' };
/** What can be saved as a file: where it is, its name, and what is said of it. */
const DATA = { path: '/api/me/export', file: 'my-data.json', ready: 'downloaded', label: 'data_label', shown: (saved) => JSON.stringify(JSON.parse(saved), null, 2) };
const PROOF = { path: '/api/me/proof', file: 'my-proof.txt', ready: 'proof_ready', label: 'proof_label', shown: (saved) => saved, missing: 'proof_later' };

const launch = launchParams(location.hash, storage());
const language = languageOf(launch.user?.language_code);
const text = textsOf(TEXTS, language);
const view = new View(document, text, language);
const telegram = new Telegram(window, launch);
const native = new Native(telegram);
const requests = new Requests({ initData: launch.initData, language });

/** What is known; null before the first answer. */
let known = null;
/** Which part of the history is shown: null is all of it. The cursor of its next page. How often it was read. */
let kind = null;
let next = null;
let reads = 0;
/** The button that led to the history, which gets the focus again on the way back. */
let cameFrom = 'to-history';

addListeners();
showNative();
telegram.start().then(() => native.update({ again: true }));
if (launch.initData) {
  view.status(text('loading'));
  load();
} else {
  end('outside');
}

/** Asks what is known and shows it. Returns whether that went well. */
async function load() {
  try {
    const [me, recent] = await Promise.all([get('/api/me'), get(`/api/me/events?limit=${RECENT}`)]);
    known = me;
    show(recent.items);
    return true;
  } catch (error) {
    failed(error);
    return false;
  }
}

function show(recent) {
  const { user } = known;
  const name = [user.first_name, user.last_name].filter(Boolean).join(' ');
  const about = [user.username && `@${user.username}`, String(user.telegram_id)].filter(Boolean).join(' · ');
  view.element('title').textContent = name || text('title');
  view.element('who').textContent = about;
  view.status('');
  view.note('problem', null);
  showSession();
  showSubscription();
  view.element('recent').replaceChildren(...view.lines(recent));
  view.note('recent-note', recent.length ? null : text('nothing'));
  view.phase('home', { focus: false });
  showNative();
}

function showSession() {
  const { user, session } = known;
  const handedOver = user.session_exported && !session;
  view.state('session-state', session ? 'good' : handedOver ? 'late' : 'none', text(session ? 'linked' : handedOver ? 'handed_over' : 'not_linked'));
  view.note('session-note', session ? null : text(handedOver ? 'handed_over_text' : 'not_linked_text'));
  view.element('session-facts').hidden = !session;
  view.element('disconnect').hidden = !session;
  if (!session) return;
  view.element('since').textContent = view.moment(session.linked_at);
  view.element('seen').textContent = session.last_seen_at ? view.moment(session.last_seen_at) : text('never_seen');
  view.element('device').textContent = session.device;
}

function showSubscription() {
  const { subscription } = known;
  const limits = view.element('limits');
  limits.hidden = subscription?.status !== 'active';
  if (!subscription) {
    view.state('tier', 'none', text('none'));
    view.note('subscription-note', text('none_text'));
    return;
  }
  const tier = subscription.tier[0].toUpperCase() + subscription.tier.slice(1);
  const end = subscription.expires_at && view.day(subscription.expires_at);
  if (subscription.status === 'active') {
    view.state('tier', 'good', `${tier}, ${end ? text('until', { day: end }) : text('unlimited')}`);
    const numbers = Object.entries(LIMITS).map(([limit, key]) => [text(key), String(subscription.limits[limit])]);
    const features = Object.entries(FEATURES).map(([limit, key]) => [text(key), subscription.limits[limit] ? '✓' : '–']);
    view.facts('limits', [...numbers, ...features]);
    view.note('subscription-note', null);
  } else {
    view.state('tier', 'late', text('ended', { tier }));
    view.note('subscription-note', end ? text('ended_on', { day: end }) : null);
  }
}

/** Opens the history: all of it, or who looked at it. */
async function openHistory(button, which) {
  cameFrom = button;
  await showHistory(which);
}

async function showHistory(which) {
  kind = which;
  next = null;
  view.element('show-all').setAttribute('aria-pressed', String(which === null));
  view.element('show-looks').setAttribute('aria-pressed', String(which !== null));
  view.element('events').replaceChildren();
  view.note('events-note', null);
  view.element('more').hidden = true;
  view.phase('history');
  showNative();
  await readMore();
}

async function readMore() {
  const asked = ++reads;
  const query = new URLSearchParams({ limit: PAGE, ...(kind && { kind }), ...(next && { after: next }) });
  const more = view.element('more');
  view.working(more, true);
  view.status(text('loading'));
  try {
    const page = await get(`/api/me/events?${query}`);
    // The person has asked for another part meanwhile.
    if (asked !== reads) return;
    const list = view.element('events');
    list.append(...view.lines(page.items));
    next = page.next;
    more.hidden = !next;
    view.note('problem', null);
    view.note('events-note', list.children.length ? null : text(kind ? 'nobody_looked' : 'nothing'));
  } catch (error) {
    if (asked !== reads) return;
    more.hidden = false;
    failed(error);
  } finally {
    if (asked === reads) {
      view.working(more, false);
      view.status('');
    }
  }
}

function goBack() {
  view.note('problem', null);
  view.phase('home', { focus: false });
  showNative();
  view.element(cameFrom).focus({ preventScroll: true });
}

async function disconnect(button) {
  const question = { title: text('disconnect_question'), message: text('disconnect_text'), yes: text('disconnect'), no: text('disconnect_no') };
  if (!await confirmed(question)) return;
  view.status(text('disconnecting'));
  await act(button, '/api/me/logout', async () => {
    telegram.haptic('success');
    if (await load()) view.status(text('disconnected'));
    view.element('title').focus({ preventScroll: true });
  });
}

async function forget(button) {
  const handedOver = known?.user.session_exported;
  const message = text(handedOver ? 'forget_text_handed_over' : 'forget_text');
  if (!await confirmed({ title: text('forget_question'), message, yes: text('forget_yes'), no: text('forget_no') })) return;
  await act(button, '/api/me/forget', () => {
    telegram.haptic('success');
    end('forgotten');
  });
}

/** Sends an order. Its failure leaves everything as it is, and is told. */
async function act(button, path, done) {
  if (button.hasAttribute('aria-busy')) return;
  view.working(button, true);
  view.note('problem', null);
  try {
    await requests.ask(path, { method: 'POST' });
    await done();
  } catch (error) {
    view.status('');
    telegram.haptic('error');
    failed(error);
  } finally {
    view.working(button, false);
  }
}

/** Saves a file. Not every client can, so it can be copied, too. */
async function save(button, { path, file, ready, label, shown, missing }) {
  if (button.hasAttribute('aria-busy')) return;
  view.working(button, true);
  view.note('problem', null);
  try {
    const data = await (await requests.ask(path)).blob();
    const link = document.createElement('a');
    link.href = URL.createObjectURL(data);
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    const copied = view.element('export');
    copied.value = shown(await data.text());
    copied.setAttribute('aria-label', text(label));
    view.element('downloaded-title').textContent = text(ready);
    view.element('copied').textContent = '';
    view.element('downloaded').hidden = false;
    view.element('downloaded-title').focus();
    telegram.haptic('light');
  } catch (error) {
    if (missing && error instanceof Refused && error.status === 404) view.note('problem', text(missing));
    else failed(error);
  } finally {
    view.working(button, false);
  }
}

async function copy() {
  const done = await copyFrom(view.element('export'));
  view.element('copied').textContent = text(done ? 'copied' : 'copy_failed');
  telegram.haptic(done ? 'light' : 'error');
}

/** Tells what went wrong: where the page can do nothing any more it ends, otherwise it says so and stays. */
function failed(error) {
  if (error instanceof Refused) {
    if (error.isBlocked) return end('blocked', { detail: error.detail });
    if (error.status === 401) return end('stale', { detail: error.detail });
    if (error.status === 404) return end('unknown');
  }
  const detail = error instanceof Refused ? error.detail : null;
  if (!known) return end('failed', { detail: detail ?? text('offline'), retry: true });
  return view.note('problem', detail ?? text('unexpected'));
}

function end(outcome, options) {
  view.note('problem', null);
  view.element('downloaded').hidden = true;
  view.end(outcome, options);
  showNative();
}

function confirmed(question) {
  return native.has('popup') ? native.confirm(question) : askIn(view, question);
}

/** Shows the way back and the one thing to do at the end as the client's own buttons. */
function showNative() {
  const shown = (id) => { const button = view.element(id); return button.closest('[hidden]') ? null : button; };
  const main = shown('retry') ?? shown('close');
  const close = shown('close');
  native.show({ main, secondary: close === main ? null : close, back: shown('back') });
}

async function get(path) {
  return (await requests.ask(path)).json();
}

function addListeners() {
  const click = (id, handler) => view.element(id).addEventListener('click', (event) => handler(event.currentTarget));
  click('back', goBack);
  click('to-history', () => openHistory('to-history', null));
  click('to-looks', () => openHistory('to-looks', 'AuditRead'));
  click('show-all', () => showHistory(null));
  click('show-looks', () => showHistory('AuditRead'));
  click('more', readMore);
  click('disconnect', disconnect);
  click('download', (button) => save(button, DATA));
  click('prove', (button) => save(button, PROOF));
  click('copy', copy);
  click('forget', forget);
  click('close', () => telegram.close());
  click('retry', () => { view.phase('loading'); showNative(); view.status(text('loading')); load(); });
  document.addEventListener('keydown', ({ key }) => { if (key === 'Escape' && !view.element('back').hidden && !view.element('ask').open) goBack(); });
}
