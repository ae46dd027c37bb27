//! The group `page`: every state of the login page, inside a client that draws Telegram's own buttons. Russian is shown in the light
//! theme, English in the dark one.

import { readFileSync } from 'node:fs';
import { ILYA, THEMES, contact } from '../../api/static/tests/client.mjs';
import { MockService, initData, iso } from '../../api/static/tests/mock.mjs';

export const title = 'The login page';
export const about = 'In a client with native buttons, on a phone (390 by 780) and on a desktop. Russian is light, English is dark.';
export const columns = ['ru', 'en'];

const CODE = { status: 'code_required', code_via: 'app', code_length: 5, token: null };
const PHONE = { platform: 'ios', width: 390, height: 780 };
const DESKTOP = { platform: 'tdesktop', width: 480, height: 780 };
const WORDS = {
  banned: { ru: '❌ Этот номер заблокирован в Telegram.', en: '❌ This number is banned from Telegram.' },
  wrong_code: { ru: '❌ Неверный код', en: '❌ Wrong code' },
  wrong_password: { ru: '❌ Неверный пароль', en: '❌ Wrong password' },
  newer: {
    ru: '🔁 Начат новый вход, этот отменён. Нажмите последнюю кнопку в чате с ботом.',
    en: '🔁 A newer login was started, so this one is cancelled. Press the latest button in the chat with the bot.',
  },
  flood: {
    ru: 'Telegram просит подождать: слишком много запросов. Попробуйте снова позже.',
    en: 'Telegram asks us to wait: too many requests. Try again later.',
  },
  hint: { ru: 'имя кота', en: 'the cat’s name' },
  stale: {
    ru: 'Страница открыта слишком давно. Закройте её и откройте заново кнопкой из чата с ботом.',
    en: 'This page was opened too long ago. Close it and open it again with the button in the chat with the bot.',
  },
  foreign: {
    ru: 'Этот вход начал другой человек. Отправьте боту /login, чтобы начать свой.',
    en: 'Somebody else started this login. Send /login to the bot to start your own.',
  },
  blocked: { ru: '⛔ Доступ заблокирован. Поддержка: @qr_login_support', en: '⛔ Access is blocked. Support: @qr_login_support' },
};

/** Waits for a phase, or for an element to be seen. */
const seen = (id) => (app) => app.until(`$('${id}').checkVisibility()`);
const ended = (login) => ({ login: { token: null, ...login }, act: seen('end-title') });

export const states = [
  { name: 'phone-loading', caption: 'Phone: loading', ...PHONE, hanging: true, act: seen('status') },
  { name: 'phone', caption: 'Phone: the way by code comes first', ...PHONE, act: seen('number-title') },
  { name: 'phone-other-ways', caption: 'Phone: link and token', ...PHONE, act: async (app) => { await app.press('other-toggle'); await app.press('open'); await app.scroll('other'); } },
  { name: 'phone-access', caption: 'Phone: what to know before', ...PHONE, act: async (app) => { await seen('number-title')(app); await app.press('consent-more'); await app.scroll('access'); } },
  { name: 'phone-qr', caption: 'Phone: the QR code for another screen', ...PHONE, act: async (app) => { await app.press('to-scan'); await app.qr(); } },
  { name: 'phone-qr-only', caption: 'Phone: where the way by code is off', ...PHONE, service: { onePhone: 'off' }, act: (app) => app.qr() },
  { name: 'phone-typed', caption: 'Phone: where a number may be typed', ...PHONE, service: { onePhone: 'typed' }, act: seen('phone') },
  {
    name: 'phone-sending', caption: 'Phone: the code is being sent', ...PHONE,
    act: async (app) => { await app.press('share-phone'); await app.until("$('phone-form').hasAttribute('aria-busy')"); },
  },
  {
    name: 'phone-refused', caption: 'Phone: Telegram refuses the number', ...PHONE,
    act: async (app) => { await app.press('share-phone'); await app.until("$('phone-form').hasAttribute('aria-busy')"); app.set({ error: app.say('banned') }); await app.until("$('phone-error').textContent"); },
  },
  {
    name: 'code', caption: 'The code', ...PHONE,
    act: async (app) => { await app.press('share-phone'); await app.until("$('phone-form').hasAttribute('aria-busy')"); app.set(CODE); await app.until("$('code').checkVisibility()"); },
  },
  {
    name: 'code-wrong', caption: 'A wrong code', ...PHONE, login: CODE,
    act: async (app) => { await app.type('code', '12345'); app.set({ error: app.say('wrong_code') }); await app.until("$('code-error').textContent"); },
  },
  { name: 'code-other-number', caption: 'Another number', ...PHONE, login: CODE, service: { onePhone: 'typed' }, act: (app) => app.press('change-number') },
  { name: 'password', caption: 'The 2-step password', ...PHONE, login: { status: 'password_required', token: null }, act: (app) => app.until("$('password-hint').checkVisibility()") },
  {
    name: 'password-wrong', caption: 'A wrong password', ...PHONE, login: { status: 'password_required', token: null },
    act: async (app) => { await app.until("$('password-hint').checkVisibility()"); await app.press('send-password'); await app.until("$('password-error').textContent"); app.write('password-error', app.say('wrong_password')); },
  },
  { name: 'cancel', caption: 'Cancelling asks first', ...PHONE, act: (app) => app.press('cancel') },
  { name: 'offline', caption: 'No connection', ...PHONE, act: async (app) => { await seen('number-title')(app); app.service.broken = 502; app.wake(); await app.until("$('trouble').checkVisibility()"); } },
  { name: 'authorized', caption: 'Done', ...PHONE, ...ended({ status: 'authorized', session: 'linked' }) },
  { name: 'expired', caption: 'Time is over', ...PHONE, ...ended({ status: 'expired' }) },
  { name: 'cancelled', caption: 'Cancelled', ...PHONE, ...ended({ status: 'cancelled' }) },
  { name: 'superseded', caption: 'A newer login', ...PHONE, ...ended({ status: 'cancelled', say: 'newer' }) },
  { name: 'rejected', caption: 'Another account confirmed', ...PHONE, ...ended({ status: 'rejected' }) },
  { name: 'failed', caption: 'Failed', ...PHONE, ...ended({ status: 'failed', say: 'flood' }) },
  { name: 'session-ended', caption: 'An old page: logged out since', ...PHONE, ...ended({ status: 'authorized', session: 'ended' }) },
  { name: 'session-handed-over', caption: 'An old page: handed over since', ...PHONE, ...ended({ status: 'authorized', session: 'handed_over' }) },
  { name: 'session-replaced', caption: 'An old page: another login since', ...PHONE, ...ended({ status: 'authorized', session: 'replaced' }) },
  { name: 'not-found', caption: 'No such login', ...PHONE, unknown: true, act: seen('end-title') },
  { name: 'stale', caption: 'Launch data too old', ...PHONE, refused: [401, 'stale'], act: seen('end-title') },
  { name: 'foreign', caption: 'Somebody else’s login', ...PHONE, refused: [403, 'foreign'], act: seen('end-title') },
  { name: 'blocked', caption: 'Blocked', ...PHONE, refused: [403, 'blocked', 'urn:qr-login:blocked'], act: seen('end-title') },
  { name: 'outside', caption: 'Opened outside of Telegram, where no language is known', only: 'ru', ...PHONE, stranger: true, act: seen('end-title') },
  { name: 'desktop', caption: 'Desktop: the QR code comes first', ...DESKTOP, act: (app) => app.qr() },
  { name: 'desktop-link', caption: 'Desktop: what the link does', ...DESKTOP, act: async (app) => { await app.qr(); await app.press('open'); await app.scroll('other'); } },
  { name: 'desktop-waiting', caption: 'Desktop: no QR code yet', ...DESKTOP, login: { token: null, qr_expires: null }, act: seen('picture') },
  { name: 'desktop-number', caption: 'Desktop: the way by code', ...DESKTOP, act: (app) => app.press('one-phone-toggle') },
  { name: 'desktop-full', caption: 'Desktop: full screen', ...DESKTOP, width: 780, act: async (app) => { await app.qr(); await app.press('enlarge'); } },
  { name: 'old-client', caption: 'A client of 2022: only the main button is native', ...PHONE, version: '6.0', service: { onePhone: 'typed' }, act: seen('cancel') },
  { name: 'old-client-cancel', caption: 'The question of the page itself', ...PHONE, version: '6.0', service: { onePhone: 'typed' }, act: async (app) => { await app.press('cancel'); await app.until("$('ask').open"); } },
];

/** The page's service, which also serves the client around the page. */
class Service extends MockService {
  async handle(request, response) {
    const { pathname } = new URL(request.url, 'http://mock');
    if (pathname === '/qr-auth-status' && this.refusal) {
      const { status } = this.refusal;
      response.writeHead(status, { 'Content-Type': 'application/problem+json' });
      return response.end(JSON.stringify(this.refusal));
    }
    if (pathname !== '/client') return super.handle(request, response);
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    return response.end(readFileSync(new URL('client.html', import.meta.url)));
  }
}

/** One open page. `$` in an expression finds an element of the page by its id. */
class App {
  constructor(page, service, language) {
    Object.assign(this, { page, service, language });
  }

  run(expression) {
    return this.page.evaluate(`(($) => ${expression})((id) => document.querySelector('iframe').contentDocument.getElementById(id))`);
  }

  until(expression) {
    return this.page.until(`(($) => ${expression})((id) => document.querySelector('iframe').contentDocument.getElementById(id))`);
  }

  async press(id) {
    await this.until(`!$('${id}').closest('[hidden]')`);
    await this.run(`$('${id}').click()`);
  }

  async type(id, words) {
    await this.until(`$('${id}').checkVisibility()`);
    await this.run(`[$('${id}').value = '${words}', $('${id}').dispatchEvent(new Event('input'))]`);
  }

  qr() {
    return this.until("$('qr').checkVisibility() && $('qr').naturalWidth > 0");
  }

  /** Brings the end of an element into view. */
  scroll(id) {
    return this.run(`$('${id}').scrollIntoView({ block: 'end' })`);
  }

  wake() {
    return this.run("$('ask').ownerDocument.dispatchEvent(new Event('visibilitychange'))");
  }

  write(id, words) {
    return this.run(`$('${id}').textContent = ${JSON.stringify(words)}`);
  }

  set(fields) {
    this.service.set('gallery', fields);
  }

  say(key) {
    return WORDS[key][this.language];
  }
}

export async function take(browser, state, language) {
  const service = await new Service({ frameAncestors: "'self'", ...state.service }).listen();
  const { say, ...login } = state.login ?? {};
  if (!state.unknown) service.login('gallery', { expires: iso(300), ...login, ...(say && { error: WORDS[say][language] }) });
  service.password.hint = WORDS.hint[language];
  state.setUp?.(service, language);
  const [status, detail, type = 'about:blank'] = state.refused ?? [];
  service.refusal = status ? { type, status, detail: WORDS[detail][language] } : null;
  const dark = language === 'en';
  const page = await browser.page({ width: state.width, height: state.height, dark, reduced: true });
  await page.send('Fetch.enable', { patterns: [{ urlPattern: 'https://telegram.org/*' }, ...(state.hanging ? [{ urlPattern: '*/qr-auth-status*' }] : [])] });
  browser.listen(({ method, params, sessionId }) => {
    const isSdk = params?.request?.url.startsWith('https://telegram.org/');
    if (method === 'Fetch.requestPaused' && sessionId === page.sessionId && isSdk) page.send('Fetch.failRequest', { requestId: params.requestId, errorReason: 'ConnectionRefused' });
  });
  const launch = new URLSearchParams({ tgWebAppVersion: state.version ?? '9.1', tgWebAppPlatform: state.platform, tgWebAppThemeParams: JSON.stringify(THEMES[dark ? 'dark' : 'light']) });
  if (!state.stranger) launch.set('tgWebAppData', initData({ ...ILYA, language_code: language }));
  await page.open(`${service.origin}/client`);
  await page.until('window.openMiniApp && document.body');
  const options = { url: `${service.origin}${state.path ?? '/qr-auth?session_id=gallery'}#${launch.toString().replaceAll('+', '%20')}`, contact: contact() };
  await page.evaluate(`window.openMiniApp(${JSON.stringify(options)})`);
  const app = new App(page, service, language);
  await page.until("document.querySelector('iframe').contentDocument?.querySelector('main')?.hidden === false");
  await state.act(app);
  // One frame later everything that follows from it has been drawn.
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
  const { data } = await page.send('Page.captureScreenshot', { format: 'webp', quality: 45 });
  await page.close();
  await service.close();
  return Buffer.from(data, 'base64');
}
