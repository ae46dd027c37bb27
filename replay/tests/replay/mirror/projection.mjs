//! Plays the part of KurrentDB's that runs a user's projection, by the server's documentation ("User-defined projections" and its
//! declarations): runs a file of JavaScript as the server does, feeds it the events of stdin, and prints its links.
//!
//!   node projection.mjs FILE <events.jsonl >links.jsonl
//!
//! An event: `{"streamId", "sequenceNumber", "eventType", "isJson", "bodyRaw", "metadataRaw"}`. A link: `{"stream", "data"}`, with
//! the data of the server's own link events, `3@stream`. What the server refuses ends it with an error.

import { readFileSync } from 'node:fs';
import vm from 'node:vm';

const [file] = process.argv.slice(2);
const links = [];
let source = null;
let handlers = null;

/** What the file may call while it is read: its source, and its handlers. */
const definition = {
  fromStream(stream) {
    if (source !== null || typeof stream !== 'string') throw new Error('one stream, by its name');
    source = stream;
    return {
      when(given) {
        for (const [name, handler] of Object.entries(given)) {
          if (typeof handler !== 'function') throw new Error(`${name} is no handler`);
        }
        handlers = given;
        return {};
      },
    };
  },
};

/** What its handlers may call. */
const execution = {
  linkTo(stream, event, metadata) {
    if (typeof stream !== 'string' || stream.trim() === '') throw new Error('a link needs a stream');
    if (typeof event?.sequenceNumber !== 'number' || typeof event.streamId !== 'string') throw new Error('a link needs an event');
    if (metadata !== undefined && (typeof metadata !== 'object' || metadata === null)) throw new Error('metadata are an object');
    links.push({ stream, data: `${event.sequenceNumber}@${event.streamId}` });
  },
};

/** As a handler sees it: what cannot be written, and is parsed when it is asked for. What is no JSON is an error then. */
function envelope(event) {
  const parsed = (raw) => (raw === null ? null : JSON.parse(raw));
  return Object.freeze(Object.defineProperties({ ...event, partition: '' }, {
    data: { get: () => parsed(event.bodyRaw) },
    body: { get: () => parsed(event.bodyRaw) },
    metadata: { get: () => parsed(event.metadataRaw) },
  }));
}

// Only the language, and what the server offers: no `require`, no `process`, no `console`, and no code from text.
const context = vm.createContext({ ...definition }, { codeGeneration: { strings: false, wasm: false } });
vm.runInContext(readFileSync(file, 'utf8'), context, { filename: file });
for (const name of Object.keys(definition)) delete context[name];
Object.assign(context, execution);

let state = handlers.$init ? handlers.$init() : {};
for (const line of readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const event = JSON.parse(line);
  // An event that is no JSON has no body; one of another stream is not shown to it.
  if (event.streamId !== source) continue;
  const handler = handlers[event.eventType] ?? handlers.$any;
  const next = handler?.(state, envelope(event));
  // The server keeps the state as JSON.
  if (next !== undefined) state = JSON.parse(JSON.stringify(next));
}
for (const link of links) process.stdout.write(`${JSON.stringify(link)}\n`);
