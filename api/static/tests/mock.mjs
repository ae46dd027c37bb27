//! An in-memory service for the page, which a test controls: one login per session id, statuses that the test sets, and long polls.
//! `node mock.mjs` serves it to a browser.

import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const STATIC = fileURLToPath(new URL('..', import.meta.url));
const TYPES = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };
export const TOKENS = ['AQLtO1qfZmV4YW1wbGUtdG9rZW4tb25lLWZvci10ZXN0cw', 'AQLtO1qfZmV4YW1wbGUtdG9rZW4tdHdvLWZvci10ZXN0cw'];
/** A proof file, as far as the page knows it. */
export const PROOF = 'qr-login/person-proof@v1\naccount 7\n';
const PICTURES = [1, 2].map((n) => readFileSync(new URL(`qr${n}.svg`, import.meta.url)));

/** Launch data of a person. The mock reads only the user and checks no signature. */
export function initData(user = { id: 139883458, first_name: 'Ilya', language_code: 'ru' }) {
  return new URLSearchParams({ user: JSON.stringify(user), auth_date: '1790000000', hash: '00' }).toString();
}

export class MockService {
  constructor({ onePhone = 'on', device = 'qr-login', frameAncestors = '' } = {}) {
    Object.assign(this, { onePhone, device, frameAncestors });
    this.logins = new Map();
    this.requests = [];
    /** A test's `onPost(what, body, login)`. It returns changes `{status, …}`, or `{problem: [code, detail]}`. */
    this.onPost = () => ({});
    /** If set, the code of every answer to a status request. */
    this.broken = null;
    /** Refuses long polls, as some proxies do. */
    this.noLongPoll = false;
    this.password = { srp_id: '1', B: '', p: '', g: 3, salt1: '', salt2: '', hint: null };
    /** What is known of a person, for their own page. Null: nothing. `onMe(what)` may refuse an order: `[code, detail, type]`. */
    this.me = person();
    this.onMe = () => null;
    this.mostAtOnce = 0;
    this.atOnce = 0;
  }

  login(session, fields = {}) {
    const login = {
      status: 'waiting', version: 1, expires: iso(300), telegram_id: 139883458, token: TOKENS[0],
      deep_link: `tg://login?token=${TOKENS[0]}`, qr_expires: iso(28), error: null, wakers: new Set(), ...fields,
    };
    this.logins.set(session, login);
    return login;
  }

  /** Changes a login, raises its version, and answers the waiting long polls. */
  set(session, fields) {
    const login = this.logins.get(session);
    Object.assign(login, { error: null }, fields, { version: login.version + 1 });
    for (const wake of login.wakers) wake();
    return login;
  }

  listen(port = 0) {
    this.server = createServer((request, response) => this.handle(request, response).catch((error) => {
      response.destroy(error);
    }));
    return new Promise((resolve) => this.server.listen(port, '127.0.0.1', () => {
      this.origin = `http://127.0.0.1:${this.server.address().port}`;
      resolve(this);
    }));
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  async handle(request, response) {
    const url = new URL(request.url, 'http://mock');
    const body = await read(request);
    this.requests.push({ method: request.method, path: url.pathname, query: Object.fromEntries(url.searchParams), body, headers: request.headers });
    if (url.pathname === '/qr-auth') return this.page(response);
    if (url.pathname === '/me') return this.page(response, 'me/me.html', 1);
    if (url.pathname.startsWith('/api/me')) return this.ofPerson(url, request, response);
    if (url.pathname.startsWith('/qr-auth/static/')) return this.file(url.pathname.slice(16), response);

    const session = body?.session_id ?? url.searchParams.get('session_id');
    const login = this.logins.get(session);
    if (url.pathname === '/qr-auth-status') return this.status(url, request, login, response);
    const requester = requesterOf(request);
    if (requester === null) return problem(response, 401, 'Откройте страницу заново из чата с ботом.');
    if (!login) return problem(response, 404, 'Сессия не найдена');
    if (requester !== login.telegram_id) return problem(response, 403, 'Этот вход начал другой человек.');
    if (url.pathname === '/qr-auth/qr.svg') {
      return send(response, 200, 'image/svg+xml', PICTURES[TOKENS.indexOf(login.token)] ?? PICTURES[0]);
    }
    if (url.pathname === '/qr-auth/password' && request.method === 'GET') return json(response, 200, this.password);
    const change = await this.onPost(url.pathname.slice('/qr-auth/'.length), body, login);
    if (change.problem) return problem(response, ...change.problem);
    if (Object.keys(change).length) this.set(session, change);
    return json(response, 200, owner(login));
  }

  async status(url, request, login, response) {
    this.atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.atOnce);
    response.once('close', () => { this.atOnce -= 1; });
    if (this.broken) return problem(response, this.broken, 'нет');
    if (!login) return json(response, 200, { status: 'not_found' });
    const requester = requesterOf(request);
    if (requester !== null && requester !== login.telegram_id) return problem(response, 403, 'Этот вход начал другой человек.');
    const since = url.searchParams.get('since');
    if (since !== null && this.noLongPoll) return problem(response, 504, 'no');
    const live = ['waiting', 'code_required', 'password_required'].includes(login.status);
    if (since !== null && live && login.version <= Number(since)) await nextVersion(login, Number(url.searchParams.get('wait')), response);
    return json(response, 200, requester === null
      ? { status: login.status, expires: login.expires, version: login.version } : owner(login));
  }

  /** The requests of a person's own page. */
  ofPerson(url, request, response) {
    const what = url.pathname.slice('/api/me'.length);
    if (requesterOf(request) === null) return problem(response, 401, 'Откройте страницу заново из чата с ботом.');
    const refused = this.onMe(what);
    if (refused) return problem(response, ...refused);
    if (!this.me) return problem(response, 404, 'О вас здесь ничего не известно.');
    const { events, ...known } = this.me;
    if (what === '') return json(response, 200, known);
    if (what === '/export') return json(response, 200, { ...known, events });
    if (what === '/proof') return response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end(PROOF);
    if (what === '/events') {
      const [kind, limit, after] = ['kind', 'limit', 'after'].map((name) => url.searchParams.get(name));
      const fitting = events.filter((event) => (!kind || event.kind === kind) && (!after || event.position < Number(after)));
      const items = fitting.slice(0, Number(limit ?? 50));
      return json(response, 200, { items, next: items.length < fitting.length ? String(items.at(-1).position) : null });
    }
    if (what === '/logout') this.me.session = null;
    if (what === '/forget') this.me = null;
    return send(response, 202, 'text/plain', '');
  }

  page(response, file = 'login.html', policy = 0) {
    const nonce = randomBytes(16).toString('base64');
    const page = readFileSync(`${STATIC}/${file}`, 'utf8').replaceAll('{{nonce}}', nonce)
      .replaceAll('{{one_phone}}', this.onePhone).replaceAll('{{device_name}}', this.device);
    // The header from CSP.md, so that the tests run under the real policy.
    const csp = [...readFileSync(`${STATIC}/CSP.md`, 'utf8').matchAll(/```\n([\s\S]*?)```/g)][policy][1]
      .replaceAll('{nonce}', nonce).replace('{page_origin}', this.frameAncestors).replace(/\s+/g, ' ').trim();
    response.setHeader('Content-Security-Policy', csp);
    response.setHeader('Referrer-Policy', 'no-referrer');
    send(response, 200, 'text/html', page);
  }

  file(name, response) {
    const type = TYPES[name.split('.').pop()];
    if (!/^(me\/)?[a-z_]+\.(js|css|svg)$/.test(name) || !type) return send(response, 404, 'text/plain', 'no such file');
    return send(response, 200, type, readFileSync(`${STATIC}/${name}`));
  }
}

function owner({ wakers, ...status }) {
  return status;
}

/** The Telegram id of the request. Null without initData. */
function requesterOf(request) {
  const data = /^tma (.*)$/.exec(request.headers.authorization ?? '')?.[1];
  return data ? JSON.parse(new URLSearchParams(data).get('user')).id : null;
}

/** What is known of Ilya, who is linked, has a subscription, and whose history an admin has looked at. */
export function person({ session = {}, subscription = {}, user = {}, events = history() } = {}) {
  return {
    user: { telegram_id: 139883458, first_name: 'Ilya', last_name: 'Ivanov', username: 'ilya', session_exported: false, ...user },
    session: session && { linked_at: '2026-11-22T10:05:00Z', last_seen_at: '2026-11-28T08:30:00Z', device: 'qr-login', ...session },
    subscription: subscription && {
      tier: 'premium', status: 'active', started_at: '2026-11-22T10:05:00Z', expires_at: '2026-12-22T10:05:00Z',
      limits: { max_channels: 50, max_groups: 20, posts_per_day: 1000, rag_per_day: 1000, voice_per_day: 50, ai_digest: true, priority: false }, ...subscription,
    },
    events,
  };
}

/** A history of so many events, the newest first. Every fourth is a look at it. */
export function history(length = 6) {
  const words = [['LoginStarted', 'Начат вход', 'you'], ['AuthorizationConfirmed', 'Вход по QR-коду, аккаунт подключён', 'you'],
    ['SubscriptionActivated', 'Началась подписка Premium до 22.12.2026', 'the service'], ['AuditRead', 'Просмотрена ваша история', 'an admin']];
  return Array.from({ length }, (_, index) => {
    const [kind, text, who] = words[index % words.length];
    return { at: new Date(Date.UTC(2026, 10, 22, 10, index)).toISOString(), position: index + 1, kind, text, who };
  }).reverse();
}

function nextVersion(login, seconds, response) {
  return new Promise((resolve) => {
    const done = () => { clearTimeout(timer); login.wakers.delete(done); resolve(); };
    const timer = setTimeout(done, Math.min(seconds, 25) * 1000);
    login.wakers.add(done);
    response.once('close', done);
  });
}

export function iso(secondsFromNow) {
  return new Date(Date.now() + secondsFromNow * 1000).toISOString();
}

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return /json/.test(request.headers['content-type'] ?? '') ? JSON.parse(bytes) : bytes.length ? bytes : null;
}

function send(response, status, type, body) {
  response.writeHead(status, { 'Content-Type': `${type}; charset=utf-8`, 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' });
  response.end(body);
}

function json(response, status, body) {
  send(response, status, 'application/json', JSON.stringify(body));
}

function problem(response, status, detail, type = 'about:blank') {
  send(response, status, 'application/problem+json', JSON.stringify({ type, title: 'problem', status, detail }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await new MockService().listen(Number(process.argv[2] ?? 8090));
  mock.login('waiting');
  console.log(`${mock.origin}/qr-auth?session_id=waiting#tgWebAppData=${encodeURIComponent(initData())}&tgWebAppPlatform=weba&tgWebAppVersion=9.1`);
}
