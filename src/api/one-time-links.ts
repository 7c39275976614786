/** Links that are good once: an owner's first, an invitation, a new password. The text is shown or mailed; kept is its digest. */
import { settings } from '../env.ts'
import { newBearer } from '../store/bearer.ts'
import { newId } from '../store/ids.ts'
import type { OneTimeLink } from '../store/sign-in.ts'
import type { Who } from './access.ts'

const HOUR_MS = 60 * 60_000

/** How long each is good. A mailed reset lies in a mailbox, so it is good for an hour only. */
export const LASTS_MS = {
  setup: 24 * HOUR_MS,
  invite: 7 * 24 * HOUR_MS,
  reset: 24 * HOUR_MS,
  mailedReset: HOUR_MS,
}

type About = Pick<OneTimeLink, 'siteId' | 'kind'> &
  Partial<Pick<OneTimeLink, 'email' | 'name' | 'role' | 'inboxes' | 'memberId' | 'removesFactors'>>

/** A new link's row, and where it leads. @param publicUrl where this deployment is reached */
export async function newLink(
  publicUrl: string,
  about: About,
  lastsMs: number,
  by: Who | null,
  at: number,
): Promise<{ url: string; row: OneTimeLink }> {
  const id = newId(at)
  const { text, hash } = await newBearer('el', id)
  const row: OneTimeLink = {
    email: null,
    name: null,
    role: null,
    inboxes: null,
    memberId: null,
    removesFactors: false,
    ...about,
    id,
    secretHash: hash,
    createdBy: by && maker(by),
    createdAt: at,
    expiresAt: at + lastsMs,
    usedAt: null,
  }
  return { url: addressOf(publicUrl, row.kind, text), row }
}

/** Who stands for a link, as it is kept: it ends with them (store/sign-in.ts). */
export function maker({ kind, id, name }: Who): string {
  return JSON.stringify({ kind, id, name })
}

/** Another secret for a link that is there. */
export async function freshSecret(env: Env, link: OneTimeLink): Promise<{ url: string; hash: string }> {
  const { text, hash } = await newBearer('el', link.id)
  return { url: addressOf(settings(env).PUBLIC_URL, link.kind, text), hash }
}

function addressOf(publicUrl: string, kind: OneTimeLink['kind'], text: string): string {
  return new URL(`/${kind}/${text}`, publicUrl).href
}
