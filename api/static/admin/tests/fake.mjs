//! The app's files and an admin API of a few lists, in memory, which a test controls. It knows what the tab Services asks.

import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';

const STATIC = new URL('../../', import.meta.url);
const TYPES = { js: 'text/javascript', mjs: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };
/** As api/src/page.rs sends it. */
const CSP = "default-src 'none'; script-src 'self' 'nonce-n'; style-src 'self' 'nonce-n'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'";
const DAY = 86_400_000;
export const ago = (days) => new Date(Date.now() - days * DAY).toISOString();

export class FakeAdmin {
  keys = [];
  webhooks = [];
  deliveries = [];
  /** Method, path below `/api/admin/`, query and body of every request but the first ones of the app. */
  requests = [];
  /** A test's `refuse(method, path)`: `[status, detail]`, or null. */
  refuse = () => null;
  /** While it is set, answers about these lists wait for it. */
  held = null;

  async listen() {
    this.server = createServer((request, response) => this.#answer(request, response).catch((error) => response.destroy(error)));
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.origin = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  /** Tells the app of an event of the log. */
  tell(event) {
    this.position = (this.position ?? 0) + 1;
    this.live?.write(`event: log\nid: ${this.position}\ndata: ${JSON.stringify({ position: this.position, account_id: null, login_id: null, ...event })}\n\n`);
  }

  async #answer(request, response) {
    const url = new URL(request.url, 'http://fake');
    const send = (status, body, headers = {}) => { response.writeHead(status, headers); response.end(body); };
    const json = (body, status = 200) => send(status, body === null ? undefined : JSON.stringify(body), { 'Content-Type': status >= 400 ? 'application/problem+json' : 'application/json' });
    if (url.pathname === '/admin') return send(200, readFileSync(new URL('admin/admin.html', STATIC), 'utf8').replaceAll('{{nonce}}', 'n'), { 'Content-Type': 'text/html', 'Content-Security-Policy': CSP });
    const file = /^\/(?:admin\/static\/(.*)|qr-auth\/static\/(.*))$/.exec(url.pathname);
    if (file) return send(200, readFileSync(new URL(file[1] ? `admin/${file[1]}` : file[2], STATIC)), { 'Content-Type': TYPES[url.pathname.split('.').at(-1)] });
    const path = url.pathname.slice('/api/admin/'.length);
    let text = '';
    for await (const chunk of request) text += chunk;
    if (path === 'session') return json({ token: 'secret', role: 'admin', account_id: '01912f6a-7c3b-7000-8000-000000000002', expires_at: ago(-1) });
    if (path === 'events/live') { response.writeHead(200, { 'Content-Type': 'text/event-stream' }); response.write(':\n\n'); this.live = response; return undefined; }
    const [list] = path.split('/');
    if (!['keys', 'webhooks'].includes(list)) return json({ detail: 'not here' }, 404);
    const body = text ? JSON.parse(text) : null;
    this.requests.push({ method: request.method, path, query: Object.fromEntries(url.searchParams), body });
    await this.held;
    const refused = this.refuse(request.method, path);
    if (refused) return json({ title: 'no', detail: refused[1] }, refused[0]);
    return json(...this.#done(request.method, path.split('/'), body, url.searchParams));
  }

  #done(method, [list, id, what, delivery, replay], body, query) {
    const items = this[list];
    if (!id && method === 'GET') return [{ items, next: null }];
    if (!id && list === 'keys') {
      const { expires_in_days: days, ...rest } = body;
      items.unshift(key({ key_id: '0123456789abcdef', ...rest, expires_at: days ? ago(-days) : null, created_at: ago(0), last_used_at: null }));
      return [{ ...items[0], key: `qrl_0123456789abcdef_${'s'.repeat(43)}` }, 201];
    }
    if (!id) {
      items.unshift(webhook({ webhook_id: 'new', ...body }));
      return [{ ...items[0], secret: 'whsec_bmV3' }, 201];
    }
    const it = items.find((one) => (one.key_id ?? one.webhook_id) === id);
    if (!it) return [{ title: 'no' }, 404];
    if (!what && method === 'GET') return [it];
    if (what === 'deliveries' && method === 'GET') return [{ items: this.deliveries.filter(({ state }) => !query.get('state') || state === query.get('state')), next: null }];
    if (what === 'test') return [{ delivery_id: 'msg_test' }, 202];
    if (what === 'deliveries') {
      const parked = this.deliveries.filter(({ state, delivery_id: one }) => state === 'parked' && (!replay || one === delivery));
      for (const one of parked) Object.assign(one, { state: 'waiting' });
      it.parked -= parked.length;
      return [replay ? null : { replayed: parked.length }, 202];
    }
    if (method === 'DELETE' && list === 'keys') { it.revoked_at = ago(0); return [null, 204]; }
    if (method === 'DELETE') { items.splice(items.indexOf(it), 1); return [null, 204]; }
    const { rotate_secret: rotate, ...rest } = body;
    Object.assign(it, rest, rotate && { secret_rotates_until: ago(-1) });
    return [{ ...it, ...(rotate && { secret: 'whsec_cm90YXRlZA==' }) }];
  }
}

export const key = (fields = {}) => ({ key_id: 'aaaaaaaaaaaaaaaa', name: 'shop', scopes: ['users:read'], created_by: '01912f6a-7c3b-7000-8000-000000000002', created_at: ago(9), expires_at: ago(-80), last_used_at: ago(1), revoked_at: null, ...fields });
export const webhook = (fields = {}) => ({ webhook_id: 'w1', url: 'https://shop.example/hooks/qr-login', types: [], enabled: true, disabled_reason: null, created_at: ago(3), secret_rotates_until: null, waiting: 0, parked: 0, last_delivered_at: ago(1), ...fields });
export const delivery = (fields = {}) => ({ delivery_id: 'msg_1', type: 'subscription.expired', position: 41, state: 'delivered', attempts: 1, next_attempt_at: null, last_status: 200, last_error: null, created_at: ago(1), delivered_at: ago(1), ...fields });
