//! What a person sees first on each platform, width and theme, and what the main button does there. Accessibility, by axe.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectAccessible } from './accessible.mjs';
import { Client, ILYA, THEMES, contact, last, posted, pressNative, shown, textOf } from './client.mjs';

const client = new Client();
const HANDHELD = ['ios', 'android'];
const PLATFORMS = [...HANDHELD, 'tdesktop', 'macos', 'weba', 'webk'];
/** Widths with the heights of such windows, less the client's own bars. */
const WINDOWS = [[320, 500], [390, 700], [768, 900]];
const CODE = { status: 'code_required', code_via: 'app', code_length: 5, token: null };
const main = last('web_app_setup_main_button');

/** An expression: the element is whole in the window, without scrolling. */
const aboveTheFold = (id) => `(() => { const { top, bottom } = document.getElementById('${id}').getBoundingClientRect();
  return ${shown(id)} && scrollY === 0 && top >= 0 && bottom <= innerHeight; })()`;
/** An expression: the first element stands above the second. */
const above = (first, second) => `document.getElementById('${first}').getBoundingClientRect().bottom <= document.getElementById('${second}').getBoundingClientRect().top`;

for (const platform of PLATFORMS) {
  const handheld = HANDHELD.includes(platform);
  for (const [width, height] of WINDOWS) {
    for (const theme of ['light', 'dark']) {
      test(`${platform}, ${width} px, ${theme}: what works here is above the fold, and the rest within reach`, async (t) => {
        const { page } = await client.open(t, { platform, width, height, theme, dark: theme === 'dark' });
        await page.until(`${shown(handheld ? 'number-title' : 'qr')} && document.getElementById('qr').naturalWidth > 0`);
        for (const id of ['consent', 'status', ...(handheld ? ['number-title', 'number-lead'] : ['qr'])]) assert.ok(await page.evaluate(aboveTheFold(id)), `${id} is below the fold`);
        assert.ok(await page.evaluate(above('consent', handheld ? 'number' : 'qr')), 'consent comes before the act');
        assert.ok(await page.evaluate(`document.documentElement.scrollWidth <= ${width}`), 'wider than the window');
        const background = await page.evaluate('getComputedStyle(document.body).backgroundColor');
        assert.equal(background, rgb(THEMES[theme].secondary_bg_color));

        if (handheld) {
          assert.ok(!await page.evaluate(shown('qr')), 'nobody can scan the screen in their hand');
          assert.equal((await page.evaluate(main)).text, 'Поделиться номером');
          await page.click('#other-toggle');
          await page.until(`${shown('open')} && ${shown('copy')}`);
          await page.click('#to-scan');
          await page.until(`${shown('qr')} && ${shown('devices')}`);
          await pressNative(page, 'back');
          await pressNative(page, 'main');
        } else {
          assert.ok(!(await page.evaluate(main)).is_visible, 'what is done now is done on the phone');
          assert.ok(await page.evaluate(`${shown('open')} && ${shown('copy')} && !${shown('devices')}`));
          await page.click('#one-phone-toggle');
          await page.until(`${main}.is_visible`);
          await pressNative(page, 'main');
        }
        await page.until(posted('web_app_request_phone'));
      });
    }
  }
}

test('on a phone two taps lead from the page to the field of the code, and nothing is scrolled', async (t) => {
  const { page, set } = await client.open(t, { platform: 'ios', width: 390, height: 700, before: `window.contact = ${JSON.stringify(contact())};` });
  client.service.onPost = () => { setImmediate(() => set(CODE)); return {}; };
  await page.until(`${main}?.is_active`);
  // 1. The main button. 2. "Share" in the client's question, which the bridge answers.
  await pressNative(page, 'main');
  await page.until("document.activeElement.id === 'code'");
  assert.ok(await page.evaluate(aboveTheFold('code')));
  assert.equal(await page.evaluate("window.posted.filter(([name]) => name === 'web_app_request_phone').length"), 1);
});

test('without native buttons two taps are enough, too', async (t) => {
  const { page } = await client.open(t, { platform: 'ios', width: 390, height: 700, bridge: false, onePhone: 'typed' });
  await page.until(aboveTheFold('send-phone'));
  assert.ok(await page.evaluate(aboveTheFold('phone')));
});

for (const [status, fields] of [
  ['waiting', {}], ['code_required', { code_via: 'sms', code_length: 6 }], ['password_required', {}],
  ['authorized', {}], ['rejected', {}], ['failed', { error: 'Очень'.repeat(60) }],
]) {
  test(`${status} fits 320 pixels`, async (t) => {
    const { page } = await client.open(t, { width: 320, login: { status, ...fields }, device: 'a-rather-long-name-of-a-device-that-somebody-chose' });
    await page.until("document.body.dataset.phase !== 'loading'");
    assert.ok(await page.evaluate('document.documentElement.scrollWidth <= 320'));
  });
}

for (const [session, title, words] of [
  ['ended', '🔌 Аккаунт отключён', '/login'], ['handed_over', '📤 Сеанс передан другому сервису', '/login'], ['replaced', '🔁 Аккаунт подключён другим входом', '/logout'],
]) {
  test(`an old page of a login whose session is ${session} says how the account stands today`, async (t) => {
    const { page } = await client.open(t, { platform: 'ios', login: { status: 'authorized', session, token: null } });
    await page.until(`${textOf('end-title')} === ${JSON.stringify(title)}`);
    const text = await page.evaluate('document.body.innerText');
    assert.ok(text.includes(words) && !text.includes('Авторизация успешна'), text);
    assert.equal((await page.evaluate(main)).text, 'Закрыть');
    assert.ok(!await page.evaluate(posted('web_app_trigger_haptic_feedback')));
    assert.ok(!await page.evaluate(posted('web_app_close')));
  });
}

test('an English page shows an English number', async (t) => {
  const { page } = await client.open(t, { platform: 'ios', onePhone: 'typed', user: { ...ILYA, language_code: 'en' } });
  await page.until(shown('phone'));
  assert.match(await page.evaluate("document.getElementById('phone').placeholder"), / \+44 /);
  await page.type('#phone', '12');
  await page.until(`${main}.text === 'Get the code'`);
  await pressNative(page, 'main');
  await page.until(`${textOf('phone-error')}.includes('+44')`);
  assert.doesNotMatch(await page.evaluate('document.body.innerText'), /\+7/);
});

for (const theme of [null, 'light', 'dark']) {
  for (const platform of ['ios', 'weba']) {
    test(`axe finds nothing in any state (${platform}, ${theme ?? 'the page’s own'} colours)`, async (t) => {
      const { page, set } = await client.open(t, { platform, theme, dark: theme === 'dark', onePhone: 'typed', height: 1400 });
      const others = platform === 'ios' ? 'to-scan' : 'one-phone-toggle';
      await page.until(shown(others));
      if (platform === 'ios') await page.click('#other-toggle');
      await page.until(shown('open'));
      await expectAccessible(page, theme, 'waiting');
      await page.click(`#${others}`);
      await page.until(shown(platform === 'ios' ? 'qr' : 'phone'));
      await expectAccessible(page, theme, 'the other step');
      set(CODE);
      await page.until(shown('code'));
      await expectAccessible(page, theme, 'code');
      set({ error: '❌ Неверный код' });
      set({ status: 'password_required' });
      await page.until(shown('password'));
      await expectAccessible(page, theme, 'password');
      set({ status: 'rejected', error: '🚨 Вход подтвердил другой аккаунт.' });
      await page.until(shown('end-title'));
      await expectAccessible(page, theme, 'the end');
    });
  }
}

test('axe finds nothing where the buttons are in the page', async (t) => {
  const { page } = await client.open(t, { bridge: false, platform: 'ios', onePhone: 'typed', height: 1400 });
  await page.until(shown('cancel'));
  await expectAccessible(page, null, 'waiting');
  await page.click('#cancel');
  await page.until("document.getElementById('ask').open");
  await expectAccessible(page, null, 'the question');
});

function rgb(color) {
  return `rgb(${[1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)).join(', ')})`;
}
