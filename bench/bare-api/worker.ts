/**
 * The least a Worker could do with the same request: Hono takes it, D1 gets one row, and the answer is the same JSON. It asks nobody who
 * they are, knows no conversation, tells nobody, finds nothing again. No product; only the yardstick for one.
 */
import { Hono } from 'hono'
import { uuidAsInteger } from '../../src/domain/ids.ts'
import { newId } from '../../src/store/ids.ts'

const SENDER = '01977e2a-0000-7000-8000-000000000001'

const bare = new Hono<{ Bindings: { DB: D1Database } }>()

bare.get('/health', async c => {
  await c.env.DB.prepare(
    `CREATE TABLE IF NOT EXISTS messages (id TEXT PRIMARY KEY, conversation_id TEXT NOT NULL, sender_id TEXT NOT NULL,
       content TEXT NOT NULL, created_at INTEGER NOT NULL) WITHOUT ROWID`,
  ).run()
  return c.json({ ok: true })
})

bare.post('/api/v1/messages', async c => {
  const { conversation, content } = await c.req.json<{ conversation: string; content: string }>()
  const at = Date.now()
  const id = newId(at)
  await c.env.DB.prepare(
    'INSERT INTO messages (id, conversation_id, sender_id, content, created_at) VALUES (?, ?, ?, ?, ?)',
  )
    .bind(id, conversation, SENDER, content, at)
    .run()
  return c.json(asAnswered(id, conversation, content, at))
})

/** As src/wire/message.ts shows what a contact said; the bench compares the fields of the two. */
function asAnswered(id: string, conversation: string, content: string, at: number) {
  return {
    id,
    conversation,
    sender: {
      ...{ id: JSON.rawJSON(uuidAsInteger(SENDER)), uuid: SENDER, kind: 'contact', name: '', avatar: null },
    },
    ...{ type: 'incoming', content, contentIsCut: false, subject: null, messageId: null, to: null },
    ...{ inbox: null, feedback: null, createdAt: String(at) },
    ...{ attachments: [], citations: [], citationNodes: [] },
    verdict: { class: 'person', reasons: ['by_api'], mayFlow: true, mayDraft: true, maySend: true },
    reply: { do: 'silent', why: 'no_assistant', message: 'No assistant is bound to this inbox.' },
    ...{
      delivery: null,
      continues: null,
      undoUntil: null,
      by: null,
      edited: false,
      draft: null,
      authentication: null,
    },
    ...{ about: null, quarantine: null, imported: false, flags: [], original: null },
  }
}

export default bare
