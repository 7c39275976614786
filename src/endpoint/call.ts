/**
 * One call to a receiver: signed, to an address that is allowed, for no longer than the endpoint's timeout. Signatures are those of
 * Standard Webhooks 1.0.0: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; while a secret is being replaced there are two.
 */
import { version } from '../../package.json'
import { checkUrl } from '../domain/host.ts'
import { problem } from '../domain/problem.ts'
import { type Answer, sentenceOf } from '../domain/webhook.ts'
import { settings } from '../env.ts'
import { type EndpointConfig, openSecrets } from '../store/endpoints.ts'
import { SealError } from '../store/seal.ts'

/** One call as the log keeps it. */
export interface Called {
  at: number
  durationMs: number
  answer: Answer
  /** What a person reads; null where it was delivered. */
  error: string | null
}

/** Of an answer's body; more is not even read. */
const BODY_BYTES = 1024
/** The status is what counts: for its body nobody waits longer. */
const BODY_MS = 1_000

/** Never throws for what a receiver does. */
export async function call(
  env: Env,
  config: EndpointConfig,
  delivery: { id: string; body: string },
): Promise<Called> {
  const at = Date.now()
  const answer = await answerOf(env, config, delivery, at)
  return { at, durationMs: Date.now() - at, answer, error: sentenceOf(answer) }
}

async function answerOf(
  env: Env,
  config: EndpointConfig,
  delivery: { id: string; body: string },
  at: number,
): Promise<Answer> {
  // Looked at again at each call: what is allowed may have changed since it was typed.
  const refused = checkUrl(config.url, settings(env).DEV)
  if (refused) return { kind: 'unsendable', problem: refused }
  let headers: Record<string, string>
  try {
    headers = await signed(await openSecrets(env, config, at), delivery, at)
  } catch (error) {
    if (!(error instanceof SealError)) throw error
    return {
      kind: 'unsendable',
      problem: problem('internal', 'The secret of this endpoint cannot be opened. Rotate it.'),
    }
  }
  const { timeoutMs } = config.settings
  // Not AbortSignal.timeout: its timer runs on after the answer, and keeps the object awake that long.
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), timeoutMs)
  try {
    const response = await fetch(config.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': `Edgedesk-Webhooks/${version}`,
        ...headers,
      },
      body: delivery.body,
      // Nobody looked at where it leads, and the event would go there too.
      redirect: 'manual',
      signal: late.signal,
    })
    return {
      kind: 'answered',
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      text: await beginningOf(response),
    }
  } catch {
    return late.signal.aborted ? { kind: 'timeout', ms: timeoutMs } : { kind: 'unreachable' }
  } finally {
    clearTimeout(timer)
  }
}

/** @param secrets the newest first; all of them sign */
export async function signed(
  secrets: readonly string[],
  { id, body }: { id: string; body: string },
  at: number,
): Promise<Record<string, string>> {
  const timestamp = String(Math.floor(at / 1000))
  const content = new TextEncoder().encode(`${id}.${timestamp}.${body}`)
  const signatures = await Promise.all(secrets.map(secret => signature(secret, content)))
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.map(one => `v1,${one}`).join(' '),
  }
}

async function signature(secret: string, content: Uint8Array): Promise<string> {
  const raw = Uint8Array.from(atob(secret.replace(/^whsec_/, '')), char => char.charCodeAt(0))
  const key = await crypto.subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  const mac = await crypto.subtle.sign('HMAC', key, content as BufferSource)
  return btoa(String.fromCharCode(...new Uint8Array(mac)))
}

/** The first bytes of what was answered, as text, whatever they are. What goes wrong with them changes nothing. */
async function beginningOf({ body }: Response): Promise<string> {
  if (!body) return ''
  const reader = body.getReader()
  const bytes = new Uint8Array(BODY_BYTES)
  let length = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  const enough = new Promise<void>(resolve => {
    timer = setTimeout(resolve, BODY_MS)
  })
  const read = async () => {
    while (length < BODY_BYTES) {
      const { done, value } = await reader.read()
      if (done) return
      const part = value.subarray(0, BODY_BYTES - length)
      bytes.set(part, length)
      length += part.length
    }
  }
  await Promise.race([read().catch(() => {}), enough])
  clearTimeout(timer)
  void reader.cancel().catch(() => {})
  return new TextDecoder().decode(bytes.subarray(0, length)).replace(/\uFFFD$/, '')
}
