//! The sandbox's own HTTP: posts with the errors made readable, and the live state.

/** `code` as in CONTRACT.md, `message` a sentence for a person. */
export class SandboxError extends Error {
  constructor(code, text) {
    super(text || code);
    this.code = code;
  }
}

export async function post(path, body = {}, type = 'application/json') {
  let response;
  try {
    response = await fetch(`/sandbox/${path}`, { method: 'POST', headers: { 'Content-Type': type }, body: type === 'application/json' ? JSON.stringify(body) : body });
  } catch {
    throw new SandboxError('UNREACHABLE', 'The sandbox does not answer. Is it still running in the terminal?');
  }
  const answer = await response.json().catch(() => ({ ok: false, error: `HTTP_${response.status}`, text: `The sandbox answered ${response.status}.` }));
  if (!answer.ok) throw new SandboxError(answer.error, answer.text);
  return answer;
}

export async function get(path) {
  const response = await fetch(`/sandbox/${path}`);
  if (!response.ok) throw new SandboxError(`HTTP_${response.status}`);
  return response.json();
}

/** Calls `onState` with the whole state now and after every change, `onLog` with each line, `onLink` with up or down. */
export function live({ onState, onLog, onLink }) {
  const source = new EventSource('/sandbox/events');
  source.addEventListener('state', (event) => onState(JSON.parse(event.data)));
  source.addEventListener('log', (event) => onLog(JSON.parse(event.data)));
  source.addEventListener('open', () => onLink(true));
  source.addEventListener('error', () => onLink(false));
}
