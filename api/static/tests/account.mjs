//! Telegram's side of the 2-step password (SRP), for the tests.

import { createHash, pbkdf2Sync } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Telegram's published prime, as the page has it. */
export const P = BigInt(`0x${/P_HEX = ''([\s\S]*?);/.exec(readFileSync(new URL('../srp.js', import.meta.url), 'utf8'))[1].replace(/[^0-9a-f]/g, '')}`);

/** Telegram's side of the 2-step password, after its description, with Node's cryptography. */
export class Account {
  #next = 0;
  constructor(password) {
    this.salt1 = createHash('sha256').update('one').digest();
    this.salt2 = createHash('sha256').update('two').digest();
    this.password = password;
  }

  parameters(hint = null) {
    this.#next += 1;
    this.b = BigInt(`0x${createHash('sha512').update(String(this.#next)).digest('hex').repeat(3)}`);
    const salted = (data, salt) => sha(salt, data, salt);
    const first = salted(salted(Buffer.from(this.password), this.salt1), this.salt2);
    const x = salted(pbkdf2Sync(first, this.salt1, 100_000, 64, 'sha512'), this.salt2);
    this.v = power(3n, big(x));
    this.B = (big(sha(pad(P), pad(3n))) * this.v + power(3n, this.b)) % P;
    return { srp_id: String(this.#next), p: P.toString(16), g: 3, B: this.B.toString(16), salt1: this.salt1.toString('hex'), salt2: this.salt2.toString('hex'), hint };
  }

  verify({ srp_id: id, A, M1 }) {
    const a = Buffer.from(A, 'hex');
    const u = big(sha(a, pad(this.B)));
    const key = sha(pad(power(big(a) * power(this.v, u) % P, this.b)));
    const mixed = sha(pad(P)).map((byte, at) => byte ^ sha(pad(3n))[at]);
    return id === String(this.#next) && sha(mixed, sha(this.salt1), sha(this.salt2), a, pad(this.B), key).toString('hex') === M1;
  }
}

function sha(...parts) {
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}

function pad(value) {
  return Buffer.from(value.toString(16).padStart(512, '0'), 'hex');
}

function big(bytes) {
  return BigInt(`0x${bytes.toString('hex')}`);
}

function power(base, exponent) {
  let result = 1n;
  for (let square = base % P; exponent > 0n; exponent >>= 1n, square = square * square % P) if (exponent & 1n) result = result * square % P;
  return result;
}
