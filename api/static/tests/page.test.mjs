//! The page in a real browser, under the real policy, against a service in memory: what a person sees, and which requests are sent.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFileSync } from 'node:fs';
import { Account, P } from './account.mjs';
import { Client, ILYA, contact, last, posted, press, shown, textOf } from './client.mjs';
import { TOKENS, initData, iso } from './mock.mjs';

/** Downloaded by scripts/telegram-sdk. It is Telegram's, so it is not in the repository. */
const SDK = new URL('../../../target/telegram-sdk/telegram-web-app.js', import.meta.url);

const client = new Client();
const opened = (t, options) => client.open(t, options);
const requests = (path) => client.requests(path);
const first = (path) => client.first(path);

test('a waiting login shows the code, the countdown, the ways to log in and the access', async (t) => {
  const { page } = await opened(t);
  await page.until(`${shown('qr')} && document.getElementById('qr').naturalWidth > 0`);
  assert.equal(await page.evaluate(textOf('status')), '⏳ Ожидание авторизации...');
  assert.match(await page.evaluate(textOf('countdown')), /^(5:00|4:5\d)$/);
  assert.equal(await page.evaluate("document.getElementById('token').value"), TOKENS[0]);
  assert.ok(await page.evaluate("document.getElementById('token').readOnly"));
  const words = await page.evaluate('document.body.innerText');
  for (const one of [
    '📱 Открыть в Telegram', '📋 Скопировать токен', 'Войти по коду', 'Сервис сможет читать ваши чаты и действовать от вашего имени · подробнее',
    'Ответьте «Да, это я»', 'новое устройство «qr-login»', '/logout', 'recover@telegram.org',
  ]) assert.ok(words.includes(one), one);
  assert.equal((await page.evaluate(last('web_app_setup_secondary_button'))).text, 'Отменить вход');
  assert.equal(await page.evaluate('document.documentElement.lang'), 'ru');
  const [{ headers }] = requests('/qr-auth/qr.svg');
  assert.equal(headers.authorization, `tma ${initData(ILYA)}`);
  assert.match(await page.evaluate("document.getElementById('qr').src"), /^blob:/);
});

test('a person with another language reads English', async (t) => {
  const { page } = await opened(t, { user: { ...ILYA, language_code: 'de' } });
  await page.until(`${textOf('status')} === '⏳ Waiting for authorization...'`);
  assert.equal(await page.evaluate('document.documentElement.lang'), 'en');
});

test('a new token replaces the picture without a gap', async (t) => {
  const { page, set } = await opened(t);
  await page.until(shown('qr'));
  await page.evaluate(`window.gone = 0; window.first = document.getElementById('qr').src;
    new MutationObserver(() => { const qr = document.getElementById('qr'); if (qr.hidden || !qr.src) window.gone += 1; })
      .observe(document.getElementById('qr'), { attributes: true });`);
  set({ token: TOKENS[1], deep_link: `tg://login?token=${TOKENS[1]}`, qr_expires: iso(28) });
  await page.until("document.getElementById('qr').src !== window.first");
  assert.equal(await page.evaluate('window.gone'), 0);
  assert.equal(await page.evaluate("document.getElementById('token').value"), TOKENS[1]);
  assert.equal(requests('/qr-auth/qr.svg').length, 2);
});

test('the countdown is right on a phone whose clock is an hour slow', async (t) => {
  const { page } = await opened(t, { before: 'const real = Date.now; Date.now = () => real() - 3600e3;' });
  await page.until(`/^(5:00|4:5\\d)$/.test(${textOf('countdown')})`);
});

test('a code that Telegram has let expire says that it is being renewed', async (t) => {
  const { page } = await opened(t, { login: { qr_expires: iso(-3) } });
  await page.until("document.getElementById('picture').dataset.state === 'renewing'");
});

test('a code that does not come is reported as late until it is there', async (t) => {
  const { page, set } = await opened(t, {
    login: { token: null, qr_expires: null },
    before: 'let ahead = 0; const real = Date.now; Date.now = () => real() + ahead; window.pass = (ms) => { ahead += ms; };',
  });
  await page.until(`${textOf('picture-note')} === 'Готовим QR-код…'`);
  await page.evaluate('window.pass(11000)');
  await page.until(`${textOf('picture-note')} === 'Код задерживается: ждём ответа Telegram…'`);
  set({ token: TOKENS[0], qr_expires: iso(60) });
  await page.until("document.getElementById('picture').dataset.state === 'shown'");
  assert.equal(await page.evaluate(textOf('picture-note')), '');
});

test('success is shown, triggers haptics, and closes the page', async (t) => {
  const { page, set } = await opened(t);
  await page.until(shown('qr'));
  set({ status: 'authorized', token: null });
  await page.until(`${textOf('end-title')} === '✅ Авторизация успешна!'`);
  assert.ok(!await page.evaluate(posted('web_app_close')), 'the text can be read first');
  await page.until(posted('web_app_close'));
  assert.ok(await page.evaluate("window.posted.some(([name, data]) => name === 'web_app_trigger_haptic_feedback' && data.notification_type === 'success')"));
  assert.ok(!await page.evaluate(`document.body.innerText.includes(${JSON.stringify(TOKENS[0])})`));
});

for (const [status, title, words] of [
  ['expired', '⏰ Время входа истекло', 'Ничего не подключено'],
  ['cancelled', '🚫 Вход отменён', 'Начат новый вход'],
  ['rejected', '🚨 Вход подтвердил другой аккаунт', 'Никогда не сканируйте'],
  ['failed', '❌ Не удалось войти', 'FLOOD'],
]) {
  test(`a login that is ${status} says so and can be tried again`, async (t) => {
    const error = { expired: '⏰ Время входа истекло. Ничего не подключено.', cancelled: 'Начат новый вход, этот отменён', failed: 'FLOOD: подождите' }[status] ?? null;
    const { page, session } = await opened(t, { login: { status, error, token: null } });
    await page.until(`${textOf('end-title')} === ${JSON.stringify(title)}`);
    assert.ok((await page.evaluate('document.body.innerText')).includes(words));
    assert.ok(!(await page.evaluate(textOf('end-text'))).includes(title), 'the title is said once');
    client.service.onPost = () => ({ status: 'waiting', token: TOKENS[1], expires: iso(300), qr_expires: iso(28) });
    assert.equal((await page.evaluate(last('web_app_setup_main_button'))).text, '🔄 Попробовать снова');
    await press(page, 'retry');
    await page.until(`${shown('qr')} && document.getElementById('token').value === ${JSON.stringify(TOKENS[1])}`);
    assert.deepEqual((await first('/qr-auth/retry')).body, { session_id: session });
    client.service.set(session, { status: 'authorized' });
    await page.until(`${textOf('end-title')} === '✅ Авторизация успешна!'`);
  });
}

test('a person who may not try again reads why, and the end stays', async (t) => {
  const { page } = await opened(t, { login: { status: 'expired', token: null } });
  client.service.onPost = () => ({ problem: [403, '⛔ Доступ заблокирован'] });
  await press(page, 'retry');
  await page.until(`${textOf('end-more')} === '⛔ Доступ заблокирован'`);
  assert.equal(await page.evaluate(textOf('end-title')), '⏰ Время входа истекло');
});

test('an unknown session is not found', async (t) => {
  const { page } = await opened(t, { unknown: true });
  await page.until(`${textOf('end-title')} === '❌ Сессия не найдена'`);
});

test('another person reads that the login is not theirs', async (t) => {
  const { page } = await opened(t, { user: { id: 271828182, language_code: 'ru' } });
  await page.until(`${textOf('end-title')} === '⛔ Это чужой вход'`);
  assert.equal(requests('/qr-auth/qr.svg').length, 0);
});

test('with stale launch data the page says to open it again', async (t) => {
  const { page } = await opened(t, { before: '' });
  await page.until(shown('qr'));
  client.service.broken = 401;
  await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
  await page.until(`${textOf('end-title')} === '🔑 Откройте страницу заново'`);
});

test('stale launch data removes the message about a lost connection', async (t) => {
  const { page } = await opened(t);
  await page.until(shown('qr'));
  client.service.broken = 502;
  await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
  await page.until(shown('trouble'));
  client.service.broken = 401;
  await page.until(`${textOf('end-title')} === '🔑 Откройте страницу заново'`);
  assert.ok(!await page.evaluate(shown('trouble')), 'it does not try again');
});

test('a button that is refused for stale launch data ends the page', async (t) => {
  const { page, session, set } = await opened(t);
  await page.until(shown('qr'));
  client.service.onPost = () => ({ problem: [502, 'Не сейчас.'] });
  await press(page, 'cancel');
  await page.until(`${shown('problem')} && ${textOf('problem')} === 'Не сейчас.'`);
  client.service.onPost = () => ({ problem: [401, 'Страница открыта слишком давно.'] });
  await press(page, 'cancel');
  await page.until(`${textOf('end-title')} === '🔑 Откройте страницу заново'`);
  assert.ok(!await page.evaluate(shown('problem')));
  // A change that a request in flight would bring, and an answer that comes after it.
  set({ token: TOKENS[1] });
  await page.evaluate(`fetch('/qr-auth-status?session_id=${session}').then((answer) => answer.text())`);
  assert.equal(await page.evaluate('document.body.dataset.phase'), 'end', 'the status is not followed any more');
});

test('outside of Telegram there is nothing to scan', async (t) => {
  const { page } = await opened(t, { user: null });
  await page.until(`${textOf('end-title')} === '🔑 Откройте страницу из Telegram'`);
  assert.ok(requests('/qr-auth-status').every(({ headers }) => !headers.authorization));
});

test('coming back to the page polls at once, and never twice at a time', async (t) => {
  const { page } = await opened(t);
  await page.until(shown('qr'));
  const asked = requests('/qr-auth-status').length;
  await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
  await page.until('true');
  await page.evaluate("window.Telegram.WebView.receiveEvent('visibility_changed', { is_visible: true })");
  while (requests('/qr-auth-status').length < asked + 3) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await page.evaluate(textOf('status')), '⏳ Ожидание авторизации...');
});

test('where long polls are refused, the end is still seen', async (t) => {
  const { page, set } = await opened(t);
  client.service.noLongPoll = true;
  await page.until(shown('qr'));
  set({ status: 'expired' });
  await page.until(`${textOf('end-title')} === '⏰ Время входа истекло'`);
});

test('a service that is unreachable is reported until it is back', async (t) => {
  const { page } = await opened(t);
  await page.until(shown('qr'));
  client.service.broken = 502;
  await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
  await page.until(`${shown('trouble')} && ${textOf('trouble')}.startsWith('Нет связи')`);
  client.service.broken = null;
  await page.until(`!(${shown('trouble')})`);
});

for (const [platform, follows] of [['ios', true], ['android', true], ['tdesktop', false], ['macos', false], ['weba', false], ['webk', false]]) {
  test(`on ${platform} the link is ${follows ? 'followed, and what comes next is said' : 'never followed: scanning is explained'}`, async (t) => {
    const { page } = await opened(t, { platform });
    const links = [];
    client.browser.listen(({ method, params, sessionId }) => {
      if (sessionId === page.sessionId && method === 'Page.frameRequestedNavigation') links.push(params.url);
    });
    await page.until(shown(follows ? 'other-toggle' : 'open'));
    if (follows) await page.click('#other-toggle');
    await page.click('#open');
    await page.until(shown('link-help'));
    assert.match(await page.evaluate(textOf('link-help-title')), follows ? /просит отсканировать/ : /Отсканируйте код телефоном/);
    assert.deepEqual(links.filter((url) => !url.startsWith('http')), follows ? [`tg://login?token=${TOKENS[0]}`] : []);
  });
}

test('copying falls back to the selection where the clipboard is denied', async (t) => {
  const { page } = await opened(t, { before: `
    Object.defineProperty(navigator, 'clipboard', { value: { writeText: () => Promise.reject(new Error('denied')) } });
    document.addEventListener('copy', () => { window.copied = getSelection().toString() || document.activeElement.value; });` });
  await page.until(shown('qr'));
  await page.click('#copy');
  await page.until(`${textOf('copied')}.startsWith('✅')`);
  assert.equal(await page.evaluate('window.copied'), TOKENS[0]);
});

test('cancelling ends the login', async (t) => {
  const { page, session } = await opened(t);
  client.service.onPost = (what) => (what === 'cancel' ? { status: 'cancelled' } : {});
  await press(page, 'cancel');
  await page.until(`${textOf('end-title')} === '🚫 Вход отменён'`);
  assert.deepEqual((await first('/qr-auth/cancel')).body, { session_id: session });
});

test('the one-phone way: shared number, code, password', async (t) => {
  const { page, set, session } = await opened(t, { platform: 'ios', before: `window.contact = ${JSON.stringify(contact())};` });
  await page.until(shown('number-title'));
  assert.equal(await page.evaluate("document.getElementById('phone-form').hidden"), true, 'no number is typed');
  await press(page, 'share-phone');
  await page.until(`${textOf('status')} === '⏳ Отправляем код...'`);
  assert.deepEqual((await first('/qr-auth/phone')).body, { session_id: session, contact: contact() });
  assert.deepEqual(await page.evaluate(`(({ is_active, is_progress_visible }) => [is_active, is_progress_visible])(${last('web_app_setup_main_button')})`), [false, true]);
  set({ token: TOKENS[1] });
  await page.until(`document.getElementById('token').value === ${JSON.stringify(TOKENS[1])}`);
  assert.equal(await page.evaluate(textOf('phone-error')), '', 'a new QR code is no refusal');
  set({ status: 'code_required', code_via: 'app', code_length: 5, token: null });
  await page.until(`${shown('code')} && document.activeElement.id === 'code'`);
  assert.match(await page.evaluate(textOf('code-lead')), /в чат «Telegram»/);
  assert.equal(await page.evaluate(textOf('sent-to')), 'Отправлен на +7 ••• ••01');

  await page.send('Input.insertText', { text: '12 345' });
  await page.until("document.getElementById('code-form').hasAttribute('aria-busy')");
  assert.deepEqual((await first('/qr-auth/code')).body, { session_id: session, code: '12345' });
  set({ error: 'Неверный код. Осталась одна попытка.' });
  await page.until(`${textOf('code-error')} === 'Неверный код. Осталась одна попытка.'`);
  assert.equal(await page.evaluate("document.getElementById('code').value"), '');
  await press(page, 'send-code');
  assert.equal(await page.evaluate(textOf('code-error')), 'Неверный код. Осталась одна попытка.', 'pressed too late');

  await page.type('#code', '54321');
  set({ status: 'password_required' });
  await page.until(`${shown('password')} && ${textOf('status')} === '⏳ Ожидание пароля...'`);
  assert.equal(await page.evaluate("document.getElementById('code').value"), '', 'the code is forgotten');
});

test('after a mistyped number another one gets a code, also on a page that was opened again', async (t) => {
  const { page, set } = await opened(t, { onePhone: 'typed', platform: 'android', login: { status: 'code_required', code_via: 'sms', code_length: 5, token: null } });
  await page.until(`${shown('code')} && ${textOf('sent-to')} === 'Отправлен на ваш номер'`);
  assert.ok(!await page.evaluate(shown('resend')), 'this page does not know the number');
  await page.click('#change-number');
  await page.until(`${textOf('number-title')} === 'Другой номер' && ${shown('phone')}`);
  await page.type('#phone', '+7 999 000-00-02');
  await press(page, 'send-phone');
  await page.until(`${textOf('status')} === '⏳ Отправляем код...'`);
  assert.equal((await first('/qr-auth/phone')).body.phone, '+79990000002');
  set({ error: 'Telegram не знает такого номера.' });
  await page.until(`${textOf('phone-error')} === 'Telegram не знает такого номера.'`);

  await press(page, 'send-phone');
  await page.until("document.getElementById('phone-form').hasAttribute('aria-busy')");
  set({ error: null, code_via: 'app' });
  await page.until(`!${shown('phone')} && document.activeElement.id === 'code'`);
  assert.match(await page.evaluate(textOf('code-lead')), /в чат «Telegram»/);
  assert.equal(await page.evaluate(textOf('sent-to')), 'Отправлен на +7 ••• ••02');
  assert.match(await page.evaluate(textOf('resend')), /^Отправить ещё раз через/);
});

test('a code that another device requested again does not refuse the one typed here', async (t) => {
  const { page, set } = await opened(t, { login: { status: 'code_required', code_via: 'app', code_length: 5, token: null } });
  await page.until(shown('code'));
  await page.type('#code', '12345');
  await page.until(`${textOf('status')} === '⏳ Проверяем...'`);
  await first('/qr-auth/code');
  set({ code_via: 'sms' });
  await page.until(`${textOf('code-lead')} === 'Telegram отправил код по SMS.'`);
  assert.equal(await page.evaluate(textOf('code-error')), '', 'it is not refused');
  assert.equal(await page.evaluate(textOf('status')), '⏳ Проверяем...');
  set({ error: '❌ Код устарел. Запросите новый.' });
  await page.until(`${textOf('code-error')} === '❌ Код устарел. Запросите новый.'`);
  assert.equal(await page.evaluate(textOf('status')), '⏳ Ожидание кода...');
});

test('a number of somebody else is not sent', async (t) => {
  const { page } = await opened(t, { platform: 'ios', before: `window.contact = ${JSON.stringify(contact('79990000001', 5))};` });
  await press(page, 'share-phone');
  await page.until(`${textOf('phone-error')}.startsWith('Это номер другого аккаунта')`);
  assert.equal(requests('/qr-auth/phone').length, 0);
});

test('a typed number is checked, sent, and its refusal shown', async (t) => {
  const { page } = await opened(t, { onePhone: 'typed', platform: 'ios' });
  await page.until(shown('phone'));
  assert.equal(await page.evaluate("document.getElementById('phone').placeholder"), 'Например, +7 900 000-00-00');
  await page.type('#phone', '12');
  await press(page, 'send-phone');
  await page.until(`${textOf('phone-error')}.startsWith('Введите номер полностью')`);
  assert.equal(requests('/qr-auth/phone').length, 0);
  client.service.onPost = () => ({ problem: [429, 'Код на этот номер уже отправлен, подождите минуту.'] });
  await page.evaluate("document.getElementById('phone').value = ''");
  await page.type('#phone', '8 (999) 000-00-01');
  await press(page, 'send-phone');
  await page.until(`${textOf('phone-error')} === 'Код на этот номер уже отправлен, подождите минуту.'`);
  assert.equal((await first('/qr-auth/phone')).body.phone, '+79990000001');
  assert.ok(!await page.evaluate("document.getElementById('phone').readOnly"));
  page.complaints = page.complaints.filter((one) => !/429/.test(one));
});

test('ONE_PHONE_LOGIN=off hides that way, and a phone leads with the QR code', async (t) => {
  const { page } = await opened(t, { onePhone: 'off', platform: 'ios' });
  await page.until(shown('qr'));
  assert.doesNotMatch(await page.evaluate('document.body.innerText'), /Войти по коду/);
  assert.ok(!await page.evaluate(shown('back')));
});

test('the password is proved and never sent, and a wrong one is tried again with new parameters', async (t) => {
  const account = new Account('correct horse 🔐');
  const { page, set } = await opened(t, { login: { status: 'password_required', token: null } });
  client.service.password = account.parameters('обычная');
  const verdicts = [];
  client.service.onPost = (what, body) => {
    const right = account.verify(body);
    verdicts.push(right);
    client.service.password = account.parameters('обычная');
    setImmediate(() => set(right ? { status: 'authorized' } : { error: '❌ Неверный пароль' }));
    return {};
  };
  await page.until(`${textOf('password-hint')} === 'Подсказка: обычная'`);
  await page.type('#password', 'wrong horse');
  await page.until("window.posted.some(([name, data]) => name === 'web_app_setup_closing_behavior' && data.need_confirmation)");
  await press(page, 'send-password');
  await page.until(`${textOf('password-error')} === '❌ Неверный пароль'`);
  await page.evaluate("document.getElementById('password').value = ''");
  await page.type('#password', 'correct horse 🔐');
  await press(page, 'send-password');
  await page.until(`${textOf('end-title')} === '✅ Авторизация успешна!'`);
  assert.deepEqual(verdicts, [false, true]);
  const tries = requests('/qr-auth/password').filter(({ method }) => method === 'POST');
  assert.deepEqual(tries.map(({ body }) => body.srp_id), ['1', '2']);
  assert.doesNotMatch(JSON.stringify(client.service.requests), /horse/);
  assert.equal(await page.evaluate("document.getElementById('password').value"), '');
  assert.ok(await page.evaluate("window.posted.filter(([name]) => name === 'web_app_setup_closing_behavior').at(-1)[1].need_confirmation === false"));
});

test('parameters with another prime get no proof', async (t) => {
  const { page } = await opened(t, { login: { status: 'password_required', token: null } });
  client.service.password = { ...new Account('x').parameters(), p: (P - 2n).toString(16) };
  await page.until(`${shown('password')}`);
  await page.type('#password', 'secret');
  await press(page, 'send-password');
  await page.until(`${textOf('password-error')}.startsWith('Ответ на запрос пароля')`);
  assert.ok(requests('/qr-auth/password').every(({ method }) => method === 'GET'));
});

test('what the server says is text, never markup', async (t) => {
  const { page } = await opened(t, { login: { status: 'failed', error: '<img src=x onerror="window.hit=1"><b>x</b>', token: null } });
  await page.until(`${textOf('end-text')}.includes('<b>x</b>')`);
  assert.equal(await page.evaluate("document.querySelectorAll('#end-text *').length"), 0);
});

test('the SDK is used where it loads', async (t) => {
  const { page, set } = await opened(t, { sdk: `window.calls = []; window.Telegram = { WebView: { onEvent() {} }, WebApp:
    Object.fromEntries(['ready', 'expand', 'close', 'disableClosingConfirmation'].map((name) => [name, () => window.calls.push(name)])) };` });
  await page.until("window.calls?.includes('ready') && window.calls.includes('expand')");
  set({ status: 'authorized' });
  await page.until("window.calls.includes('close')");
  assert.ok(!await page.evaluate(posted('web_app_close')));
});

test('Telegram’s own SDK works under the policy: closing guard, visibility, theme and close', async (t) => {
  const { page, set } = await opened(t, { sdk: readFileSync(SDK, 'utf8'), login: { status: 'password_required', token: null } });
  await page.until("window.Telegram.WebApp?.initData && window.posted.some(([name]) => name === 'web_app_ready')");
  await page.until(shown('password'));
  await page.type('#password', 'x');
  await page.until("window.posted.some(([name, data]) => name === 'web_app_setup_closing_behavior' && data.need_confirmation)");
  await page.evaluate("Telegram.WebView.receiveEvent('theme_changed', { theme_params: { bg_color: '#101010' } })");
  await page.until("document.documentElement.dataset.scheme === 'dark'");
  const asked = requests('/qr-auth-status').length;
  await page.evaluate("Telegram.WebView.receiveEvent('visibility_changed', { is_visible: true })");
  await page.until('true');
  while (requests('/qr-auth-status').length === asked) await new Promise((resolve) => setImmediate(resolve));
  set({ status: 'authorized' });
  await page.until(posted('web_app_close'));
});

test('an SDK that hangs is not waited for longer than 3 s', async (t) => {
  const { page } = await opened(t, { sdk: 'hanging' });
  await page.until(shown('qr'));
  assert.ok(!await page.evaluate(posted('web_app_ready')));
  await page.until(posted('web_app_ready'), 10);
});
