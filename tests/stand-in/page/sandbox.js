//! START HERE: the sandbox page. The server sends the whole state after every change, and each part draws itself from it:
//! the chat with the bot, the Mini App beside it, the phone that scans, the journal of what happened.

import { Chat } from './chat.js';
import { Journal } from './journal.js';
import { MiniApp } from './miniapp.js';
import { Phone } from './phone.js';
import { Switches } from './switches.js';
import { h, icon, toast } from './dom.js';
import { live, post } from './server.js';

const part = (id) => document.getElementById(id);
const root = document.documentElement;
const theme = () => root.dataset.theme;

const miniapp = new MiniApp(part('miniapp'), { theme, shown: () => show('miniapp') });
const chat = new Chat(part('chat'), (url, person) => miniapp.open(url, person));
const phone = new Phone(part('phone'), () => miniapp.picture());
const journal = new Journal(part('journal'));
const switches = new Switches(part('switches'), part('switches-open'));

live({
  onState(state) {
    for (const one of [chat, phone, switches]) one.render(state);
    service(state.service);
    document.body.classList.toggle('airplane', state.airplane);
    journal.touched();
  },
  onLog: (line) => journal.line(line),
  onLink(up) {
    document.body.classList.toggle('cut-off', !up);
    if (up) journal.readLog();
    else service({ state: 'unknown', note: 'the sandbox does not answer' });
  },
});

function service({ state, pid, starts, note }) {
  const words = { starting: 'starting', running: 'running', killed: 'killed', exited: 'exited', unknown: 'no connection' };
  const dot = part('service');
  dot.dataset.state = state;
  dot.title = note ?? (starts ? `started ${starts} time${starts === 1 ? '' : 's'}` : '');
  dot.replaceChildren(h('i', {}), `service ${words[state] ?? state}`, pid ? h('small', {}, `pid ${pid}`) : '');
  part('kill').disabled = state !== 'running' && state !== 'starting';
}

function show(pane) {
  document.body.dataset.pane = pane;
  for (const tab of document.querySelectorAll('.tabs button')) tab.setAttribute('aria-pressed', String(tab.dataset.pane === pane));
}

function paintTheme(name) {
  root.dataset.theme = name;
  part('theme').replaceChildren(icon(name === 'dark' ? 'sun' : 'moon'));
}

async function order(button, path, done) {
  button.disabled = true;
  try {
    await post(path);
    toast(done);
  } catch (error) {
    toast(error.message, 'bad');
  } finally {
    button.disabled = false;
  }
}

for (const tab of document.querySelectorAll('.tabs button')) tab.addEventListener('click', () => show(tab.dataset.pane));
part('kill').addEventListener('click', (event) => order(event.currentTarget, 'kill', 'The service was killed'));
part('restart').addEventListener('click', (event) => order(event.currentTarget, 'restart', 'The service was started'));
let sure = 0;
part('fill').addEventListener('click', (event) => {
  if (Date.now() > sure) {
    sure = Date.now() + 10_000;
    toast('What is here now is replaced by 10,000 made-up people and a month of history. Press again.');
    return;
  }
  sure = 0;
  toast('10,000 people move in. This takes a minute.');
  order(event.currentTarget, 'fill', '10,000 people are here. Write /admin as Ilya.');
});
part('theme').addEventListener('click', () => {
  paintTheme(theme() === 'dark' ? 'light' : 'dark');
  miniapp.themeChanged();
});
paintTheme(matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
show('chat');
