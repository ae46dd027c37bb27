//! The group `me`: every state of a person's own page, taken as those of the login page are.

import { history, person } from '../../api/static/tests/mock.mjs';
import { take as takePage } from './page.mjs';

export const title = 'A person’s own page';
export const about = 'In a client with native buttons, on a phone (390 by 780) and on a desktop. Russian is light, English is dark.';
export const columns = ['ru', 'en'];

const PHONE = { platform: 'ios', width: 390, height: 780 };
const DESKTOP = { platform: 'tdesktop', width: 780, height: 900 };
/** The history in English: the service tells it in the person's language. */
const ENGLISH = {
  LoginStarted: 'A login was started', AuthorizationConfirmed: 'Logged in with the QR code, account linked',
  SubscriptionActivated: 'Subscription started: Premium until 22.12.2026', AuditRead: 'Your history was looked at',
};
const REFUSED = {
  blocked: { ru: '⛔ Доступ заблокирован. Поддержка: @qr_login_support', en: '⛔ Access is blocked. Support: @qr_login_support' },
  stale: {
    ru: 'Страница открыта слишком давно. Закройте её и откройте заново кнопкой из чата с ботом.',
    en: 'This page was opened too long ago. Close it and open it again with the button in the chat with the bot.',
  },
};

const seen = (id) => (app) => app.until(`$('${id}').checkVisibility()`);
const known = (fields = {}) => (service, language) => {
  const events = fields.events ?? history(9);
  service.me = person({ ...fields, events: language === 'en' ? events.map((event) => ({ ...event, text: ENGLISH[event.kind] })) : events });
};
const refused = (status, words, type) => (service, language) => { service.onMe = () => [status, words?.[language] ?? null, type]; };
const home = seen('session-state');

export const states = [
  { name: 'linked', caption: 'Linked, with a subscription', ...PHONE, setUp: known(), act: home },
  { name: 'below', caption: 'Further below', ...PHONE, setUp: known(), act: async (app) => { await home(app); await app.scroll('forget'); } },
  { name: 'nothing', caption: 'Nothing is linked, no subscription', ...PHONE, setUp: known({ session: null, subscription: null, events: [] }), act: home },
  { name: 'handed-over', caption: 'Handed over, subscription over', ...PHONE, setUp: known({ session: null, user: { session_exported: true }, subscription: { status: 'expired' } }), act: home },
  { name: 'history', caption: 'The history', ...PHONE, setUp: known(), act: async (app) => { await app.press('to-history'); await app.until("$('events').children.length > 0"); } },
  { name: 'looks', caption: 'Who looked', ...PHONE, setUp: known(), act: async (app) => { await app.press('to-looks'); await app.until("$('events').children.length > 0"); } },
  { name: 'nobody-looked', caption: 'Nobody looked', ...PHONE, setUp: known({ events: history(3) }), act: async (app) => { await app.press('to-looks'); await seen('events-note')(app); } },
  { name: 'data', caption: 'My data', ...PHONE, setUp: known(), act: async (app) => { await app.press('download'); await seen('export')(app); await app.scroll('copy'); } },
  { name: 'disconnect', caption: 'Disconnecting asks first', ...PHONE, setUp: known(), act: async (app) => { await home(app); await app.press('disconnect'); } },
  { name: 'forget', caption: 'Forgetting asks first, in a client without popups', ...PHONE, version: '6.0', setUp: known(), act: async (app) => { await app.press('forget'); await app.until("$('ask').open"); } },
  { name: 'unknown', caption: 'Not known here', ...PHONE, setUp: (service) => { service.me = null; }, act: seen('end-title') },
  { name: 'failed', caption: 'The server does not answer', ...PHONE, setUp: refused(502), act: seen('end-title') },
  { name: 'stale', caption: 'Launch data too old', ...PHONE, setUp: refused(401, REFUSED.stale), act: seen('end-title') },
  { name: 'blocked', caption: 'Blocked', ...PHONE, setUp: refused(403, REFUSED.blocked, 'urn:qr-login:blocked'), act: seen('end-title') },
  { name: 'outside', caption: 'Opened outside of Telegram, where no language is known', only: 'ru', ...PHONE, stranger: true, act: seen('end-title') },
  { name: 'desktop', caption: 'Desktop', ...DESKTOP, setUp: known(), act: home },
];

export function take(browser, state, language) {
  return takePage(browser, { path: '/me', ...state }, language);
}
