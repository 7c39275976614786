/** Many sockets of one room on one thread, and when each of them had what was sent to all. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Address, type LiveSocket, openSocket } from './live-socket.ts'
import { inParallel } from './parallel.ts'

const OPENED_AT_A_TIME = 16
const QUIET_MS = 250
const GIVE_UP_MS = 20_000

export interface Heard {
  /** One for each socket, by `performance.now()`. */
  at: Float64Array
  /** The frame as one of them had it, and whether all had as many bytes. */
  frame: string
  alike: boolean
}

export interface Crowd {
  sockets: LiveSocket[]
  /** Does something that makes one frame for each of them, and waits for it. @throws where one has it twice, or not at all */
  hears(cause: () => unknown): Promise<Heard>
  /** Frames that all of them had since they came in. */
  heard(): number
  leave(): void
}

/** @param addressOf of the nth of them */
export async function gather(size: number, addressOf: (n: number) => Address): Promise<Crowd> {
  const sockets: LiveSocket[] = []
  const heard = new Uint32Array(size)
  let at = new Float64Array(size)
  let frame = ''
  let alike = true
  let bytes = -1
  let left = 0
  let lastAt = 0
  let total = 0
  let done: PromiseWithResolvers<void> | null = null
  let fault: Error | null = null

  function took(n: number, payload: Buffer): void {
    lastAt = performance.now()
    total += 1
    if (done === null) return
    at[n] = lastAt
    heard[n]! += 1
    if (heard[n]! > 1) done.reject(new Error(`socket ${n} heard something else too: ${payload}`))
    if (bytes === -1) {
      bytes = payload.length
      frame = payload.toString()
    } else if (payload.length !== bytes) alike = false
    left -= 1
    if (left === 0) done.resolve()
  }

  let isOver = false
  await inParallel(OPENED_AT_A_TIME, [...Array(size).keys()], async n => {
    await new Promise<void>((resolve, reject) => {
      sockets[n] = openSocket(addressOf(n), {
        opened: resolve,
        text: payload => took(n, payload),
        closed(code, reason) {
          if (isOver) return
          fault = new Error(`socket ${n} was closed with ${code} ${reason}`)
          reject(fault)
          done?.reject(fault)
        },
      })
    })
  })
  // What is told to who comes in is over.
  lastAt = performance.now()
  while (performance.now() - lastAt < QUIET_MS) await sleep(50)

  return {
    sockets,
    async hears(cause) {
      if (fault) throw fault
      heard.fill(0)
      at = new Float64Array(size)
      bytes = -1
      alike = true
      left = size
      done = Promise.withResolvers<void>()
      const late = setTimeout(() => {
        done?.reject(new Error(`${left} of ${size} sockets heard nothing`))
      }, GIVE_UP_MS)
      try {
        await Promise.all([cause(), done.promise])
        return { at, frame, alike }
      } finally {
        clearTimeout(late)
        done = null
      }
    },
    heard: () => total,
    leave() {
      isOver = true
      for (const socket of sockets) socket.destroy()
    },
  }
}
