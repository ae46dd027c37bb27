/**
 * The document `/api/openapi.json`, for people to read: each operation with what it takes and what it answers. Everything of the
 * document becomes text, never markup.
 */

const TAGS = [
  ['v1', 'For other services', 'Authorization: Bearer qrl_… (an API key)'],
  ['me', 'A person’s own page', 'Authorization: tma <initData>'],
];
const NOBODYS = { document: 'This document' };

function node(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** What a `$ref` means. */
export function resolved(whole, it) {
  if (!it?.$ref) return it ?? {};
  return it.$ref.slice(2).split('/').reduce((part, name) => part?.[name], whole) ?? {};
}

/** A schema in a few words: `string (uuid) | null`. */
export function typeOf(whole, schema) {
  const it = schema ?? {};
  if (it.$ref) return it.$ref.split('/').at(-1);
  const several = it.oneOf ?? it.anyOf;
  if (several) return several.map((one) => typeOf(whole, one)).join(' | ');
  if (it.allOf) return it.allOf.map((one) => typeOf(whole, one)).join(' and ');
  if (it.enum) return it.enum.map((value) => JSON.stringify(value)).join(' | ');
  const types = [it.type ?? 'any'].flat();
  return types.map((type) => {
    if (type === 'array') return `list of ${typeOf(whole, it.items)}`;
    return it.format && type !== 'null' ? `${type} (${it.format})` : type;
  }).join(' | ');
}

/** The fields of an object, with those that it takes over from others: [name, schema, isRequired]. */
export function fieldsOf(whole, schema) {
  const it = resolved(whole, schema);
  const own = Object.entries(it.properties ?? {}).map(([name, field]) => [name, field, (it.required ?? []).includes(name)]);
  const several = [...(it.allOf ?? []), ...(it.oneOf ?? []).filter((one) => one.type !== 'null')];
  return [...several.flatMap((one) => fieldsOf(whole, one)), ...own];
}

/** The bounds of a value in words. */
export function boundsOf(schema) {
  const it = schema ?? {};
  const bounds = [
    it.minimum !== undefined && `at least ${it.minimum}`, it.maximum !== undefined && `at most ${it.maximum}`,
    it.minLength !== undefined && `${it.minLength} characters or more`, it.maxLength !== undefined && `${it.maxLength} characters at most`,
    it.default !== undefined && `${JSON.stringify(it.default)} unless given`,
  ];
  return bounds.filter(Boolean).join(', ');
}

function table(heads, rows) {
  const cells = (tag, texts) => node('tr', {}, ...texts.map((text) => node(tag, {}, text)));
  return node('table', {}, node('thead', {}, cells('th', heads)), node('tbody', {}, ...rows.map((row) => cells('td', row))));
}

function fields(whole, schema) {
  const rows = fieldsOf(whole, schema).map(([name, field, isRequired]) => [
    node('code', { textContent: name }), typeOf(whole, field), isRequired ? 'yes' : '',
    [field.description, boundsOf(field)].filter(Boolean).join(' '),
  ]);
  return rows.length ? table(['field', 'type', 'always', ''], rows) : null;
}

function body(whole, content) {
  return Object.entries(content ?? {}).flatMap(([type, { schema }]) => {
    const isList = schema?.type === 'array';
    return [node('p', {}, node('code', { textContent: type }), ` ${typeOf(whole, schema)}`), fields(whole, isList ? schema.items : schema)];
  });
}

/** Who may, as the document says. */
export function whoMay(whole, operation) {
  const required = operation.security ?? whole.security ?? [];
  const kinds = required.flatMap((one) => Object.entries(one));
  if (!kinds.length) return 'Anybody may.';
  return kinds.map(([kind, scopes]) => {
    if (kind === 'key') return `Takes a key with the scope ${scopes.join(', ')}.`;
    if (kind === 'launch') return 'Takes launch data of the person.';
    return `Takes a session of an ${scopes.includes('auditor') ? 'admin or an auditor' : 'admin'}.`;
  }).join(' ');
}

function operationOf(whole, path, method, operation) {
  const parameters = (operation.parameters ?? []).map((one) => resolved(whole, one)).map((one) => [
    node('code', { textContent: one.name }), one.in, typeOf(whole, one.schema), one.required ? 'yes' : '',
    [one.description, boundsOf(one.schema)].filter(Boolean).join(' '),
  ]);
  const answers = Object.entries(operation.responses ?? {}).map(([status, response]) => [status, resolved(whole, response)]);
  const good = answers.filter(([status]) => status < 300);
  const others = answers.filter(([status]) => status >= 300);
  const request = resolved(whole, operation.requestBody);
  const details = node('details', { className: 'operation', id: operation.operationId },
    node('summary', {}, node('span', { className: 'method', textContent: method.toUpperCase() }), node('code', { textContent: path }),
      node('span', { className: 'muted', textContent: ` ${operation.summary ?? ''}` })),
    node('div', {},
      operation.description ? node('p', { textContent: operation.description }) : null,
      node('p', { className: 'muted', textContent: whoMay(whole, operation) }),
      parameters.length ? table(['parameter', 'in', 'type', 'required', ''], parameters) : null,
      ...(request.content ? [node('h3', { textContent: 'Body' }), ...body(whole, request.content)] : []),
      ...good.flatMap(([status, response]) => [node('h3', { textContent: `${status} ${response.description ?? ''}` }), ...body(whole, response.content)]),
      others.length ? node('h3', { textContent: 'Otherwise' }) : null,
      others.length ? table(['status', 'when'], others.map(([status, response]) => [status, response.description ?? ''])) : null));
  details.dataset.words = `${method} ${path} ${operation.summary ?? ''}`.toLowerCase();
  return details;
}

function sectionOf(whole, title, note, operations) {
  return node('section', {}, node('h2', { textContent: title }), note ? node('p', { className: 'muted', textContent: note }) : null, ...operations);
}

export function show(whole, into) {
  const byTag = new Map();
  for (const [path, methods] of Object.entries(whole.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags?.[0] ?? '';
      byTag.set(tag, [...(byTag.get(tag) ?? []), operationOf(whole, path, method, operation)]);
    }
  }
  for (const [tag, title, note] of TAGS) {
    if (byTag.has(tag)) into.append(sectionOf(whole, title, note, byTag.get(tag)));
    byTag.delete(tag);
  }
  for (const [tag, operations] of byTag) into.append(sectionOf(whole, NOBODYS[tag] ?? `Admins: ${tag}`, '', operations));
}

function find(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const operation of document.querySelectorAll('details.operation')) {
    operation.hidden = !words.every((word) => operation.dataset.words.includes(word));
  }
  for (const section of document.querySelectorAll('section')) {
    section.hidden = !section.querySelector('details.operation:not([hidden])');
  }
}

async function begin() {
  const state = document.getElementById('state');
  try {
    const answer = await fetch('/api/openapi.json');
    if (!answer.ok) throw new Error(String(answer.status));
    const whole = await answer.json();
    document.getElementById('about').textContent = whole.info.description ?? '';
    show(whole, document.getElementById('operations'));
    state.hidden = true;
    document.getElementById('find').addEventListener('input', (event) => find(event.target.value));
    const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (named) {
      named.open = true;
      named.scrollIntoView();
    }
  } catch {
    state.textContent = 'The document cannot be loaded. Load the page again.';
  }
}

if (globalThis.document?.getElementById('operations')) begin();
