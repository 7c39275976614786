/**
 * Hashes of passwords: scrypt (RFC 7914) by the runtime's own OpenSSL, which workerd and Node both have; in JavaScript it would take ten
 * times as long. N = 2^15, r = 8, p = 3 are those of OWASP's Password Storage Cheat Sheet that fit a Worker: 32 MiB and about 0.2 s.
 * PBKDF2 would be weaker: the platform allows it 100,000 rounds, a sixth of what the same page asks for.
 *
 * Format: `s1.<log2 N>.<r>.<p>.<salt>.<hash>`, base64url, so that the numbers can grow and old hashes still be checked.
 */
import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'

const COST = { log2N: 15, r: 8, p: 3 }
const BYTES = 32

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const { log2N, r, p } = COST
  const hash = derive(password, salt, COST)
  return `s1.${log2N}.${r}.${p}.${salt.toString('base64url')}.${hash.toString('base64url')}`
}

/** In constant time for hashes of the same cost. */
export async function isPassword(password: string, kept: string): Promise<boolean> {
  const [version, log2N, r, p, salt, hash] = kept.split('.')
  if (version !== 's1' || !salt || !hash) return false
  const expected = Buffer.from(hash, 'base64url')
  const given = derive(password, Buffer.from(salt, 'base64url'), {
    log2N: Number(log2N),
    r: Number(r),
    p: Number(p),
  })
  return expected.length === given.length && timingSafeEqual(expected, given)
}

/** The same characters typed on another keyboard are the same password (NIST SP 800-63B-4 §3.1.1.2 asks for NFC or NFKC). */
function derive(password: string, salt: Buffer, { log2N, r, p }: typeof COST): Buffer {
  const N = 2 ** log2N
  return scryptSync(password.normalize('NFKC'), salt, BYTES, { N, r, p, maxmem: 256 * N * r })
}
