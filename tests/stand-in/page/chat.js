//! The chat with the bot, as one person sees it: messages, buttons, commands and the line to type in.

import { avatar, clockTime, h, icon, toast, ask } from './dom.js';
import { formatted } from './entities.js';
import { post } from './server.js';

export class Chat {
  #host; #open;
  #person = null;
  #state = null;
  #drawn = new Map();
  #atEnd = true;

  /** `open(url, person)` opens a Mini App. */
  constructor(host, open) {
    this.#host = host;
    this.#open = open;
    this.#build();
  }

  render(state) {
    this.#state = state;
    this.#person ??= state.persons[0].id;
    this.#renderHead();
    this.#renderMessages();
    this.#renderComposer();
  }

  #me() {
    return this.#state.persons.find((person) => person.id === this.#person);
  }

  #build() {
    this.head = h('header', { class: 'chat-head' });
    this.list = h('div', { class: 'messages', tabindex: '0', 'aria-label': 'Messages' });
    this.chips = h('div', { class: 'suggestions' });
    this.commands = h('div', { class: 'commands', hidden: true });
    this.menu = h('button', { type: 'button', class: 'menu', onclick: () => this.#menu() });
    this.input = h('input', { type: 'text', placeholder: 'Message', autocomplete: 'off', 'aria-label': 'Message to the bot', maxlength: '4096' });
    const form = h('form', { class: 'composer', onsubmit: (event) => { event.preventDefault(); this.#send(this.input.value); } },
      this.menu, this.input, h('button', { type: 'submit', class: 'send', 'aria-label': 'Send' }, icon('send')));
    this.#host.append(this.head, this.list, this.commands, this.chips, form);
    // A window that shrinks keeps the newest message in sight.
    new ResizeObserver(() => { if (this.#atEnd) this.#toEnd(); }).observe(this.list);
    this.list.addEventListener('scroll', () => { this.#atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 60; });
  }

  #renderHead() {
    const { bot, persons } = this.#state;
    const typing = this.#me().typing;
    this.head.replaceChildren(
      h('img', { class: 'avatar', src: '/sandbox/page/icon.svg', alt: '' }),
      h('div', { class: 'grow' }, h('strong', {}, bot.name), h('small', { class: typing ? 'typing' : '' }, typing ? 'typing…' : `@${bot.username}`)),
      h('div', { class: 'people', role: 'group', 'aria-label': 'Who writes' }, persons.map((person) => h('button', {
        type: 'button', 'aria-pressed': String(person.id === this.#person), title: `Write as ${person.first_name} (${person.language_code})`,
        onclick: () => this.#be(person.id),
      }, avatar(person.first_name, person.id, 'small'), person.first_name))),
      h('button', { type: 'button', class: 'plain', title: 'Clear this chat', 'aria-label': 'Clear this chat', onclick: () => this.#clear() }, icon('more')));
  }

  #be(id) {
    this.#person = id;
    this.#drawn.clear();
    this.list.replaceChildren();
    this.render(this.#state);
  }

  #renderMessages() {
    const { messages, first_name: name } = this.#me();
    const nodes = messages.map((message) => {
      const key = `${this.#person}/${message.message_id}`;
      const json = JSON.stringify(message);
      const drawn = this.#drawn.get(key);
      if (drawn?.json === json) return drawn.node;
      const node = this.#message(message);
      this.#drawn.set(key, { json, node });
      return node;
    });
    if (!nodes.length) nodes.push(h('p', { class: 'empty' }, `${name} has not written to the bot yet. Press Start, or redeem the invite.`));
    const changed = nodes.length !== this.list.children.length || nodes.some((node, at) => node !== this.list.children[at]);
    if (!changed) return;
    this.list.replaceChildren(...nodes);
    if (this.#atEnd || messages.at(-1)?.from === 'person') this.#toEnd();
  }

  #toEnd() {
    this.#atEnd = true;
    this.list.scrollTop = this.list.scrollHeight;
  }

  #message(message) {
    const body = message.contact
      ? h('div', { class: 'contact' }, avatar(message.contact.first_name ?? '?', 0), h('span', {}, h('strong', {}, message.contact.first_name ?? ''), h('br'), `+${(message.contact.phone_number ?? '').replace('+', '')}`))
      : h('div', { class: 'text' }, formatted(message.text ?? '', message.entities, (command) => this.#send(command)));
    const stamp = h('time', {}, message.edited ? 'edited ' : '', clockTime(message.edited ?? message.date));
    return h('article', { class: `message ${message.from}` },
      h('div', { class: 'bubble' }, body, stamp),
      message.keyboard ? h('div', { class: 'keyboard' }, message.keyboard.map((row) => h('div', {}, row.map((button) => this.#button(message, button))))) : null);
  }

  #button(message, button) {
    const kind = button.web_app ? 'web-app' : button.url ? 'url' : button.copy_text ? 'copy' : '';
    return h('button', { type: 'button', class: kind, onclick: (event) => this.#press(message, button, event.currentTarget) }, button.text);
  }

  async #press(message, button, node) {
    if (button.web_app) return this.#open(button.web_app.url, this.#me());
    if (button.copy_text) {
      await navigator.clipboard.writeText(button.copy_text.text).catch(() => {});
      return toast(`Copied: ${button.copy_text.text}`);
    }
    if (button.url) return this.#follow(button.url);
    node.disabled = true;
    try {
      const { answered, answer, alert } = await post('press', { person: this.#person, message_id: message.message_id, data: button.callback_data });
      if (!answered) toast('The bot did not answer the button within 5 s.', 'bad');
      else if (answer && alert) await ask(this.#host, { title: this.#state.bot.name, text: answer, buttons: [{ label: 'OK', value: true }] });
      else if (answer) toast(answer);
    } catch (error) {
      toast(error.message, 'bad');
    } finally {
      node.disabled = false;
    }
    return undefined;
  }

  /** A link to the bot itself starts it, as Telegram does; any other opens beside. */
  #follow(url) {
    const start = new RegExp(`^https://t\\.me/${this.#state.bot.username}\\?start=([\\w-]+)$`, 'i').exec(url);
    if (start) this.#send(`/start ${start[1]}`);
    else window.open(url, '_blank', 'noopener');
  }

  #renderComposer() {
    const menu = this.#state.bot.menu_button;
    const mine = menu[String(this.#person)] ?? menu[''] ?? { type: 'commands' };
    this.menu.replaceChildren(icon(mine.type === 'web_app' ? 'app' : 'menu'), mine.type === 'web_app' ? mine.text : 'Menu');
    const ready = this.#me().messages.length === 0 ? ['/start'] : [];
    // The first person is an admin: their app opens beside the chat.
    const admin = this.#me() === this.#state.persons[0] ? ['/admin'] : [];
    const words = [...ready, `/login ${this.#state.invite}`, '/subscription', '/cancel', ...admin];
    this.chips.replaceChildren(...words.map((word) => h('button', { type: 'button', onclick: () => this.#send(word) }, word)));
  }

  #menu() {
    const { menu_button: buttons, commands } = this.#state.bot;
    const mine = buttons[String(this.#person)] ?? buttons[''] ?? { type: 'commands' };
    if (mine.type === 'web_app') return this.#open(mine.web_app.url, this.#me());
    const list = commands[this.#me().language_code] ?? commands[''] ?? [];
    this.commands.replaceChildren(...list.map(({ command, description }) => h('button', {
      type: 'button', onclick: () => { this.commands.hidden = true; this.#send(`/${command}`); },
    }, h('b', {}, `/${command}`), h('span', {}, description))));
    this.commands.hidden = !this.commands.hidden || !list.length;
    return undefined;
  }

  async #send(text) {
    const words = text.trim();
    if (!words) return;
    this.commands.hidden = true;
    try {
      await post('chat', { person: this.#person, text: words });
      if (this.input.value.trim() === words) this.input.value = '';
      this.#toEnd();
    } catch (error) {
      toast(error.message, 'bad');
    }
  }

  async #clear() {
    const sure = await ask(this.#host, { title: 'Clear this chat?', text: 'Only on this side, as a person can.', buttons: [{ label: 'Cancel', value: false }, { label: 'Clear', value: true, kind: 'danger' }] });
    if (sure) await post('clear', { person: this.#person }).catch((error) => toast(error.message, 'bad'));
  }
}
