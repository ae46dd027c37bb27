//! The sandbox's server as the page sees it (CONTRACT.md), with a bot and a Telegram of a few lines: enough to play one
//! login in a browser. `node mock.mjs` serves it for looking at.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MockService, initData, TOKENS } from '../../../../api/static/tests/mock.mjs';

const PAGE = fileURLToPath(new URL('..', import.meta.url));
const TYPES = { html: 'text/html', css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml', png: 'image/png' };
const INVITE = '3HBP4Z3ECICZ';
const SESSION = 'Yk3v1hN0t2q8sZ5wXr7uLaCeGiKmOpQd';

export class MockSandbox extends MockService {
  constructor() {
    super({ frameAncestors: "'self'" });
    this.streams = new Set();
    this.posts = [];
    this.events = [];
    this.lines = [];
    this.scanError = null;
    this.state = {
      version: 1, now: now(),
      bot: {
        id: 7000000001, name: 'QR Login', username: 'qr_login_sandbox_bot',
        commands: { ru: [{ command: 'login', description: 'Войти по инвайт коду' }, { command: 'subscription', description: 'Моя подписка' }, { command: 'cancel', description: 'Отменить вход' }], '': [{ command: 'login', description: 'Log in with an invite code' }] },
        menu_button: { '': { type: 'commands' } },
      },
      service: { state: 'running', pid: 4711, starts: 1, note: null },
      airplane: false, invite: INVITE,
      persons: [person(139883458, 'Ilya', 'ru', '+79990000001'), person(271828182, 'Anna', 'en', '+447000000002')],
    };
    this.happened('invite', 'InviteCreated', { tier: 'premium' });
    this.onPost = (what, body, login) => this.minded(what, body, login);
  }

  minded(what) {
    if (what === 'cancel') { this.happened('login', 'LoginCancelled'); this.say('🚫 Вход отменён'); return { status: 'cancelled' }; }
    if (what === 'phone') { this.happened('login', 'CodeSent'); return { status: 'code_required', code_via: 'app', code_length: 5 }; }
    return {};
  }

  async handle(request, response) {
    const url = new URL(request.url, 'http://mock');
    if (url.pathname === '/') return this.static('index.html', response);
    if (url.pathname.startsWith('/sandbox/page/')) return this.static(url.pathname.slice(14), response);
    if (url.pathname === '/sandbox/events') return this.stream(request, response);
    if (url.pathname === '/sandbox/state') return answer(response, 200, this.state);
    if (url.pathname === '/sandbox/journal') return answer(response, 200, { available: true, events: this.events });
    if (url.pathname === '/sandbox/log') return answer(response, 200, { lines: this.lines });
    if (!url.pathname.startsWith('/sandbox/')) return super.handle(request, response);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const what = url.pathname.slice(9);
    const body = what === 'scan' ? { person: Number(url.searchParams.get('person')), png: bytes } : JSON.parse(bytes);
    this.posts.push({ what, body, type: request.headers['content-type'] });
    try {
      const more = await this[what](body);
      this.changed();
      return answer(response, 200, { ok: true, ...more });
    } catch (error) {
      return answer(response, 400, { ok: false, error: error.code ?? 'BROKEN', text: error.message });
    }
  }

  // What a person does.

  chat({ person: id, text }) {
    this.say(text, { id, from: 'person', entities: text.startsWith('/') ? [{ type: 'bot_command', offset: 0, length: text.split(' ')[0].length }] : [] });
    if (text === `/login ${INVITE}`) {
      this.login(SESSION, { telegram_id: id });
      this.log('QR login asked for by 139883458');
      for (const [stream, event] of [['account', 'AccountRegistered'], ['invite', 'InviteRedeemed'], ['login', 'LoginStarted'], ['login', 'QrIssued']]) this.happened(stream, event);
      this.say('✅ Инвайт код принят!\n\n🎁 Подписка: Premium\n📊 Лимиты:\n  • Каналов: 50\n  • Постов/день: 1000\n  • RAG запросов/день: 1000\n\n👇 Нажмите кнопку ниже для авторизации:\n\nВ Mini App будут доступны 4 способа:\n  1. Сканировать QR код камерой\n  2. Открыть deep link в Telegram\n  3. Скопировать токен\n  4. Войти по коду на этом телефоне\n\n⏰ QR код действителен 5 минут', {
        id, keyboard: [[{ text: '🔐 Открыть QR авторизацию', web_app: { url: `${this.origin}/qr-auth?session_id=${SESSION}` } }]],
      });
    } else this.say('💎 У вас нет подписки\n\nОтправьте /login КОД', { id, entities: [{ type: 'bot_command', offset: 24, length: 6 }] });
    return { message_id: 1 };
  }

  press() { return { answered: true, answer: 'Готово', alert: false }; }
  clear({ person: id }) { this.person(id).messages = []; return {}; }
  init_data({ person: id }) {
    const { first_name, language_code } = this.person(id);
    return { init_data: initData({ id, first_name, language_code }) };
  }
  share_contact({ person: id }) {
    const { first_name, phone } = this.person(id);
    this.say('', { id, from: 'person', contact: { first_name, phone_number: phone.number } });
    return { contact: new URLSearchParams({ contact: JSON.stringify({ user_id: id, phone_number: phone.number, first_name }), auth_date: String(now()), hash: '00' }).toString() };
  }
  scan({ person: id, png }) {
    this.lastScan = png;
    if (this.scanError) throw Object.assign(new Error('no'), { code: this.scanError });
    return { scan: `scan-${id}`, device: { device: 'qr-login', app: 'qr-login 0.1.0', platform: 'Linux', ip: '127.0.0.1' } };
  }
  confirm({ scan }) {
    const id = Number(scan.slice(5));
    const login = this.logins.get(SESSION);
    if (id !== login.telegram_id) {
      this.happened('login', 'AuthorizationRejected');
      this.set(SESSION, { status: 'rejected', token: null });
      return {};
    }
    this.person(id).phone.sessions.push({ hash: '18364758544493064720', current: false, device: 'qr-login', app: 'qr-login 0.1.0', platform: 'Linux', ip: '127.0.0.1', created_at: now(), active_at: now() });
    this.happened('login', 'AuthorizationConfirmed');
    this.happened('account', 'SubscriptionActivated');
    this.log('login finished');
    this.say('✅ Авторизация успешна!\n\n🎁 Подписка: Premium', { id });
    this.set(SESSION, { status: 'authorized', token: null });
    return {};
  }
  decline() { return {}; }
  end_session({ person: id, hash }) { const { phone } = this.person(id); phone.sessions = phone.sessions.filter((one) => one.current || (hash !== 'all' && one.hash !== hash)); return {}; }
  options(option) {
    if ('airplane' in option) this.state.airplane = option.airplane;
    if ('password' in option) this.person(option.person).phone.password.on = option.password;
    if ('dc' in option) this.person(option.person).phone.dc = option.dc;
    return {};
  }
  kill() { this.state.service = { ...this.state.service, state: 'killed', pid: null }; return {}; }
  fill() { return {}; }
  restart() { this.state.service = { state: 'running', pid: 4712, starts: 2, note: null }; return {}; }

  // What follows from it.

  person(id) { return this.state.persons.find((one) => one.id === id); }
  say(text, { id = 139883458, from = 'bot', entities = [], keyboard = null, contact = null } = {}) {
    const { messages } = this.person(id);
    messages.push({ message_id: messages.length + 1, from, date: now(), edited: null, text, entities, contact, keyboard });
  }
  happened(stream, event, payload = {}) {
    this.events.push({ position: this.events.length + 1, at: new Date().toISOString(), stream, stream_id: SESSION.slice(0, 8), version: 1, event, actor: 'system', payload });
  }
  log(line) {
    const entry = { n: this.lines.length + 1, line: `${new Date().toISOString()}  INFO ${line}` };
    this.lines.push(entry);
    for (const stream of this.streams) stream.write(`event: log\ndata: ${JSON.stringify(entry)}\n\n`);
  }
  changed() {
    this.state.version += 1;
    this.state.now = now();
    for (const stream of this.streams) stream.write(`event: state\ndata: ${JSON.stringify(this.state)}\n\n`);
  }
  stream(request, response) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    this.streams.add(response);
    response.once('close', () => this.streams.delete(response));
    response.write(`event: state\ndata: ${JSON.stringify(this.state)}\n\n`);
  }
  static(name, response) {
    const type = TYPES[name.split('.').pop()];
    response.writeHead(/^[a-z_]+\.[a-z0-9]+$/.test(name) && type ? 200 : 404, { 'Content-Type': `${type}; charset=utf-8`, 'X-Content-Type-Options': 'nosniff' });
    response.end(type && readFileSync(`${PAGE}/${name}`));
  }
}

function person(id, first_name, language_code, number) {
  return {
    id, first_name, last_name: null, username: first_name.toLowerCase(), language_code, typing: false, messages: [],
    phone: {
      number, online: true, dc: 2, password: { on: false, password: 'correct horse', hint: 'the usual one' }, notices: [],
      sessions: [{ hash: '81985529216486895', current: true, device: `${first_name}'s phone`, app: 'Telegram 12.0', platform: 'iOS', ip: '127.0.0.1', created_at: now(), active_at: now() }],
    },
  };
}

function now() {
  return Math.floor(Date.now() / 1000);
}

function answer(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(body));
}

export { SESSION, TOKENS };

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log((await new MockSandbox().listen(Number(process.argv[2] ?? 8091))).origin);
}
