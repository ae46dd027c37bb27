//! The proof of the 2-step password, against vectors from elsewhere: one is from grammers' tests, two were made with Python's
//! hashlib and pow. srp_vectors.json names their sources, and srp_vectors.py computes them all again.

import { webcrypto } from 'node:crypto';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { UnsafeParameters, checked, prove } from '../srp.js';

// Node before 20 has it only in a module.
globalThis.crypto ??= webcrypto;

const vectors = JSON.parse(readFileSync(new URL('srp_vectors.json', import.meta.url)));
const P = 'c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c37'
  + '20fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f642477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4'
  + 'a4a695811051907e162753b56b0f6b410dba74d8a84b2a14b3144e0ef1284754fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4'
  + 'e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b';
const good = { srp_id: '-7', p: P, ...vectors[0] };
const fromHex = (hex) => Uint8Array.from(Buffer.from(hex, 'hex'));

for (const vector of vectors) {
  test(`the proof is the one that ${vector.source} gives (g = ${vector.g})`, async () => {
    const proof = await prove({ srp_id: '-7', p: P, ...vector }, vector.password, () => fromHex(vector.a));
    assert.deepEqual(proof, { srp_id: '-7', A: vector.A, M1: vector.M1 });
  });
}

test('another password gives another proof', async () => {
  const proof = await prove(good, `${vectors[0].password} `, () => fromHex(vectors[0].a));
  assert.notEqual(proof.M1, vectors[0].M1);
});

test('each try draws its own secret', async () => {
  const [one, two] = await Promise.all([prove(good, 'x'), prove(good, 'x')]);
  assert.notEqual(one.A, two.A);
  assert.match(one.A, /^[0-9a-f]{512}$/);
  assert.match(one.M1, /^[0-9a-f]{64}$/);
});

test('only the published prime is accepted', () => {
  assert.ok(checked(good));
  assert.ok(checked({ ...good, p: P.toUpperCase() }));
  const other = (BigInt(`0x${P}`) - 2n).toString(16);
  for (const p of [other, P.slice(2), `00${P}`, '', undefined]) assert.throws(() => checked({ ...good, p }), UnsafeParameters);
});

test('only a generator of the large subgroup is accepted', () => {
  const accepted = [0, 1, 2, 3, 4, 5, 6, 7, 8, -3, 3.5, '3'].filter((g) => {
    try { return checked({ ...good, g }); } catch (error) { assert.ok(error instanceof UnsafeParameters); return false; }
  });
  // For the published prime, after the residues in Telegram's description.
  assert.deepEqual(accepted, [3, 4, 7]);
});

test('a B near 0 or near p is refused', () => {
  const p = BigInt(`0x${P}`);
  const edge = 1n << 1984n;
  for (const B of [0n, 1n, edge - 1n, p - edge + 1n, p - 1n, p, p + 5n]) {
    assert.throws(() => checked({ ...good, B: B.toString(16) }), UnsafeParameters, String(B).slice(0, 12));
  }
  for (const B of [edge, p - edge]) assert.ok(checked({ ...good, B: B.toString(16) }));
  for (const B of ['', 'xyz', `${'f'.repeat(513)}`]) assert.throws(() => checked({ ...good, B }), UnsafeParameters);
});

test('a secret that gives an A out of range is drawn again', async () => {
  const draws = [new Uint8Array(256), fromHex(vectors[0].a)];
  const proof = await prove(good, vectors[0].password, () => draws.shift());
  assert.equal(proof.A, vectors[0].A);
});

test('a salt of a megabyte is refused', () => {
  assert.ok(checked({ ...good, salt1: 'ab'.repeat(1024) }));
  for (const name of ['salt1', 'salt2']) assert.throws(() => checked({ ...good, [name]: 'ab'.repeat(1 << 20) }), UnsafeParameters);
});
