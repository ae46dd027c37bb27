//! A message's text with its Bot API entities, as DOM nodes. Offsets count UTF-16 units, as JavaScript's strings do.

import { h } from './dom.js';

const TAGS = { bold: 'strong', italic: 'em', underline: 'u', strikethrough: 's', code: 'code', pre: 'pre', blockquote: 'blockquote' };

/** Nodes for the text; `onCommand(text)` is called when a `/command` in it is pressed. */
export function formatted(text, entities = [], onCommand = () => {}) {
  const sorted = [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length);
  return range(text, 0, text.length, sorted, onCommand);
}

function range(text, from, to, entities, onCommand) {
  const nodes = [];
  let at = from;
  while (entities.length) {
    const [entity, ...rest] = entities;
    const start = Math.max(entity.offset, at);
    const end = Math.min(entity.offset + entity.length, to);
    entities = rest;
    if (end <= start) continue;
    if (start > at) nodes.push(text.slice(at, start));
    const inside = rest.filter((other) => other.offset < end);
    entities = rest.filter((other) => other.offset >= end);
    nodes.push(wrapped(entity, text.slice(start, end), range(text, start, end, inside, onCommand), onCommand));
    at = end;
  }
  if (at < to) nodes.push(text.slice(at, to));
  return nodes;
}

function wrapped(entity, raw, children, onCommand) {
  switch (entity.type) {
    case 'bot_command':
      return h('button', { type: 'button', class: 'command', onclick: () => onCommand(raw) }, children);
    case 'text_link':
      return link(entity.url, children);
    case 'url':
      return link(/^[a-z]+:\/\//i.test(raw) ? raw : `https://${raw}`, children);
    case 'spoiler':
      return h('span', { class: 'spoiler', onclick: (event) => event.currentTarget.classList.add('open') }, children);
    default:
      return TAGS[entity.type] ? h(TAGS[entity.type], {}, children) : h('span', {}, children);
  }
}

function link(url, children) {
  const safe = /^(https?|tg|mailto):/i.test(url);
  return safe ? h('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, children) : h('span', {}, children);
}
