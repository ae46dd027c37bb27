//! The sandbox page in a real browser, with both roles played: chat, Mini App, camera, confirmation.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from '../../../../api/static/tests/browser.mjs';
import { MockSandbox, SESSION } from './mock.mjs';

let browser;

before(async () => {
  browser = await Browser.start();
});
after(() => browser.stop());

async function opened(t, size = {}) {
  const sandbox = await new MockSandbox().listen();
  const page = await browser.page({ width: 1280, height: 800, ...size });
  await page.open(`${sandbox.origin}/`);
  await page.until("document.querySelector('.suggestions button')");
  t.after(async () => {
    await page.close();
    await sandbox.close();
    assert.deepEqual(page.complaints.filter((one) => !/telegram\.org|status of 400|events/.test(one)), [], 'the page complains');
  });
  return { sandbox, page };
}

/** `/login`, the button, and the QR code on the Mini App's screen. */
async function invited({ page }) {
  await page.type('.composer input', '/login 3HBP4Z3ECICZ');
  await page.click('.send');
  await page.until("document.querySelector('.keyboard .web-app')");
  await page.click('.keyboard .web-app');
  await page.until("(() => { const qr = document.querySelector('iframe')?.contentDocument?.getElementById('qr'); return qr && !qr.hidden && qr.complete && qr.naturalWidth; })()");
}

async function scanned({ page }) {
  await page.click('#scan');
  await page.until("document.querySelector('#confirm')");
}

const posts = (sandbox, what) => sandbox.posts.filter((post) => post.what === what);
const appSays = (words) => `document.querySelector('iframe')?.contentDocument?.body.innerText.includes(${JSON.stringify(words)})`;
const personButton = (pane, name) => `document.querySelectorAll('${pane} .people button').forEach((button) => button.textContent.endsWith('${name}') && button.click())`;

test('one login, from the invite to the end, with both roles on one page', async (t) => {
  const it = await opened(t);
  await invited(it);
  await scanned(it);
  const [{ type, body }] = posts(it.sandbox, 'scan');
  assert.equal(type, 'image/png');
  assert.equal(body.person, 139883458);
  assert.deepEqual([...body.png.subarray(1, 4)], [...Buffer.from('PNG')]);
  assert.match(await it.page.evaluate("document.querySelector('.confirm').innerText"), /Log in on another device\?[\s\S]*qr-login 0\.1\.0/);
  await it.page.click('#confirm');
  await it.page.until(appSays('✅ Авторизация успешна!'));
  await it.page.until("document.querySelectorAll('#phone .session').length === 2");
  await it.page.until("!document.querySelector('iframe')", 10);
  await it.page.until("document.querySelector('#journal .strip').innerText.includes('SubscriptionActivated')");
  assert.match(await it.page.evaluate("document.querySelector('.messages').innerText"), /Авторизация успешна/);
});

test('the picture that is sent is the QR code on the screen, black on white', async (t) => {
  const it = await opened(t, { dark: true });
  await invited(it);
  await scanned(it);
  const shades = await it.page.evaluate(`(() => {
    const canvas = document.querySelector('.finder canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let black = 0, white = 0;
    for (let at = 0; at < data.length; at += 4) { if (data[at] < 32) black += 1; if (data[at] > 223) white += 1; }
    return { black: black / (data.length / 4), white: white / (data.length / 4) };
  })()`);
  assert.ok(shades.black > 0.15 && shades.white > 0.35 && shades.black + shades.white > 0.97, JSON.stringify(shades));
});

test('Anna confirms what Ilya began, and the Mini App says so', async (t) => {
  const it = await opened(t);
  await invited(it);
  await it.page.evaluate(personButton('#phone', 'Anna'));
  await scanned(it);
  assert.match(await it.page.evaluate("document.querySelector('#confirm').textContent"), /Anna/);
  await it.page.click('#confirm');
  await it.page.until(appSays('🚨 Вход подтвердил другой аккаунт'));
  assert.equal(posts(it.sandbox, 'scan')[0].body.person, 271828182);
});

test('with nothing on the screen the camera says that it sees no code', async (t) => {
  const { sandbox, page } = await opened(t);
  sandbox.scanError = 'NO_QR_CODE';
  await page.click('#scan');
  await page.until("document.querySelector('.camera-words').textContent.includes('open the Mini App first')");
});

test('an expired code can be scanned again', async (t) => {
  const it = await opened(t);
  await invited(it);
  it.sandbox.scanError = 'AUTH_TOKEN_EXPIRED';
  await it.page.click('#scan');
  await it.page.until("document.querySelector('.camera-words').textContent.includes('has expired')");
  it.sandbox.scanError = null;
  await it.page.click('.again');
  await it.page.until("document.querySelector('#confirm')");
});

test('the number is shared only after a yes, and the login goes on with a code', async (t) => {
  const it = await opened(t);
  await invited(it);
  const inApp = (selector) => it.page.evaluate(`document.querySelector('iframe').contentDocument.querySelector('${selector}').click()`);
  await inApp('#one-phone-toggle');
  await inApp('#share-phone');
  await it.page.until("document.querySelector('#miniapp .dialog')");
  assert.equal(posts(it.sandbox, 'share_contact').length, 0);
  await it.page.click('#miniapp .dialog button:last-child');
  await it.page.until(appSays('Код входа'));
  const { contact, ...rest } = it.sandbox.requests.find(({ path }) => path === '/qr-auth/phone').body;
  assert.deepEqual(rest, { session_id: SESSION });
  const fields = new URLSearchParams(contact);
  assert.equal(JSON.parse(fields.get('contact')).phone_number, '+79990000001');
  assert.ok(fields.get('hash'), 'signed, and passed on as it is');
});

test('the buttons of the Mini App stand below it, its arrow above it, and its question over it', async (t) => {
  const it = await opened(t);
  await invited(it);
  await it.page.until("document.querySelector('.secondary-button').textContent === 'Отменить вход' && document.querySelector('.main-button').hidden");
  await it.page.evaluate("document.querySelector('iframe').contentDocument.getElementById('one-phone-toggle').click()");
  await it.page.until("document.querySelector('.main-button').textContent === 'Поделиться номером'");
  await it.page.click('#miniapp .app-head [aria-label=Back]');
  await it.page.until("document.querySelector('.main-button').hidden");
  await it.page.click('.secondary-button');
  await it.page.until("document.querySelector('#miniapp .dialog')?.innerText.includes('Отменить вход?')");
  await it.page.click('#miniapp .dialog button.danger');
  await it.page.until(appSays('🚫 Вход отменён'));
  await it.page.until("document.querySelector('.main-button').textContent === '🔄 Попробовать снова'");
});

test('a Mini App in which a password is being typed closes only after a yes', async (t) => {
  const it = await opened(t);
  await invited(it);
  it.sandbox.set(SESSION, { status: 'password_required', token: null });
  await it.page.until(appSays('Двухэтапная проверка'));
  await it.page.evaluate(`(() => {
    const input = document.querySelector('iframe').contentDocument.getElementById('password');
    input.value = 'x'; input.dispatchEvent(new Event('input'));
  })()`);
  await it.page.until("(document.querySelector('#miniapp .app-head button').click(), document.querySelector('#miniapp .dialog'))");
  assert.ok(await it.page.evaluate("Boolean(document.querySelector('iframe'))"));
  await it.page.click('#miniapp .dialog button:last-child');
  await it.page.until("!document.querySelector('iframe')");
});

test('the theme reaches the Mini App while it is open', async (t) => {
  const it = await opened(t);
  await invited(it);
  const scheme = "document.querySelector('iframe').contentDocument.documentElement.dataset.scheme";
  await it.page.until(`${scheme} === 'light'`);
  await it.page.click('#theme');
  await it.page.until(`${scheme} === 'dark'`);
});

test('what somebody writes is text, never markup', async (t) => {
  const { sandbox, page } = await opened(t);
  sandbox.say('<img src=x onerror=alert(1)> **x** bold', { entities: [{ type: 'bold', offset: 35, length: 4 }, { type: 'text_link', offset: 0, length: 4, url: 'javascript:alert(1)' }] });
  sandbox.changed();
  await page.until("document.querySelector('.message .text')");
  assert.equal(await page.evaluate("document.querySelectorAll('.message .text img, .message .text a').length"), 0);
  assert.equal(await page.evaluate("document.querySelector('.message .text strong').textContent"), 'bold');
});

test('the log is there from its beginning, once a line, also after the connection was lost', async (t) => {
  const { sandbox, page } = await opened(t);
  sandbox.log('the first line');
  await page.until("document.querySelector('.lines').textContent.includes('the first line')");
  for (const stream of sandbox.streams) stream.destroy();
  sandbox.log('the second line');
  await page.until("document.querySelector('.lines').textContent.includes('the second line')");
  assert.equal(await page.evaluate("document.querySelectorAll('.lines span').length"), 2);
});

test('switches, kill and restart reach the server', async (t) => {
  const { sandbox, page } = await opened(t);
  await page.click('#switches-open');
  await page.click('#switches .switch[role=switch]');
  await page.until("document.querySelector('#switches .switch[role=switch]').getAttribute('aria-checked') === 'true'");
  assert.deepEqual(posts(sandbox, 'options')[0].body, { person: 139883458, password: true });
  await page.click('#switches header button');
  await page.click('#kill');
  await page.until("document.querySelector('#service').textContent.includes('killed')");
  await page.click('#restart');
  await page.until("document.querySelector('#service').textContent.includes('running')");
});

test('the sandbox is filled after a second press', async (t) => {
  const { sandbox, page } = await opened(t);
  await page.click('#fill');
  await page.until("document.body.textContent.includes('Press again')");
  assert.equal(posts(sandbox, 'fill').length, 0);
  await page.click('#fill');
  await page.until("document.body.textContent.includes('10,000 people are here')");
  assert.equal(posts(sandbox, 'fill').length, 1);
});

test('on a narrow window the camera still sees the Mini App behind it', async (t) => {
  const it = await opened(t, { width: 390, height: 780 });
  assert.ok(await it.page.evaluate('document.documentElement.scrollWidth <= 390'));
  await invited(it);
  assert.equal(await it.page.evaluate('document.body.dataset.pane'), 'miniapp');
  await it.page.click('.tabs [data-pane=phone]');
  await scanned(it);
  await it.page.click('#confirm');
  await it.page.click('.tabs [data-pane=miniapp]');
  await it.page.until(appSays('✅ Авторизация успешна!'));
});

test('SANDBOX is written on the page, and no other origin is asked but for the SDK of the Mini App', async (t) => {
  const it = await opened(t);
  assert.match(await it.page.evaluate('document.body.innerText'), /SANDBOX/);
  await invited(it);
  const others = await it.page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => !name.startsWith(location.origin) && !name.startsWith('blob:'))");
  assert.deepEqual(others, []);
});
