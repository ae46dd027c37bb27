//! The group `admin`: the admins' app, in the sandbox with the real service. Russian is a phone in the light theme, English a desktop in the
//! dark one. The states come one after the other: people have logged in before, and an invite was made.

import { THEMES } from '../../api/static/tests/client.mjs';
import { Chat, sandbox } from './chat.mjs';

export const title = 'The admins’ app';
export const about = 'In the sandbox, with the service itself. Russian is a phone (390 by 780), English a desktop (1280 by 800).';
export const columns = ['ru', 'en'];

const tab = (number) => async (app) => { await app.click(`.tab:nth-of-type(${number})`); await app.loaded(); };
const [DASHBOARD, PEOPLE_TAB, INVITES, STATISTICS, PROJECTIONS, AUDIT] = [1, 2, 3, 4, 5, 6].map(tab);
const row = async (app) => { await app.click('.pane li .row'); await app.loaded(); };
const act = (number) => async (app) => { await app.click(`.act:nth-of-type(${number})`); await app.page.until("document.querySelector('dialog[open]')"); };
/** The first time it is ordered; then it stands there. */
const checked = async (app) => {
  if (!await app.page.evaluate("Boolean(document.querySelector('.note.good'))")) await app.click('.half .secondary');
  await app.page.until("document.querySelector('.note.good')");
};
const confirmation = async (app) => {
  await app.page.evaluate("[...document.querySelectorAll('.pane li .row')].find((it) => it.innerText.includes('AuthorizationConfirmed')).click()");
  await app.loaded();
};
const all = (...steps) => async (app) => { for (const step of steps) await step(app); };

export const states = [
  { name: 'dashboard', caption: 'Overview: live numbers', play: DASHBOARD },
  { name: 'people', caption: 'People', play: PEOPLE_TAB },
  { name: 'picked', caption: 'Several are picked', play: all(PEOPLE_TAB, (app) => app.click('[data-key=select]'), (app) => app.click('.pick input')) },
  { name: 'person', caption: 'A person', play: all(PEOPLE_TAB, row) },
  { name: 'grant', caption: 'A grant', play: all(PEOPLE_TAB, row, act(1)) },
  { name: 'role', caption: 'A role', play: all(PEOPLE_TAB, row, act(2)) },
  { name: 'block', caption: 'A block asks first', play: all(PEOPLE_TAB, row, act(4)) },
  { name: 'invites', caption: 'Invites', play: INVITES },
  { name: 'new-invite', caption: 'A new invite', play: all(INVITES, (app) => app.click('[data-key=new]'), (app) => app.page.until("document.getElementById('note')")) },
  { name: 'invite', caption: 'An invite', play: all(INVITES, row, (app) => app.page.until("document.querySelector('.qr')")) },
  { name: 'statistics', caption: 'Statistics', play: STATISTICS },
  { name: 'projections', caption: 'Projections', play: PROJECTIONS },
  { name: 'view', caption: 'A view, compared with the log', play: all(PROJECTIONS, (app) => app.click('button.row.go'), (app) => app.loaded(), checked) },
  { name: 'audit', caption: 'The audit', play: AUDIT },
  { name: 'event', caption: 'An event, its cause and its consequences', play: all(AUDIT, confirmation) },
  { name: 'nobody', caption: 'Nobody is found', play: all(PEOPLE_TAB, (app) => app.type('[data-search]', 'nobody'), (app) => app.page.until("document.querySelector('.card .state')")) },
  { name: 'keys', caption: 'The keyboard', only: 'en', play: all(DASHBOARD, (app) => app.page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', { key: '?', code: 'Slash', shiftKey: true }))")) },
  { name: 'outside', caption: 'Opened outside of Telegram', only: 'en', launch: null },
  { name: 'stale', caption: 'Launch data too old', launch: { age_seconds: 3600 } },
];

/** One open app. */
class AdminApp {
  constructor(page) {
    this.page = page;
  }

  async click(selector) {
    await this.page.until(`document.querySelector(${JSON.stringify(selector)})`);
    await this.page.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
  }

  async type(selector, text) {
    await this.page.type(selector, text);
  }

  loaded() {
    return this.page.until("!document.querySelector('.bone')");
  }
}

/** What the pictures need: Anna has logged in, and there is an open invite. */
let ready;

async function prepare(origin, page) {
  const ilya = new Chat(origin, 'ru');
  await ilya.say('/admin_invite premium 30 5');
  const anna = new Chat(origin, 'en');
  anna.page = page;
  await anna.say(`/login ${await anna.invite()}`);
  await anna.confirm();
}

/** One open app in each language: a person may not begin sessions without end. */
const opened = {};

export async function take(browser, state, language) {
  if (state.launch !== undefined) {
    const app = await open(browser, language, state.launch);
    return picture(app);
  }
  opened[language] ??= open(browser, language, {});
  const app = await opened[language];
  await app.loaded();
  await app.page.evaluate("document.querySelector('dialog[open] .choices button')?.click()");
  await state.play(app);
  await app.loaded();
  return picture(app);
}

/** Opens the app with this launch data; null is none. */
async function open(browser, language, launch) {
  const origin = await sandbox();
  const [size, theme] = language === 'ru' ? [{ width: 390, height: 780 }, 'light'] : [{ width: 1280, height: 800 }, 'dark'];
  const page = await browser.page({ ...size, dark: theme === 'dark', reduced: true });
  await page.open(`${origin}/`);
  await page.until("document.querySelectorAll('.people button').length >= 2");
  ready ??= prepare(origin, page);
  await ready;
  const params = new URLSearchParams({ tgWebAppVersion: '6.0', tgWebAppPlatform: language === 'ru' ? 'ios' : 'tdesktop', tgWebAppThemeParams: JSON.stringify(THEMES[theme]) });
  if (launch) params.set('tgWebAppData', (await new Chat(origin, language).post('init_data', { start_param: null, ...launch })).init_data);
  await page.send('Fetch.enable', { patterns: [{ urlPattern: 'https://telegram.org/*' }] });
  browser.listen(({ method, params: paused, sessionId }) => {
    if (method === 'Fetch.requestPaused' && sessionId === page.sessionId) page.send('Fetch.failRequest', { requestId: paused.requestId, errorReason: 'ConnectionRefused' });
  });
  await page.open(`${origin}/admin#${params.toString().replaceAll('+', '%20')}`);
  await page.until("document.querySelector('.tab, .full')");
  return new AdminApp(page);
}

async function picture({ page }) {
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
  const { data } = await page.send('Page.captureScreenshot', { format: 'webp', quality: 45 });
  return Buffer.from(data, 'base64');
}
