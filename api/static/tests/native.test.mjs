//! The client's own controls: buttons, popup, arrow, full screen. And what stands in the page where a client has none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFileSync } from 'node:fs';
import { Client, THEMES, contact, last, posted, press, pressNative, shown, textOf } from './client.mjs';
import { TOKENS, iso } from './mock.mjs';

const SDK = new URL('../../../target/telegram-sdk/telegram-web-app.js', import.meta.url);
const client = new Client();
const main = last('web_app_setup_main_button');
const secondary = last('web_app_setup_secondary_button');
const back = last('web_app_setup_back_button');
const FOCUSED = 'document.activeElement !== document.body';
const CODE = { status: 'code_required', code_via: 'app', code_length: 5, token: null };

test('each phase has one main button, which stands for the one in the page', async (t) => {
  const { page, set } = await client.open(t, { platform: 'ios', theme: 'dark', onePhone: 'on' });
  await page.until(`${main}?.is_visible`);
  assert.deepEqual(await page.evaluate(main), {
    is_visible: true, is_active: true, is_progress_visible: false, text: 'Поделиться номером', color: THEMES.dark.button_color, text_color: '#ffffff',
  });
  assert.ok(!await page.evaluate(shown('share-phone')), 'the action stands once');
  set(CODE);
  await page.until(`${main}.text === 'Подтвердить' && !${shown('send-code')}`);
  set({ status: 'password_required' });
  await page.until(`${main}.text === 'Войти' && !${shown('send-password')}`);
  assert.equal((await page.evaluate(secondary)).text, 'Отменить вход');
  set({ status: 'failed' });
  await page.until(`${main}.text === '🔄 Попробовать снова' && ${secondary}.text === 'Закрыть'`);
  assert.ok(!await page.evaluate(`${shown('retry')} || ${shown('close')}`));
  await pressNative(page, 'secondary');
  await page.until(posted('web_app_close'));
});

test('the main button shows that its request runs, and cannot be pressed twice', async (t) => {
  const { page, set } = await client.open(t, { platform: 'ios', login: CODE });
  await page.until(shown('code'));
  await page.type('#code', '12345');
  await page.until(`${main}.is_progress_visible && !${main}.is_active`);
  await page.evaluate("window.receive('main_button_pressed')");
  set({ error: '❌ Неверный код' });
  await page.until(`${textOf('code-error')} === '❌ Неверный код' && ${main}.is_active && !${main}.is_progress_visible`);
  assert.equal(client.requests('/qr-auth/code').length, 1);
});

test('the secondary button asks before it cancels', async (t) => {
  const { page } = await client.open(t, { before: "window.popupAnswer = 'no';" });
  client.service.onPost = () => ({ status: 'cancelled' });
  await page.until(`${secondary}?.is_visible`);
  await pressNative(page, 'secondary');
  await page.until(posted('web_app_open_popup'));
  assert.deepEqual(await page.evaluate(last('web_app_open_popup')), {
    title: 'Отменить вход?', message: 'Ничего не подключится. Начать снова можно в любой момент.',
    buttons: [{ id: 'yes', type: 'destructive', text: 'Отменить вход' }, { id: 'no', type: 'default', text: 'Продолжить вход' }],
  });
  // A request that comes after the one which a wrong page would have sent.
  await page.evaluate("new Promise((done) => setTimeout(done)).then(() => fetch('/qr-auth-status?session_id=other')).then((answer) => answer.text())");
  assert.equal(client.requests('/qr-auth/cancel').length, 0, 'the answer was no');
  await page.evaluate("window.popupAnswer = 'yes'");
  await pressNative(page, 'secondary');
  await page.until(`${textOf('end-title')} === '🚫 Вход отменён'`);
  assert.equal(client.requests('/qr-auth/cancel').length, 1);
});

test('a page without a client has its own buttons, and asks in a dialog', async (t) => {
  const { page } = await client.open(t, { bridge: false });
  client.service.onPost = () => ({ status: 'cancelled' });
  await page.until(shown('cancel'));
  await page.click('#cancel');
  await page.until("document.getElementById('ask').open");
  assert.equal(await page.evaluate('document.activeElement.id'), 'ask-no', 'the harmless answer is the first');
  await page.click('#ask-no');
  await page.until("!document.getElementById('ask').open && document.activeElement.id === 'cancel'");
  await page.click('#cancel');
  await page.until("document.getElementById('ask').open");
  await page.send('Input.dispatchKeyEvent', { type: 'keyDown', key: 'Escape', windowsVirtualKeyCode: 27 });
  await page.until("!document.getElementById('ask').open");
  await page.click('#cancel');
  await page.until(shown('ask-yes'));
  await page.click('#ask-yes');
  await page.until(`${textOf('end-title')} === '🚫 Вход отменён' && ${shown('retry')} && ${shown('close')}`);
  assert.equal(client.requests('/qr-auth/cancel').length, 1);
});

test('a client of 2022 gets the controls that it has, and no others', async (t) => {
  const { page, set } = await client.open(t, { platform: 'ios', version: '6.1', onePhone: 'typed', theme: 'light' });
  await page.until(`${main}?.text === 'Получить код'`);
  assert.match(await page.evaluate('document.body.innerText'), /Отменить вход/);
  await page.click('#to-scan');
  await page.until(`${shown('qr')} && ${back}.is_visible`);
  assert.ok(!await page.evaluate(shown('enlarge')));
  await page.click('#cancel');
  await page.until("document.getElementById('ask').open");
  set({ status: 'expired' });
  await page.until(`${textOf('end-title')} === '⏰ Время входа истекло'`);
  const sent = await page.evaluate('window.posted.map(([name]) => name)');
  for (const newer of ['web_app_setup_secondary_button', 'web_app_open_popup', 'web_app_setup_swipe_behavior', 'web_app_set_bottom_bar_color', 'web_app_hide_keyboard', 'web_app_request_fullscreen']) {
    assert.ok(!sent.includes(newer), newer);
  }
  assert.ok(!await page.evaluate("document.getElementById('ask').open"), 'nothing is left to cancel');
  assert.equal(await page.evaluate('document.activeElement.id'), 'end-title');
});

test('the arrow leads back to the first step, and the focus to where it came from', async (t) => {
  const { page } = await client.open(t, { platform: 'android', height: 500 });
  await page.until(shown('to-scan'));
  await page.evaluate('scrollTo(0, 400)');
  assert.ok(!(await page.evaluate(back)).is_visible);
  await page.click('#to-scan');
  await page.until(`${shown('qr')} && ${back}.is_visible && document.activeElement.id === 'scan-title'`);
  assert.equal(await page.evaluate('scrollY'), 0, 'a step begins at its top');
  assert.ok(!await page.evaluate(shown('back')), 'the arrow stands once');
  await pressNative(page, 'back');
  await page.until(`${shown('number-title')} && !${back}.is_visible && document.activeElement.id === 'to-scan'`);
});

test('on a desktop the way by code is one step further, and Escape leads back', async (t) => {
  const { page } = await client.open(t, { platform: 'tdesktop' });
  await page.until(shown('qr'));
  assert.ok(!(await page.evaluate(main)).is_visible, 'scanning is done by the phone');
  await page.click('#one-phone-toggle');
  await page.until(`${main}.text === 'Поделиться номером' && !${shown('qr')}`);
  await page.send('Input.dispatchKeyEvent', { type: 'keyDown', key: 'Escape', windowsVirtualKeyCode: 27 });
  await page.until(`${shown('qr')} && document.activeElement.id === 'one-phone-toggle'`);
});

test('the QR code fills the screen, and makes room again', async (t) => {
  const { page, set } = await client.open(t, { platform: 'tdesktop', height: 900, width: 768 });
  await page.until(shown('qr'));
  const width = () => page.evaluate("document.getElementById('qr').getBoundingClientRect().width");
  const small = await width();
  await page.click('#enlarge');
  await page.until(`${posted('web_app_request_fullscreen')} && document.getElementById('enlarge').getAttribute('aria-pressed') === 'true'`);
  const large = await width();
  assert.ok(large > small * 1.5, `${large} px`);
  assert.ok(!await page.evaluate(shown('access')));
  assert.equal(await page.evaluate('document.activeElement.id'), 'enlarge');
  await page.evaluate("window.receive('fullscreen_changed', { is_fullscreen: false })");
  await page.until(shown('access'));
  assert.equal(await width(), small);
  await page.click('#enlarge');
  await page.until(`!${shown('access')}`);
  set({ status: 'expired', token: null });
  await page.until(`${shown('end-title')} && ${posted('web_app_exit_fullscreen')}`);
});

test('bars have the colour of the page, and a swipe does not close it', async (t) => {
  const { page } = await client.open(t, { theme: 'dark' });
  const color = THEMES.dark.secondary_bg_color;
  await page.until(posted('web_app_set_bottom_bar_color', `data.color === '${color}'`));
  assert.ok(await page.evaluate(posted('web_app_set_background_color', `data.color === '${color}'`)));
  assert.ok(await page.evaluate(posted('web_app_set_header_color', "data.color_key === 'secondary_bg_color'")));
  assert.ok(await page.evaluate(posted('web_app_setup_swipe_behavior', 'data.allow_vertical_swipe === false')));
});

test('the keyboard goes when the login has ended', async (t) => {
  const { page, set } = await client.open(t, { platform: 'ios', login: CODE });
  await page.until("document.activeElement.id === 'code'");
  assert.ok(!await page.evaluate(posted('web_app_hide_keyboard')));
  set({ status: 'authorized', session: 'linked' });
  await page.until(posted('web_app_hide_keyboard'));
});

test('Telegram’s own SDK shows the same buttons, and a new theme leaves them', async (t) => {
  const { page, set } = await client.open(t, { sdk: readFileSync(SDK, 'utf8'), platform: 'ios', theme: 'light', before: `window.contact = ${JSON.stringify(contact())};` });
  await page.until(`${posted('web_app_ready')} && window.Telegram.WebApp.MainButton.isVisible && window.Telegram.WebApp.SecondaryButton.isVisible`);
  assert.equal(await page.evaluate('window.Telegram.WebApp.MainButton.text'), 'Поделиться номером');
  await page.evaluate(`window.receive('theme_changed', { theme_params: ${JSON.stringify(THEMES.dark)} })`);
  await page.until(`${secondary}.color === '${THEMES.dark.secondary_bg_color}'`);
  assert.ok(await page.evaluate(`${main}.is_visible && ${secondary}.is_visible`));
  await page.click('#to-scan');
  await page.until('window.Telegram.WebApp.BackButton.isVisible');
  await pressNative(page, 'back');
  await page.until(`${main}.is_visible && ${main}.text === 'Поделиться номером'`);
  await pressNative(page, 'main');
  assert.deepEqual((await client.first('/qr-auth/phone')).body.contact, contact());
  await page.until('window.Telegram.WebApp.MainButton.isProgressVisible');
  set(CODE);
  await page.until(`${main}.text === 'Подтвердить' && !window.Telegram.WebApp.MainButton.isProgressVisible`);
  client.service.onPost = () => ({ status: 'cancelled' });
  await pressNative(page, 'secondary');
  await page.until(`${textOf('end-title')} === '🚫 Вход отменён'`);
});

test('the focus never falls to the body when a part of the page is swapped', async (t) => {
  const { page, set } = await client.open(t, { bridge: false, platform: 'ios', onePhone: 'typed' });
  await page.until(shown('phone'));
  await page.click('#to-scan');
  await page.until(`${shown('qr')} && ${FOCUSED}`);
  await page.click('#back');
  await page.until(`${shown('phone')} && ${FOCUSED}`);
  await page.type('#phone', '+44 7700 900123');
  await page.click('#send-phone');
  await page.until("document.getElementById('phone-form').hasAttribute('aria-busy')");
  assert.ok(await page.evaluate(FOCUSED), 'while the number is sent');
  set(CODE);
  await page.until("document.activeElement.id === 'code'");
  await page.click('#change-number');
  await page.until("document.activeElement.id === 'number-title'");
  await page.click('#back');
  await page.until("document.activeElement.id === 'code'");
  await page.type('#code', '12345');
  await page.until("document.getElementById('code-form').hasAttribute('aria-busy')");
  assert.ok(await page.evaluate(FOCUSED), 'while the code is checked');
  set({ status: 'password_required' });
  await page.until("document.activeElement.id === 'password'");
  set({ status: 'expired' });
  await page.until("document.activeElement.id === 'end-title'");
  client.service.onPost = () => ({ status: 'waiting', token: TOKENS[1], expires: iso(300), qr_expires: iso(28) });
  await page.click('#retry');
  await page.until("document.activeElement.id === 'number-title'");
  await page.click('#consent-more');
  await page.until("document.activeElement.id === 'access-title'");
  set({ status: 'rejected', token: null });
  await page.until("document.activeElement.id === 'end-title'");
});

test('nothing moves for people who want no motion', async (t) => {
  const moving = "document.getAnimations().filter(({ playState }) => playState === 'running').length";
  for (const reduced of [true, false]) {
    const { page } = await client.open(t, { reduced, login: { token: null, qr_expires: null } });
    await page.until(shown('picture'));
    assert.equal(await page.evaluate(moving) > 0, !reduced);
  }
});
