//! The group `chat`: what the bot says, in the sandbox with the real service. Russian is Ilya's chat in the light theme, English Anna's
//! in the dark one. The states come one after the other: each goes on from what the one before has left.

import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const title = 'The chat';
export const about = 'What the bot says, in the sandbox. Russian is light, English is dark.';
export const columns = ['ru', 'en'];

const PEOPLE = { ru: 139883458, en: 271828182 };
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const other = (chat) => PEOPLE[chat.language === 'ru' ? 'en' : 'ru'];
const login = async (chat) => chat.say(`/login ${await chat.invite()}`);

export const states = [
  { name: 'start', caption: '/start', play: (chat) => chat.say('/start') },
  { name: 'help', caption: '/help', play: (chat) => chat.say('/help') },
  { name: 'help-chapter', caption: 'A chapter of the help', play: async (chat) => { await chat.say('/help'); await chat.press(1); } },
  { name: 'no-subscription', caption: '/subscription without one', play: (chat) => chat.say('/subscription') },
  { name: 'login', caption: '/login asks for the code', play: (chat) => chat.say('/login') },
  { name: 'unknown-code', caption: 'A code that nobody made', play: (chat) => chat.say('abcd efgh jklm') },
  { name: 'card', caption: 'The card of a login', play: login },
  { name: 'goes-on', caption: '/subscription meanwhile', play: (chat) => chat.say('/subscription') },
  { name: 'superseded', caption: 'A newer login', play: async (chat) => { await login(chat); await login(chat); } },
  { name: 'cancelled', caption: '/cancel', play: async (chat) => { await login(chat); await chat.say('/cancel'); } },
  { name: 'done', caption: 'Done', play: async (chat) => { await login(chat); await chat.confirm(); } },
  { name: 'subscription', caption: '/subscription', play: (chat) => chat.say('/subscription') },
  { name: 'history', caption: 'Its history', play: async (chat) => { await chat.say('/subscription'); await chat.press(0); } },
  { name: 'used', caption: 'A code that the person has used', play: login },
  { name: 'me', caption: '/me', play: (chat) => chat.say('/me') },
  { name: 'forget', caption: '/forget asks first', play: (chat) => chat.say('/forget') },
  { name: 'logout', caption: '/logout', play: (chat) => chat.say('/logout') },
  { name: 'unknown-command', caption: 'An unknown command', play: (chat) => chat.say('/hello') },
  { name: 'admin-invite', caption: 'For admins: an invite by buttons', play: (chat) => chat.say('/admin_invite') },
  { name: 'admin-invite-made', caption: 'An invite in one line', play: (chat) => chat.say('/admin_invite premium 30 5') },
  { name: 'admin-fault', caption: 'What is wrong is named', play: (chat) => chat.say(`/admin_grant ${other(chat)} gold`) },
  { name: 'admin-users', caption: '/admin_users', play: (chat) => chat.say('/admin_users') },
  { name: 'admin-user', caption: '/admin_user', play: (chat) => chat.say(`/admin_user ${other(chat)}`) },
  { name: 'admin-grant', caption: 'A grant, with an undo', play: (chat) => chat.say(`/admin_grant ${other(chat)} basic 30`) },
  { name: 'admin-stats', caption: '/admin_stats', play: (chat) => chat.say('/admin_stats') },
];

/** The sandbox, once for all pictures. It ends with this process. */
let started;

/** Where it is, once it runs. */
export function sandbox() {
  started ??= start();
  return started;
}

async function start() {
  const data = join(mkdtempSync(join(tmpdir(), 'qr-login-gallery-')), 'data');
  const child = spawn(`${ROOT}target/debug/sandbox`, ['--port', '0', '--data-dir', data], { stdio: ['ignore', 'pipe', 'ignore'] });
  process.on('exit', () => child.kill());
  const lines = createInterface({ input: child.stdout });
  const origin = await new Promise((resolve, reject) => {
    lines.on('line', (line) => { const found = /open (\S+)\//.exec(line); if (found) resolve(found[1]); });
    child.once('exit', () => reject(new Error('the sandbox ended')));
  });
  child.unref();
  child.stdout.unref();
  const admin = new Chat(origin, 'ru');
  await new Chat(origin, 'en').say('/start');
  await admin.say('/start');
  await admin.say(`/admin_role ${PEOPLE.en} admin`);
  return origin;
}

/** One person's chat. */
export class Chat {
  constructor(origin, language) {
    Object.assign(this, { origin, language, person: PEOPLE[language] });
  }

  async post(what, body) {
    const answer = await fetch(`${this.origin}/sandbox/${what}`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ person: this.person, ...body }),
    });
    if (!answer.ok) throw new Error(`${what}: ${await answer.text()}`);
    return answer.json();
  }

  async state() {
    return (await fetch(`${this.origin}/sandbox/state`)).json();
  }

  async messages() {
    return (await this.state()).persons.find(({ id }) => id === this.person).messages;
  }

  async invite() {
    return (await this.state()).invite;
  }

  /** Says it, and waits for the answer. */
  async say(text) {
    await this.post('chat', { text });
    await this.settled((messages) => messages.at(-1)?.from === 'bot');
  }

  /** Presses a button of the last message, by its number. */
  async press(number) {
    const message = (await this.messages()).at(-1);
    await this.post('press', { message_id: message.message_id, data: message.keyboard.flat()[number].callback_data });
    await this.settled(() => true);
  }

  /** The person's phone scans the QR code of the live login and confirms it. */
  async confirm() {
    const button = (message) => message.keyboard?.flat().find((it) => it.web_app);
    const card = (await this.messages()).findLast(button);
    const { init_data } = await this.post('init_data', { start_param: null });
    const session = new URL(button(card).web_app.url).searchParams.get('session_id');
    const { scan } = await this.page.evaluate(`(async () => {
      const ask = () => fetch('/qr-auth/qr.svg?session_id=${session}', { headers: { Authorization: ${JSON.stringify(`tma ${init_data}`)} } });
      let answer = await ask();
      while (!answer.ok) { await new Promise((done) => setTimeout(done, 200)); answer = await ask(); }
      const picture = new Image();
      picture.src = URL.createObjectURL(new Blob([await answer.text()], { type: 'image/svg+xml' }));
      await picture.decode();
      const canvas = Object.assign(document.createElement('canvas'), { width: 400, height: 400 });
      const context = canvas.getContext('2d');
      context.fillStyle = 'white';
      context.fillRect(0, 0, 400, 400);
      context.drawImage(picture, 20, 20, 360, 360);
      const body = await new Promise((done) => canvas.toBlob(done, 'image/png'));
      return (await fetch('/sandbox/scan?person=${this.person}', { method: 'POST', headers: { 'Content-Type': 'image/png' }, body })).json();
    })()`);
    await this.post('confirm', { scan });
    await this.settled((messages) => messages.some(({ text }) => text.startsWith('✅ Авторизация') || text.startsWith('✅ Authorization')));
  }

  /** Until this holds, and nothing has changed for a while. */
  async settled(holds) {
    let before = '';
    let quiet = 0;
    while (quiet < 8) {
      const messages = await this.messages();
      const now = JSON.stringify(messages);
      quiet = now === before && holds(messages) ? quiet + 1 : 0;
      before = now;
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}

export async function take(browser, state, language) {
  const chat = new Chat(await sandbox(), language);
  const page = await browser.page({ width: 420, height: 780, dark: language === 'en', reduced: true });
  chat.page = page;
  await page.open(`${chat.origin}/`);
  await page.until(`document.querySelectorAll('.people button').length >= 2`);
  await page.evaluate(`document.querySelectorAll('.people button')[${language === 'ru' ? 0 : 1}].click()`);
  await chat.post('clear', {});
  await state.play(chat);
  const last = (await chat.messages()).at(-1).text.split('\n')[0];
  await page.until(`document.getElementById('chat').innerText.includes(${JSON.stringify(last.trim())})`);
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
  const box = await page.evaluate(`(({ x, y, width, height }) => ({ x, y, width, height, scale: 1 }))(document.getElementById('chat').getBoundingClientRect())`);
  const { data } = await page.send('Page.captureScreenshot', { format: 'webp', quality: 45, clip: box });
  await page.close();
  return Buffer.from(data, 'base64');
}
