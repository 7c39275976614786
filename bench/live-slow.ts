/**
 * A reader that stops reading. TCP holds its line; what is sent to it gathers in the runtime, until the product lets it go with "resume"
 * (4000) where it is more than 1 MB behind. Meanwhile another reader of the same conversation has everything. Then the slow one reads on,
 * finds the close behind what was still sent, comes back with `since`, and must have everything too, each once: several megabytes, which
 * are told to it at once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Lab, makePlace } from './api-lab.ts'
import { liveClient } from './live-client.ts'
import { makeChat, makeConversation, type Started, socketAddress, startProduct } from './live-lab.ts'
import { openSocket } from './live-socket.ts'
import { inParallel } from './parallel.ts'
import { type Figure, note, seconds } from './report.ts'

/** As much of one as a frame shows, at three bytes a character. */
const CONTENT = '請問我的包裹在哪裡？'.repeat(800)
const MESSAGES = 600
const AT_A_TIME = 4
const RESUME = 4000
const WITHIN_MS = 60_000
const MB = 1_000_000

export async function slowReader(lab: Lab): Promise<Figure[]> {
  const place = await makePlace(lab, 'slow')
  const product = await startProduct(lab, place)
  const conversation = await makeConversation(product, await makeChat(product))
  const reader = (from: number | null) =>
    liveClient({
      address: since =>
        socketAddress({ port: product.port, conversation, key: place.apiKey, since: since ?? from }),
      random: () => 0.5,
    })
  const good = reader(null)
  const slow = await stopped(product, conversation, place.apiKey)
  await inParallel(AT_A_TIME, [...Array(MESSAGES).keys()], async n => {
    const body = { conversation, content: `${n} ${CONTENT}` }
    await product.ask({ method: 'POST', path: '/api/v1/messages', body })
  })
  const heard = await soon(() => good.messages().length === MESSAGES)
  const { code, reason, bytes } = await slow.readOn()
  const had = slow.ids.length
  note(
    `stopped reading: closed with ${code} "${reason}" behind ${had} messages, ${(bytes / MB).toFixed(1)} MB`,
  )

  const from = Date.now()
  const back = reader(slow.seq())
  const caughtUp = await soon(() => back.messages().length >= MESSAGES - had)
  const took = Date.now() - from
  const ids = [...slow.ids, ...back.messages().map(one => one.id)]
  const due = good.messages().map(one => one.id)
  const isAll = caughtUp && ids.length === MESSAGES && ids.every((id, n) => id === due[n])
  const again = back.counts.resumed
  const wrong = [...good.violations, ...back.violations]
  for (const one of [good, back]) one.leave()
  await product.stop()
  return [
    {
      figure: `one of two readers stops reading, ${MESSAGES} messages of ${(CONTENT.length * 3) / 1000} KB: closed with`,
      measured: `${code} ${reason}, after ${had} messages (${(bytes / MB).toFixed(1)} MB, with what TCP held)`,
      baseline: `the other has ${heard ? 'all' : 'not all'} of them, let go ${good.counts.resumed} times`,
      bar: `${RESUME} resume; all, 0 times`,
      met: code === RESUME && reason === 'resume' && had < MESSAGES && heard && good.counts.resumed === 0,
    },
    {
      figure: `it comes back with \`since\`: has all ${MESSAGES}, in order, each once; let go again on the way`,
      measured: `${isAll ? 'yes' : `no, ${ids.length}`}, ${seconds(took)}; ${again} times, ${wrong.length} repeats`,
      bar: 'yes; 0 times, 0 repeats',
      met: isAll && again === 0 && wrong.length === 0,
    },
  ]
}

/** A reader that came in, and reads no more. */
async function stopped(product: Started, conversation: string, key: string) {
  const ids: string[] = []
  let seq: number | null = null
  const closed = Promise.withResolvers<{ code: number; reason: string; bytes: number }>()
  const entered = Promise.withResolvers<void>()
  const socket = openSocket(socketAddress({ port: product.port, conversation, key }), {
    text(payload) {
      const frame = JSON.parse(payload.toString()) as {
        type: string
        seq: number
        messages: { id: string }[]
      }
      if (frame.type !== 'changed') return
      ids.push(...frame.messages.map(one => one.id))
      seq = frame.seq
      entered.resolve()
    },
    closed: (code, reason) => closed.resolve({ code, reason, bytes: socket.bytes() }),
  })
  await entered.promise
  socket.pause()
  return {
    ids,
    seq: () => seq,
    async readOn() {
      socket.resume()
      const late = setTimeout(() => socket.destroy(), WITHIN_MS)
      const end = await closed.promise
      clearTimeout(late)
      return end
    },
  }
}

async function soon(is: () => boolean): Promise<boolean> {
  for (const end = Date.now() + WITHIN_MS; Date.now() < end; await sleep(50)) if (is()) return true
  return is()
}
