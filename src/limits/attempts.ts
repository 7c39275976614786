/** What may be tried how often, each of it counted exactly (limits.ts): one object per thing that is tried, and it remembers. */
import { sha256Hex } from '../store/ids.ts'

const MINUTE_MS = 60_000
/** What may be tried how often. Of `address`, `account` and `everywhere` only what fails counts. */
export const ATTEMPTS = {
  /** From one network address: an office of forty people has one. */
  address: { most: 40, windowMs: 10 * MINUTE_MS },
  /** At one account, from one network address or by one browser that signed in to it before. */
  account: { most: 10, windowMs: 15 * MINUTE_MS },
  /** At one account by all browsers that are new to it (NIST SP 800-63B-4 §3.2.2 has at most 100 in a row). */
  everywhere: { most: 100, windowMs: 60 * MINUTE_MS },
  /** What anybody may ask for from one network address: a challenge for a passkey, which is a row, and a page of a one-time link. */
  asked: { most: 120, windowMs: 10 * MINUTE_MS },
  reset: { most: 3, windowMs: 60 * MINUTE_MS },
  /** A code of an app is good once (RFC 6238 §5.2), for as long as it could be: its own half minute and the ones beside it. */
  code: { most: 1, windowMs: 2 * MINUTE_MS },
  /** Chats begun from one network address, and by one visitor. */
  chats: { most: 60, windowMs: 60 * MINUTE_MS },
  chat: { most: 10, windowMs: 60 * MINUTE_MS },
  /** Files that visitors send from one network address. */
  files: { most: 60, windowMs: 60 * MINUTE_MS },
  /** Mails that a web chat writes to an address which nobody has proved. */
  unproved: { most: 5, windowMs: 24 * 60 * MINUTE_MS },
}

/** Where a request comes from: the platform says so. Of IPv6 the network (/64), for one machine has all of its addresses. */
export function addressOf(request: Request): string {
  const ip = request.headers.get('cf-connecting-ip') ?? 'unknown'
  if (!ip.includes(':')) return ip
  const [head, tail] = ip.split('::').map(half => (half === '' ? [] : half.split(':')))
  const zeros = tail ? Array<string>(Math.max(0, 8 - head!.length - tail.length)).fill('0') : []
  const groups = [...head!, ...zeros, ...(tail ?? [])]
  return groups
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')
}

export type Limit = Awaited<ReturnType<typeof limitOf>>

/** One thing that is tried. Its name is a digest: addresses of people are no names of objects. */
export async function limitOf(env: Env, kind: keyof typeof ATTEMPTS, name: string) {
  const stub = env.LIMITS.getByName(`${kind}/${await sha256Hex(`${kind} ${name}`)}`)
  const { most, windowMs } = ATTEMPTS[kind]
  return {
    /** 0 where it may be tried, else the seconds to wait. */
    take: async () => {
      const said = await stub.attempt(most, windowMs)
      return said.yes ? 0 : Math.max(1, Math.ceil(said.waitMs / 1000))
    },
    forgive: (all: boolean) => stub.forgive(all),
  }
}
