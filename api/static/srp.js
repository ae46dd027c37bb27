//! The proof that a person knows their 2-step password: Telegram's variant of SRP-6a (core.telegram.org/api/srp). It is computed
//! on the page, so the password never leaves it. The module is loaded only when a password is needed, because it needs BigInt.

/** The prime that Telegram publishes and every account uses. With a weak prime the proof would reveal the password. */
const P_HEX = ''
  + 'c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f48198a0aa7c14058229493d22530f4db'
  + 'fa336f6e0ac925139543aed44cce7c3720fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f64'
  + '2477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4a4a695811051907e162753b56b0f6b41'
  + '0dba74d8a84b2a14b3144e0ef1284754fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4'
  + 'e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f0d8115f635b105ee2e4e15d04b2454bf'
  + '6f4fadf034b10403119cd8e3b92fcc5b';
const P = BigInt(`0x${P_HEX}`);
const BITS = 2048;
const ITERATIONS = 100_000;
const MAX_SALT = 1024;

/** The parameters cannot be Telegram's. No proof was computed. */
export class UnsafeParameters extends Error {}

/** `{srp_id, A, M1}` for `POST /qr-auth/password`. Tests replace `random(length)`. */
export async function prove(parameters, password, random = strongRandom) {
  const { g, B, salt1, salt2 } = checked(parameters);
  const gBytes = padded(g);
  const p = padded(P);
  const k = number(await hash(p, gBytes));
  const x = number(await passwordHash(new TextEncoder().encode(password), salt1, salt2));
  const kv = (k * power(g, x)) % P;

  for (;;) {
    const a = number(random(BITS / 8));
    const A = power(g, a);
    const u = number(await hash(padded(A), padded(B)));
    if (!inRange(A) || u === 0n) continue;
    const t = (((B - kv) % P) + P) % P;
    const session = await hash(padded(power(t, a + u * x)));
    const mixed = xor(await hash(p), await hash(gBytes));
    const M1 = await hash(mixed, await hash(salt1), await hash(salt2), padded(A), padded(B), session);
    return { srp_id: String(parameters.srp_id), A: hex(padded(A)), M1: hex(M1) };
  }
}

/** Makes all of Telegram's checks on p, g and B. Throws [`UnsafeParameters`]. */
export function checked({ p, g, B, salt1, salt2 }) {
  if (String(p).toLowerCase() !== P_HEX) throw new UnsafeParameters('p is not the published prime');
  if (!Number.isInteger(g) || !generates(g)) throw new UnsafeParameters('g does not generate the subgroup');
  if (!/^[0-9a-f]{1,512}$/i.test(B)) throw new UnsafeParameters('B is not a number of 2048 bits');
  if (!inRange(BigInt(`0x${B}`))) throw new UnsafeParameters('B is out of range');
  return { g: BigInt(g), B: BigInt(`0x${B}`), salt1: salt(salt1), salt2: salt(salt2) };
}

/** Telegram's salts are some 40 bytes. A long one would only keep the page busy. */
function salt(text) {
  if (String(text).length > 2 * MAX_SALT) throw new UnsafeParameters('a salt is too long');
  return bytes(text);
}

/** Whether g generates the subgroup of prime order (p-1)/2, by quadratic reciprocity, as Telegram lists it. */
function generates(g) {
  switch (g) {
    case 2: return P % 8n === 7n;
    case 3: return P % 3n === 2n;
    case 4: return true;
    case 5: return [1n, 4n].includes(P % 5n);
    case 6: return [19n, 23n].includes(P % 24n);
    case 7: return [3n, 5n, 6n].includes(P % 7n);
    default: return false;
  }
}

/** Whether the value is far enough from 0 and from p, as Telegram requires. */
function inRange(value) {
  const edge = 1n << BigInt(BITS - 64);
  return value >= edge && value <= P - edge;
}

/** PH2 of Telegram's description: salted SHA-256 twice, PBKDF2-SHA512, salted once more. */
async function passwordHash(password, salt1, salt2) {
  const salted = (data, salt) => hash(salt, data, salt);
  const first = await salted(await salted(password, salt1), salt2);
  const key = await crypto.subtle.importKey('raw', first, 'PBKDF2', false, ['deriveBits']);
  const derived = await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt: salt1, iterations: ITERATIONS }, key, 512);
  return salted(new Uint8Array(derived), salt2);
}

function power(base, exponent) {
  let result = 1n;
  // From left to right: the base stays small, so multiplying by it is cheap.
  for (const bit of exponent.toString(2)) {
    result = (result * result) % P;
    if (bit === '1') result = (result * base) % P;
  }
  return result;
}

async function hash(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) { whole.set(part, at); at += part.length; }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', whole));
}

function xor(left, right) {
  return left.map((byte, at) => byte ^ right[at]);
}

function padded(value) {
  return bytes(value.toString(16).padStart(BITS / 4, '0'));
}

function bytes(text) {
  if (!/^([0-9a-f]{2})+$/i.test(text)) throw new UnsafeParameters('not hexadecimal');
  return Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
}

function hex(data) {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function number(data) {
  return BigInt(`0x${hex(data)}`);
}

function strongRandom(length) {
  return crypto.getRandomValues(new Uint8Array(length));
}
