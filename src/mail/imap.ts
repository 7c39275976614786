/**
 * The Worker's side of the IMAP bridge: JSON in, JSON or frames out (bridge/wire.ts). In production the bridge is the container behind
 * the ImapBridge object; in development it is a plain process at BRIDGE_URL. Refusals come as `ImapFailure` with a Problem.
 */
import {
  type AppendRequest,
  type BridgeProblem,
  type Checked,
  type CheckRequest,
  type FetchRequest,
  type FindRequest,
  type FlagsRequest,
  type Folder,
  type FoldersRequest,
  type FoundMail,
  LIFE_HEADER,
  type PartRequest,
  type ScannedMail,
  type ScanRequest,
  type WatchRequest,
} from '../../bridge/wire.ts'
import { PROBLEMS, type Problem, type ProblemCode, problem } from '../domain/problem.ts'
import { settings } from '../env.ts'

export class ImapFailure extends Error {
  override name = 'ImapFailure'
  readonly problem: Problem
  constructor(why: Problem) {
    super(why.message)
    this.problem = why
  }
}

export interface Opened {
  uidValidity: number
  uidNext: number
}

export interface Imap {
  /** @param patienceMs for all of it, the bridge's own start included. */
  check(request: CheckRequest, patienceMs?: number): Promise<Checked>
  folders(request: FoldersRequest): Promise<{ folders: Folder[] }>
  /** The frames of wire.ts as they come; the caller reads or cancels the stream. */
  fetch(request: FetchRequest): Promise<ReadableStream<Uint8Array>>
  scan(
    request: ScanRequest,
  ): Promise<{ opened: Opened; mails: ScannedMail[]; more: boolean; through: number }>
  find(request: FindRequest): Promise<{ found: FoundMail[]; unsearched: string[] }>
  part(request: PartRequest): Promise<{ body: ReadableStream<Uint8Array>; length: number }>
  append(request: AppendRequest): Promise<{ uid: number | null; uidValidity: number | null }>
  flags(request: FlagsRequest): Promise<{ ok: true }>
  watch(request: WatchRequest): Promise<{ until: number }>
  unwatch(mailbox: string): Promise<{ ok: true }>
  /** Which life of the bridge gave the last answer: watches live and die with it. Null before the first. */
  life(): string | null
}

/** A request may stream for long; the first byte must come sooner than a mail server's own time-outs add up to. */
const FIRST_BYTE_MS = 90_000

export function imap(env: Env): Imap {
  let life: string | null = null
  const send = async (path: string, body: unknown, patienceMs = FIRST_BYTE_MS) => {
    const response = await post(env, path, body, patienceMs)
    life = response.headers.get(LIFE_HEADER)
    return response
  }
  const json = async <T>(path: string, body: unknown, patienceMs?: number) =>
    (await (await send(path, body, patienceMs)).json()) as T
  return {
    check: (request, patienceMs) => json('/check', request, patienceMs),
    folders: request => json('/folders', request),
    fetch: async request => (await send('/fetch', request)).body!,
    scan: request => json('/scan', request),
    find: request => json('/find', request),
    part: async request => {
      const response = await send('/part', request)
      return { body: response.body!, length: Number(response.headers.get('content-length')) }
    },
    append: request => json('/append', request),
    flags: request => json('/flags', request),
    watch: request => json('/watch', request),
    unwatch: mailbox => json('/unwatch', { mailbox }),
    life: () => life,
  }
}

async function post(env: Env, path: string, body: unknown, patienceMs: number): Promise<Response> {
  const { BRIDGE_URL, BRIDGE_TOKEN } = settings(env)
  const init = {
    method: 'POST',
    headers: { authorization: `Bearer ${BRIDGE_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), patienceMs)
  const once = async () => {
    try {
      return await (BRIDGE_URL
        ? fetch(new URL(path, BRIDGE_URL), { ...init, signal: late.signal })
        : env.BRIDGE.getByName('bridge').fetch(`http://bridge${path}`, { ...init, signal: late.signal }))
    } catch {
      return null
    }
  }
  // A kept connection may have been closed while the request was on its way. All but an append may be asked for twice, within the
  // one deadline: after it the second try ends at once.
  const response = (await once()) ?? (path === '/append' ? null : await once())
  clearTimeout(timer)
  if (!response) throw new ImapFailure(problem('bridge_unavailable'))
  if (response.ok) return response
  const refusal = await response.json<{ error?: BridgeProblem }>().catch(() => ({ error: undefined }))
  throw new ImapFailure(problemOf(refusal.error))
}

/** The bridge's codes that a customer can act on are ours too; the others mean that bridge and Worker do not fit. */
export function problemOf(refusal: BridgeProblem | undefined): Problem {
  if (!refusal || !(refusal.code in PROBLEMS) || refusal.code === 'unauthorized')
    return problem('bridge_unavailable')
  return problem(refusal.code as ProblemCode, refusal.message)
}
