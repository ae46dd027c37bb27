//! The proof of the 2-step password with parameters that a hostile server invents: each is refused as unsafe, or is proven with. Nothing
//! else happens: no other error, no endless loop, and no A that says something of the password.
//!
//! A seeded generator makes them, so a failure can be repeated: FUZZ_SEED. `make fuzz` goes on for FUZZ_SECONDS; a test run makes a
//! few hundred.

import { webcrypto } from 'node:crypto';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { UnsafeParameters, checked, prove } from '../srp.js';

globalThis.crypto ??= webcrypto;

const seed = Number(process.env.FUZZ_SEED ?? 1);
const seconds = Number(process.env.FUZZ_SECONDS ?? 0);
const vector = JSON.parse(readFileSync(new URL('srp_vectors.json', import.meta.url)))[0];
const source = readFileSync(new URL('../srp.js', import.meta.url), 'utf8');
const P_HEX = [...source.slice(0, source.indexOf('const P =')).matchAll(/'([0-9a-f]+)'/g)].map((part) => part[1]).join('');
const P = BigInt(`0x${P_HEX}`);
const good = { srp_id: '-7', p: P_HEX, ...vector };

/** mulberry32. */
function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function hostile(random) {
  const below = (count) => Math.floor(random() * count);
  const pick = (...of) => of[below(of.length)];
  const digits = (length) => Array.from({ length: Math.ceil(length / 8) }, () => below(2 ** 32).toString(16).padStart(8, '0')).join('').slice(0, length);
  const edge = 1n << 1984n;
  const strange = () => pick(undefined, null, '', 0, -1, 3.5, NaN, Infinity, true, {}, [], ['7'], 'x', '0x7', ' 7', '\u0000', '٧', '7\n', digits(below(40)), 'g'.repeat(512));
  const numbers = [0n, 1n, 2n, edge - 1n, edge, edge + 1n, P - edge - 1n, P - edge, P - edge + 1n, P - 1n, P, P + 1n, (1n << 2048n) - 1n, P / 2n];
  const made = { ...good };
  for (let changes = 1 + below(3); changes > 0; changes -= 1) {
    switch (below(6)) {
      case 0: made.p = pick(strange(), (P - 2n).toString(16), `0${P_HEX}`, P_HEX.toUpperCase(), `${P_HEX}\n`, digits(512), [P_HEX]); break;
      case 1: made.g = pick(strange(), 0, 1, 2, 3, 4, 5, 6, 7, 8, -3, 2 ** 31, '3', 3n); break;
      case 2: made.B = pick(strange(), numbers[below(numbers.length)].toString(16), digits(512), digits(513), `${digits(512)}\n`, digits(below(512)), `-${digits(8)}`); break;
      case 3: made.salt1 = pick(strange(), digits(2 * below(200)), digits(1 + 2 * below(20)), digits(20_000)); break;
      case 4: made.salt2 = pick(strange(), digits(2 * below(200)), digits(1 + 2 * below(20))); break;
      default: made.srp_id = pick(strange(), '-9223372036854775808', '9'.repeat(40)); break;
    }
  }
  return made;
}

test('no parameters of a hostile server do more than be refused', async () => {
  const random = generator(seed);
  const until = Date.now() + seconds * 1000;
  let [made, proven] = [0, 0];
  while (seconds > 0 ? Date.now() < until : made < 400) {
    const parameters = hostile(random);
    made += 1;
    const shown = JSON.stringify(parameters, (_, value) => (typeof value === 'bigint' ? `${value}n` : typeof value === 'number' && !Number.isFinite(value) ? String(value) : value)).slice(0, 600);
    let safe;
    try {
      safe = checked(parameters);
    } catch (error) {
      assert.ok(error instanceof UnsafeParameters, `${error} for ${shown}`);
      continue;
    }
    // By another reading of core.telegram.org/api/srp.
    const B = BigInt(`0x${parameters.B}`);
    assert.ok(BigInt(`0x${parameters.p}`) === P && [3, 4, 7].includes(parameters.g), shown);
    assert.ok(B >= 1n << 1984n && P - B >= 1n << 1984n && B < P, shown);
    for (const salt of [safe.salt1, safe.salt2]) assert.ok(salt instanceof Uint8Array && salt.length <= 1024, shown);
    // A proof takes a processor a good part of a second.
    if (proven < 5 + seconds / 5) {
      proven += 1;
      const proof = await prove(parameters, 'pässword');
      assert.deepEqual(Object.keys(proof), ['srp_id', 'A', 'M1'], shown);
      assert.match(proof.A, /^[0-9a-f]{512}$/);
      assert.match(proof.M1, /^[0-9a-f]{64}$/);
      assert.ok(BigInt(`0x${proof.A}`) >= 1n << 1984n && P - BigInt(`0x${proof.A}`) >= 1n << 1984n, shown);
    }
  }
  assert.ok(proven > 0, 'some are proven with');
  if (seconds > 0) console.log(`srp: ${made} parameters in ${seconds} s, ${proven} of them proven with`);
});
