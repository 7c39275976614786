/** Keeps a socket to the conversation open while one is wanted. What to do when is connection.ts's to say. */
import { attemptsAfter, type Line, LOOK_MS, need, waitMs } from './connection.ts'
import type { Refused } from './desk.ts'
import type { FromDesk, ToDesk } from './wire.ts'

export interface Ends {
  /** Opens a socket; null: there is nothing to connect to yet. `failedBefore`: it may be that the desk does not know us any more. */
  dial(failedBefore: boolean): Promise<WebSocket | null>
  heard(frame: FromDesk): void
  /** It is no more: let go by us, or (`isTrouble`) lost or not reached; with what the desk said, where it said something. */
  ended(isTrouble: boolean, why?: Refused): void
  /** Now and then while it is open. */
  looked(): void
}

export interface Socket {
  want(): void
  rest(): void
  /** To another conversation, or as somebody else. */
  restart(): void
  /** All that was there has come: the line is good. */
  settled(): void
  send(frame: ToDesk): boolean
}

/** An attempt under way: nobody dials twice meanwhile. */
const DIALLING = -1
const DIALS_MS = 2000
const OPENS_MS = 10_000

export function socketTo(ends: Ends): Socket {
  let socket: WebSocket | null = null
  /** Each attempt has its own: what an older one brings is no longer wanted. */
  let turn = 0
  let isWanted = false
  let attempt = 0
  let timer = 0
  let looks = 0
  let dialledAt = 0
  const line: Line = { heardAt: 0, pingedAt: 0, wokeAt: null, hiddenAt: document.hidden ? Date.now() : null }

  const dial = () => {
    clearTimeout(timer)
    const mine = ++turn
    timer = DIALLING
    dialledAt = Date.now()
    ends.dial(attempt > 1).then(
      made => {
        if (mine !== turn) made?.close()
        else {
          timer = 0
          if (made) take(made, mine)
          else attempt = 0
        }
      },
      error => mine === turn && failed(attempt + 1, error),
    )
  }

  const take = (made: WebSocket, mine: number) => {
    socket = made
    line.pingedAt = Date.now()
    // One that does not even open is given up sooner.
    line.heardAt = line.pingedAt - OPENS_MS
    line.wokeAt = null
    made.onopen = () => {
      line.heardAt = Date.now()
    }
    looks = window.setInterval(look, LOOK_MS)
    made.onmessage = ({ data }) => {
      if (mine !== turn) return
      const frame = parsed(data)
      if (frame) ends.heard(frame)
      // A frame says nothing of the way up: only what was asked for does.
      else line.heardAt = Date.now()
    }
    made.onclose = ({ code }) => {
      if (mine !== turn) return
      const attempts = attemptsAfter(code, attempt)
      if (attempts === null) rest()
      else failed(attempts)
    }
  }

  const look = () => {
    const what = need(line, Date.now())
    if (what === 'dead') failed(line.wokeAt ? 1 : attempt + 1)
    else if (what === 'rest') drop()
    else {
      if (what === 'ping') ping()
      ends.looked()
    }
  }

  const ping = () => {
    line.pingedAt = Date.now()
    if (socket?.readyState === WebSocket.OPEN) socket.send('ping')
  }

  /** The page is seen again, or the network is back. */
  const wake = () => {
    const now = Date.now()
    if (!isWanted) return
    if (socket) {
      line.wokeAt = now
      if (now - line.pingedAt > 1000) ping()
      look()
    } else if (timer !== DIALLING || now - dialledAt > DIALS_MS) dial()
  }

  const failed = (attempts: number, why?: Refused) => {
    drop(true, why)
    attempt = attempts
    const wait = waitMs(attempts - 1, Math.random())
    timer = window.setTimeout(dial, Math.max(wait, (why?.retryAfter || 0) * 1000))
  }

  const drop = (isTrouble = false, why?: Refused) => {
    turn++
    clearTimeout(timer)
    clearInterval(looks)
    timer = 0
    socket?.close()
    socket = null
    ends.ended(isTrouble, why)
  }

  const want = () => {
    isWanted = true
    if (!socket && !timer) dial()
  }

  const rest = () => {
    isWanted = false
    drop()
  }

  addEventListener('online', wake)
  addEventListener('pageshow', event => event.persisted && wake())
  // A page with an open socket is not kept for the back button.
  addEventListener('pagehide', () => drop())
  document.addEventListener('visibilitychange', () => {
    line.hiddenAt = document.hidden ? Date.now() : null
    if (!document.hidden) wake()
  })

  return {
    want,
    rest,
    restart() {
      drop()
      attempt = 0
      want()
    },
    settled() {
      attempt = 0
    },
    send(frame) {
      const isOpen = socket?.readyState === WebSocket.OPEN
      if (isOpen) socket!.send(JSON.stringify(frame))
      return isOpen
    },
  }
}

function parsed(data: unknown): FromDesk | null {
  try {
    return JSON.parse(`${data}`)
  } catch {
    return null // "pong"
  }
}
