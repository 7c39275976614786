import { describe, expect, it } from 'vitest'
import { isUuid, uuidv7 } from '../../src/domain/ids.ts'
import type { Desk } from '../../web/widget/desk.ts'
import { newId, type Session, sessionWith } from '../../web/widget/session.ts'
import type { Store } from '../../web/widget/storage.ts'
import type { Begun } from '../../web/widget/wire.ts'

const CLAIMS = { language: 'en' }

/** What a browser keeps, as its tabs share it. */
function storage(): Store {
  const kept = new Map<string, string>()
  return {
    read: key => JSON.parse(kept.get(key) ?? 'null'),
    write: (key, value) => void kept.set(key, JSON.stringify(value ?? null)),
  }
}

/** A desk that knows its tokens; `asked` are the sessions that were begun, with the token each came with. */
function desks(good: string[] = []) {
  const asked: (string | undefined)[] = []
  const made: string[] = []
  const tab = (store: Store, meanwhile: () => void = () => {}): { session: Session; desk: Desk } => {
    const desk = {
      token: undefined,
      async begin(_: string, body: { token?: string }) {
        asked.push(body.token)
        meanwhile()
        if (body.token && !good.includes(body.token))
          throw Object.assign(Error('no'), { code: 'unauthorized' })
        const token = `t${asked.length}`
        good.push(token)
        return { token, conversation: null, chat: { title: 'Acme' } } as unknown as Begun
      },
      async converse(id: string) {
        made.push(id)
        if (made.length === 1) throw Error('the network went away')
        return { id: 'real' }
      },
    } as unknown as Desk
    return { desk, session: sessionWith(desk, store, 'w1') }
  }
  return { asked, made, tab }
}

describe('a visitor’s session', () => {
  it('CW9 comes back with its token, and begins anew where that is good no more', async () => {
    const { asked, tab } = desks()
    const store = storage()
    await tab(store).session.begin(CLAIMS)
    await tab(store).session.begin(CLAIMS)
    expect(asked).toEqual([undefined, 't1'])
    store.write('edgedesk w1', { token: 'forged', conversation: 'old' })
    const { session, desk } = tab(store)
    await session.begin(CLAIMS)
    expect(asked.slice(2)).toEqual(['forged', undefined])
    expect(session.kept().conversation).toBeUndefined()
    expect(desk.token).toBe(session.kept().token)
  })

  it('M5 two tabs that begin at once are one visitor', async () => {
    const { asked, tab } = desks()
    const store = storage()
    const other = tab(store)
    let isFirst = true
    const { session, desk } = tab(store, () => {
      if (isFirst) store.write('edgedesk w1', { token: 'theirs' })
      isFirst = false
    })
    await session.begin(CLAIMS).catch(() => {})
    expect(asked.slice(0, 2)).toEqual([undefined, 'theirs'])
    expect(desk.token).toBe(session.kept().token)
    other.session.take()
    expect(other.desk.token).toBe(desk.token)
  })

  it('M5 what another tab was told or began meanwhile is not undone', async () => {
    const { tab } = desks(['t0'])
    const store = storage()
    store.write('edgedesk w1', { token: 't0' })
    const later = { token: 'newer', conversation: 'c9' }
    await tab(store, () => store.write('edgedesk w1', later)).session.begin(CLAIMS)
    expect(store.read('edgedesk w1')).toMatchObject(later)
    store.write('edgedesk w1', { token: 't0' })
    await tab(store, () => store.write('edgedesk w1', { token: 't0', conversation: 'c9' })).session.begin(
      CLAIMS,
    )
    expect(store.read('edgedesk w1')).toMatchObject({ conversation: 'c9' })
  })

  it('M5 a conversation whose beginning was cut off is begun again under the same id, by whichever tab', async () => {
    const { made, tab } = desks()
    const store = storage()
    await tab(store)
      .session.conversation()
      .catch(() => {})
    expect(await tab(store).session.conversation()).toBe('real')
    expect(made[0]).toBe(made[1])
    expect(await tab(store).session.conversation()).toBe('real')
    expect(made).toHaveLength(2)
  })

  it('CW13 what is forgotten leaves the chat’s looks alone', async () => {
    const { tab } = desks()
    const store = storage()
    const { session, desk } = tab(store)
    await session.begin(CLAIMS)
    session.forget()
    expect(store.read('edgedesk w1')).toEqual({ chat: { title: 'Acme' } })
    expect(desk.token).toBeUndefined()
  })

  it('CW9 ids are UUIDv7 as the desk makes them, of this moment', () => {
    const before = uuidv7(Date.now(), new Uint8Array(10)).slice(0, 13)
    const ids = Array.from({ length: 200 }, newId)
    for (const id of ids) {
      expect(isUuid(id)).toBe(true)
      expect(id).toMatch(/^.{14}7.{4}[89ab]/)
      expect(id.slice(0, 13) >= before).toBe(true)
    }
    expect(new Set(ids).size).toBe(200)
  })
})
