/**
 * One frame to all sockets of one conversation, in turns with an object that does nothing but `send` it to as many (bare-live/worker.ts).
 *
 * message     somebody says something by `POST`, and each socket hears a `changed`. The bare object gets the very frame that the product
 *             sent, by a `POST` too, and sends as many bytes. The clock of a delivery starts in the Worker, where the request was read
 *             and the object is asked next: `createdAt`, to whole milliseconds on both sides. So what the API does first (whose key is
 *             it, are the fields right) is left out, which the bare Worker does not do, and everything from there on counts: the turn is
 *             decided and stored on disk before anybody hears of it, and its copy goes to D1 while the sockets are written. The bare
 *             object stores nothing.
 * from POST   the same deliveries from the first byte of the request on; reported, since the bare Worker asks nobody for a key.
 * typing      somebody types: in by a socket, out to all the others, nothing stored on either side. The clock starts at the sender.
 *
 * All clocks are of this machine. Each socket's moment is when the one thread that reads all of them has its frame in hand; what that
 * costs by itself is measured on a server that has its frames ready (live-echo.ts), and is in all figures.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { ROOT } from '../dev/processes.ts'
import { compared, inTurns, type Lab, makePlace, type Pair } from './api-lab.ts'
import type { Load } from './http-load.ts'
import { type Crowd, gather, type Heard } from './live-crowd.ts'
import { makeChat, makeConversation, socketAddress, startBare, startProduct } from './live-lab.ts'
import { type LiveSocket, openSocket } from './live-socket.ts'
import { type Figure, ms, note, quantile, worst } from './report.ts'
import { atEnd } from './stack.ts'

const BAR = 1.5
const WARM = 3
/** Between two messages: the copy in D1 is there when the POST is answered. */
const PAUSE_MS = 30
/** After a round: what was said is put into the index two seconds after it, and none of that is to be at the cost of the other. */
const AFTERWARDS_MS = 3_500
const ROOM = '/room'
const WORDS =
  'I have a question about my order: it has not come yet, and nobody answers the phone. Could you please look where it is, and tell me when I can expect it? Thank you very much for your help.'

interface Side {
  crowd: Crowd
  /** Somebody who types; they do not hear it themselves. */
  typist: () => LiveSocket
  typing: string
  say: () => Promise<string>
}

export async function fanout(lab: Lab, size: number, pairs: number, messages: number): Promise<Figure[]> {
  const place = await makePlace(lab, 'fanout')
  const [product, bare] = await Promise.all([startProduct(lab, place), startBare(lab)])
  const conversation = await makeConversation(product, await makeChat(product))
  const at = {
    product: socketAddress({ port: product.port, conversation, key: place.apiKey }),
    bare: { port: bare.port, path: ROOM },
  }
  const inProduct = await gather(size, () => at.product)
  const inBare = await gather(size, () => at.bare)
  const frames = { message: '', typing: '' }
  const ours = sideOf(
    inProduct,
    () => openSocket(at.product, DEAF),
    () => product.ask({ method: 'POST', path: '/api/v1/messages', body: { conversation, content: WORDS } }),
  )
  const theirs = sideOf(
    inBare,
    () => openSocket(at.bare, DEAF),
    () => bare.ask({ method: 'POST', path: ROOM, body: { frame: frames.message } }),
  )
  frames.message = withoutTime((await inProduct.hears(ours.say)).frame)
  const typist = await entered(ours.typist())
  frames.typing = (await inProduct.hears(() => typist.send(ours.typing))).frame
  typist.destroy()
  theirs.typing = frames.typing

  const floor = await echoed(size, frames.message, messages)
  note(`${size} sockets: the clients by themselves, p50 ${tenths(floor.p50)}, p99 ${tenths(floor.p99)}`)
  const whole = new Map<Load, Load>()
  const said = async (side: Side) => {
    const { since, posted } = await sayingRound(side, messages, frames.message.length)
    whole.set(since, posted)
    if (side === ours) await inProduct.hears(() => pingsOf(inProduct))
    await sleep(AFTERWARDS_MS)
    return since
  }
  const told = (what: string) => (pair: Pair, n: number) => note(`${what}, pair ${n + 1}: ${inWords(pair)}`)
  const saying = await inTurns(
    pairs,
    () => said(theirs),
    () => said(ours),
    told('message'),
  )
  const typing = await inTurns(
    pairs,
    () => typingRound(theirs, messages),
    () => typingRound(ours, messages),
    told('typing'),
  )
  const posted = saying.map(pair => ({
    measured: whole.get(pair.measured)!,
    baseline: whole.get(pair.baseline)!,
    again: whole.get(pair.again)!,
  }))
  for (const crowd of [inProduct, inBare]) crowd.leave()
  await Promise.all([product.stop(), bare.stop()])

  const what = `to ${size} sockets, ${pairs} pairs of ${messages}`
  return [
    ...figures(`a message of ${frames.message.length} bytes ${what}`, saying, true),
    ...figures(`typing, ${frames.typing.length} bytes, ${what}`, typing, true),
    ...figures('the message, from its POST on', posted, false),
    {
      figure: `the clients by themselves, ${size} sockets`,
      measured: `p50 ${tenths(floor.p50)}, p99 ${tenths(floor.p99)}`,
      bar: 'in all of the above',
      met: null,
    },
  ]
}

/** Who says nothing while a megabyte goes out is taken for one that does not read. */
function pingsOf({ sockets }: Crowd): void {
  for (const socket of sockets) socket.send('ping')
}

const DEAF = { text: () => {}, closed: () => {} }

function sideOf(crowd: Crowd, typist: () => LiveSocket, say: () => Promise<string>): Side {
  return { crowd, typist, typing: JSON.stringify({ type: 'typing', on: true }), say }
}

/** What is sent to it as it comes in is over. */
async function entered(socket: LiveSocket): Promise<LiveSocket> {
  await sleep(500)
  return socket
}

const TIME = /"createdAt":"(\d{13})"(?!.*"createdAt":"\d{13}")/s

/** The frame, with zeros where the bare Worker writes when it took it. */
function withoutTime(frame: string): string {
  if (!TIME.test(frame)) throw new Error(`the product sent no message: ${frame}`)
  return frame.replace(TIME, `"createdAt":"${'0'.repeat(13)}"`)
}

/** Deliveries of one round, from when the Worker took each message, and from its POST. */
async function sayingRound({ crowd, say }: Side, messages: number, bytes: number) {
  const since: number[] = []
  const posted: number[] = []
  const epoch = epochOfPerformance()
  for (let n = -WARM; n < messages; n++) {
    let from = 0
    const heard = await crowd.hears(() => {
      from = performance.now()
      return say()
    })
    const takenAt = Number(TIME.exec(heard.frame)?.[1]) - epoch
    if (n >= 0) {
      mustBeAlike(heard, bytes)
      for (const at of heard.at) {
        since.push(at - takenAt)
        posted.push(at - from)
      }
    }
    await sleep(PAUSE_MS)
  }
  return { since: loadOf(since), posted: loadOf(posted) }
}

async function typingRound({ crowd, typist, typing }: Side, messages: number): Promise<Load> {
  const took: number[] = []
  const socket = await entered(typist())
  for (let n = -WARM; n < messages; n++) {
    let from = 0
    const heard = await crowd.hears(() => {
      from = performance.now()
      socket.send(typing)
    })
    if (n >= 0) for (const at of heard.at) took.push(at - from)
    // No more than a conversation takes from one socket.
    await sleep(PAUSE_MS)
  }
  socket.destroy()
  return loadOf(took)
}

/** The `seq` and what is counted in it may grow by digits. */
function mustBeAlike({ frame, alike }: Heard, bytes: number): void {
  if (!alike || Math.abs(Buffer.byteLength(frame) - bytes) > 8)
    throw new Error(`frames of other sizes than ${bytes} bytes: ${frame}`)
}

/** What `Date.now()` says when `performance.now()` is zero; found at the edge of a millisecond. */
function epochOfPerformance(): number {
  const before = Date.now()
  while (Date.now() === before);
  return Date.now() - performance.now()
}

function loadOf(took: number[]): Load {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map(share => quantile(took, share)) as [number, number, number]
  return { took, perSecond: Number.NaN, p50, p95, p99 }
}

function inWords({ measured, baseline, again }: Pair): string {
  const both = (load: Load) => `${tenths(load.p50)} / ${tenths(load.p99)}`
  return `p50 / p99 ${both(measured)}, bare ${both(baseline)} and ${both(again)}`
}

function figures(what: string, pairs: readonly Pair[], judged: boolean): Figure[] {
  const [p50, p99] = [compared(pairs, 'p50'), compared(pairs, 'p99')]
  // Which of the two stands above is chance.
  const apart = worst(
    pairs.map(one => Math.max(one.again.p99 / one.baseline.p99, one.baseline.p99 / one.again.p99)),
  )
  const most = BAR * apart
  return [
    {
      figure: `${what}: p50`,
      measured: tenths(p50.measured),
      baseline: `bare ${tenths(p50.baseline)}; ${p50.itself}`,
      bar: `${judged ? `≤ ${BAR} ×; ` : ''}it is ${p50.ratio.toFixed(2)} × (${p50.ratios})`,
      met: judged ? p50.ratio <= BAR : null,
    },
    {
      figure: 'the same: p99',
      measured: tenths(p99.measured),
      baseline: `bare ${tenths(p99.baseline)}; ${p99.itself}`,
      bar: `${judged ? `≤ ${BAR} × the worst A/A, ${most.toFixed(2)} ×; ` : ''}it is ${p99.ratio.toFixed(2)} × (${p99.ratios})`,
      met: judged ? p99.ratio <= most : null,
    },
  ]
}

/** The same from a server that has the frame ready, on a thread of its own. */
async function echoed(size: number, frame: string, messages: number): Promise<Load> {
  const server = new Worker(join(ROOT, 'bench/live-echo.ts'), { workerData: { frame } })
  const ended = atEnd(() => server.terminate())
  const port = await new Promise<number>((resolve, reject) => {
    server.once('message', resolve)
    server.once('error', reject)
  })
  const at = { port, path: ROOM }
  const crowd = await gather(size, () => at)
  const load = await typingRound(
    sideOf(
      crowd,
      () => openSocket(at, DEAF),
      async () => '',
    ),
    messages,
  )
  crowd.leave()
  await ended.now()
  return load
}

function tenths(value: number): string {
  return value < 100 ? `${value.toFixed(1)} ms` : ms(value)
}
