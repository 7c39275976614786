/**
 * Sockets that outlive their object. Nobody can tell the runtime from outside to put one away, so here it is left alone until it does it
 * by itself, after some ten seconds in which nobody wakes it; pings are answered meanwhile and do not. That the object is gone is seen
 * from its database, a file that only a living object holds open (/proc; where there is none, nothing is claimed). Then somebody says
 * something: each socket that was there before hears it once, and nothing else.
 *
 * test/worker/live.test.ts (LI3) does the same with the runtime's own `evictDurableObject`.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Lab, makePlace } from './api-lab.ts'
import { gather } from './live-crowd.ts'
import { makeChat, makeConversation, socketAddress, startProduct } from './live-lab.ts'
import { type Figure, note, seconds } from './report.ts'

const PUT_AWAY_WITHIN_MS = 120_000
/** An alarm may be due once more. */
const STAYS_AWAY_MS = 3_000
/** Where nothing can be seen: the runtime puts away what was idle for ten seconds. */
const UNSEEN_MS = 40_000
const LOOK_MS = 250
const LINGER_MS = 2_000
const ROUNDS = 2

export async function eviction(lab: Lab, size: number): Promise<Figure[]> {
  const place = await makePlace(lab, 'eviction')
  const product = await startProduct(lab, place)
  const conversation = await makeConversation(product, await makeChat(product))
  const say = (content: string) =>
    product.ask({ method: 'POST', path: '/api/v1/messages', body: { conversation, content } })
  const crowd = await gather(size, () =>
    socketAddress({ port: product.port, conversation, key: place.apiKey }),
  )
  await crowd.hears(() => say('Before'))
  const isProvable = existsSync('/proc/self/fd') && existsSync('/proc/self/stat')
  const lives = () => isOpen(product.pid(), place.stateDir)
  if (isProvable && !lives()) throw new Error('a living object has its database open, and this one has not')
  let away = 0
  let pongs = 0
  let extra = 0
  const waits: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const from = Date.now()
    const isAway = isProvable ? await putAway(lives) : await sleep(UNSEEN_MS, false)
    waits.push(Date.now() - from)
    const heardBefore = crowd.heard()
    await crowd.hears(() => {
      for (const socket of crowd.sockets) socket.send('ping')
    })
    pongs += size
    // They were answered for it.
    if (isProvable && isAway && !lives()) away += 1
    note(
      `round ${round + 1}: the object is ${isAway ? 'gone' : 'still there'} after ${seconds(waits.at(-1)!)}`,
    )
    await crowd.hears(() => say(`After ${round}`))
    await sleep(LINGER_MS)
    extra += crowd.heard() - heardBefore - 2 * size
  }
  crowd.leave()
  await product.stop()
  return [
    {
      figure: `${size} sockets, the object put away ${ROUNDS} times by the runtime: sockets closed; frames but one for each and every message`,
      measured: `0; ${extra}`,
      baseline: isProvable
        ? `it was gone ${away} of ${ROUNDS} times (${waits.map(seconds).join(', ')} idle), ${pongs} pings did not wake it`
        : 'whether it was gone cannot be seen on this system',
      bar: `0; 0${isProvable ? `; gone ${ROUNDS} times` : ''}`,
      met: extra === 0 && (!isProvable || away === ROUNDS),
    },
  ]
}

/** Whether it went, and stayed away. */
async function putAway(lives: () => boolean): Promise<boolean> {
  let since = Date.now()
  for (const end = Date.now() + PUT_AWAY_WITHIN_MS; Date.now() < end; await sleep(LOOK_MS)) {
    if (lives()) since = Date.now()
    else if (Date.now() - since > STAYS_AWAY_MS) return true
  }
  return false
}

/** Whether a process of this group has the file of a conversation open. */
function isOpen(group: number, stateDir: string): boolean {
  return processesOf(group).some(pid =>
    filesOf(pid).some(file => file.startsWith(stateDir) && /Conversation\/[0-9a-f]{64}\.sqlite$/.test(file)),
  )
}

/** /proc/<pid>/stat (proc(5)): behind the name in brackets come the state, the parent and the group. */
function processesOf(group: number): string[] {
  return readdirSync('/proc').filter(pid => {
    if (!/^\d+$/.test(pid)) return false
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]) === group
    } catch {
      return false
    }
  })
}

function filesOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
      try {
        return [readlinkSync(`/proc/${pid}/fd/${fd}`)]
      } catch {
        return []
      }
    })
  } catch {
    return []
  }
}
