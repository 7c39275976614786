/** Inboxes: connected, tested, changed, paused and disconnected; and how each is doing, asked of the mailbox itself. */
import { createRoute, z } from '@hono/zod-openapi'
import { isUuid } from '../domain/ids.ts'
import { settings } from '../env.ts'
import { log } from '../log.ts'
import { foldersOf } from '../mail/check.ts'
import { type Connection, fingerprint, rememberTest } from '../store/connection-tests.ts'
import { db } from '../store/db.ts'
import {
  EmailSettings,
  emailInboxById,
  type InboxRow,
  inboxesOf,
  removeInbox,
  tellInboxState,
} from '../store/inboxes.ts'
import { seesInbox, type Who } from './access.ts'
import { assistantMustExist } from './assistants.ts'
import { accountsOf, ConnectionTestSchema, tried } from './connection-test.ts'
import { connectionFields, edited, InboxChange, NewInbox, typedConnection } from './inbox-fields.ts'
import { InboxSchema, inboxJson } from './inbox-json.ts'
import { changeInbox, createInbox, savedInbox } from './inbox-saving.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'
import { idOf } from './requests.ts'

const answers = {
  200: { description: 'The inbox', content: { 'application/json': { schema: InboxSchema } } },
}
const asked = ['unknown_field', 'unauthorized'] as const
const written = [
  ...(['bad_json', 'missing_field', 'invalid_field', 'forbidden', 'host_refused'] as const),
  ...(['address_taken', 'test_required', 'test_invalid', ...asked] as const),
] as const

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'List inboxes in the order they were connected, each with how it is doing',
  request: { query: z.strictObject({ limit, cursor }) },
  responses: {
    200: {
      description: 'A page',
      content: { 'application/json': { schema: listOf('Inboxes', InboxSchema) } },
    },
    ...refusals('invalid_field', ...asked),
  },
})

const connect = createRoute({
  method: 'post',
  path: '/',
  summary: 'Connect an inbox',
  description:
    'Needs the `testId` of a connection test of the same settings, or `force`, which leaves the inbox `unverified`. Servers and ports that are left out are the provider’s.',
  request: { body: jsonBody(NewInbox) },
  responses: { ...answers, ...refusals(...written) },
})

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'One inbox and how it is doing',
  request: byId,
  responses: { ...answers, ...refusals('not_found', ...asked) },
})

const change = createRoute({
  method: 'patch',
  path: '/{id}',
  summary: 'Change an inbox, pause it, or switch its account',
  description:
    'What is not named stays. Where address, host, port, TLS, user or password change, a `testId` or `force` is needed, as for a new inbox. Another host or user needs its password again.',
  request: { ...byId, body: jsonBody(InboxChange) },
  responses: { ...answers, ...refusals('not_found', 'conflict', ...written) },
})

const disconnect = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Disconnect an inbox',
  description:
    'Mail that still waits to be sent is withdrawn, and the password is forgotten. Conversations stay; nothing is changed on the mail server.',
  request: byId,
  responses: {
    200: {
      description: 'Disconnected',
      content: { 'application/json': { schema: z.object({ id: z.uuid(), deleted: z.literal(true) }) } },
    },
    ...refusals('not_found', 'forbidden', 'unavailable', ...asked),
  },
})

const tested = {
  200: {
    description: 'How both legs did; also where one failed',
    content: { 'application/json': { schema: ConnectionTestSchema } },
  },
}

const test = createRoute({
  method: 'post',
  path: '/test-connection',
  summary: 'Test the connection to IMAP and SMTP, side by side, before it is saved',
  description:
    'With `inboxId` what is not named is taken from that inbox; its password only for the servers and users it is saved for. The `testId` is good for `POST` and `PATCH` of inboxes with the same settings.',
  request: {
    body: jsonBody(
      z
        .strictObject({ ...connectionFields, inboxId: z.uuid() })
        .partial()
        .openapi('ConnectionToTest'),
    ),
  },
  responses: {
    ...tested,
    ...refusals('bad_json', 'missing_field', 'invalid_field', 'forbidden', 'not_found', ...asked),
  },
})

const check = createRoute({
  method: 'post',
  path: '/{id}/check',
  summary:
    'Test the saved connection of an inbox; where it passes, the inbox is verified and is synced at once',
  request: byId,
  responses: { ...tested, ...refusals('not_found', 'missing_field', 'forbidden', ...asked) },
})

/** So long the first look at a mailbox is waited for. */
const BEGUN_MS = 5_000

export const inboxes = noun()
  .openapi(list, async c => {
    const query = c.req.valid('query')
    const after = readCursor(query.cursor, z.tuple([z.string()]))?.[0] ?? null
    const rows = await inboxesOf(db(c.env.DB), c.get('siteId'), c.get('who').inboxes, after, query.limit + 1)
    const { page, next } = pageOf(rows, query.limit, row => [row.id])
    const items = await Promise.all(page.filter(isReadable).map(row => lively(c.env, row)))
    return c.json({ items, next }, 200)
  })
  .openapi(connect, async c => {
    const typed = c.req.valid('json')
    const siteId = c.get('siteId')
    const id = await idOf(c)
    // The same request came before and broke off; the test that it names is used up.
    const made = c.get('once') && (await emailInboxById(db(c.env.DB), siteId, id))
    if (made) return c.json(await lively(c.env, made), 200)
    await assistantMustExist(c.env, siteId, typed.assistantId)
    const edit = await edited(c.env, typed, null)
    if (typed.folders && !typed.force) await mustHaveFolders(c.env, edit.connection!, typed.folders)
    const row = await createInbox(c.env, siteId, { ...edit, id, connection: edit.connection! }, typed)
    if (!row) throw new Refusal('address_taken')
    // Mail that is sent as soon as this is answered is new mail.
    if (row.state === 'connected') await c.env.MAILBOX.getByName(`${siteId}/${row.id}`).begun(BEGUN_MS)
    return c.json(await lively(c.env, row), 200)
  })
  .openapi(test, async c => {
    const { inboxId, ...typed } = c.req.valid('json')
    const siteId = c.get('siteId')
    const saved = inboxId === undefined ? null : await savedInbox(c.env, siteId, inboxId)
    const connection = (await typedConnection(c.env, typed, saved)) ?? (await saved!.connection())
    const result = await tried(c.env, connection, c.req.header('accept-language'))
    if (!result.ok) return c.json({ ...result, testId: null, expiresAt: null }, 200)
    const { KEK } = settings(c.env)
    const { testId, expiresAt } = await rememberTest(
      db(c.env.DB),
      siteId,
      await fingerprint(KEK, siteId, connection),
      Date.now(),
    )
    return c.json({ ...result, testId, expiresAt: String(expiresAt) }, 200)
  })
  .openapi(show, async c =>
    c.json(
      await lively(c.env, await found(c.env, c.get('siteId'), c.get('who'), c.req.valid('param').id)),
      200,
    ),
  )
  .openapi(change, async c => {
    const typed = c.req.valid('json')
    const siteId = c.get('siteId')
    const { id } = await found(c.env, siteId, c.get('who'), c.req.valid('param').id)
    await assistantMustExist(c.env, siteId, typed.assistantId)
    const row = await changeInbox(c.env, siteId, id, typed, async saved => {
      const edit = await edited(c.env, typed, saved)
      if (typed.folders)
        await mustHaveFolders(c.env, edit.connection ?? (await saved.connection()), typed.folders)
      return edit
    })
    return c.json(await lively(c.env, row), 200)
  })
  .openapi(disconnect, async c => {
    const siteId = c.get('siteId')
    const { id } = await found(c.env, siteId, c.get('who'), c.req.valid('param').id)
    // First the row, so that no tick of the clock brings the mailbox back.
    await removeInbox(c.env.DB, siteId, id)
    await forget(c.env, siteId, id)
    return c.json({ id, deleted: true as const }, 200)
  })
  .openapi(check, async c => {
    const siteId = c.get('siteId')
    const row = await found(c.env, siteId, c.get('who'), c.req.valid('param').id)
    const { id } = row
    const connection = await (await savedInbox(c.env, siteId, id)).connection()
    if ((connection.imap && !connection.imapPassword) || (connection.smtp && !connection.smtpPassword))
      throw new Refusal('missing_field', 'This inbox has no password yet: save one first.', 'password')
    const result = await tried(c.env, connection, c.req.header('accept-language'))
    if (result.ok) {
      const passed = await fingerprint(settings(c.env).KEK, siteId, connection)
      await changeInbox(c.env, siteId, id, { passed }, async saved => edited(c.env, {}, saved))
    } else if (row.verifiedAt === null)
      await tellInboxState(db(c.env.DB), siteId, id, {
        state: 'unverified',
        reason: result.message,
        at: Date.now(),
      })
    return c.json({ ...result, testId: null, expiresAt: null }, 200)
  })

async function found(env: Env, siteId: string, who: Who, id: string): Promise<InboxRow> {
  const row = isUuid(id) && seesInbox(who, id) && (await emailInboxById(db(env.DB), siteId, id))
  if (!row) throw new Refusal('not_found')
  return row
}

/** Nothing asks again for an object whose row is gone, so this does, before it gives up. */
async function forget(env: Env, siteId: string, id: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await env.MAILBOX.getByName(`${siteId}/${id}`).forget()
    } catch (error) {
      log('mailbox_not_forgotten', { inbox: id, attempt }, error)
      if (attempt === FORGET_ATTEMPTS) throw new Refusal('unavailable')
    }
  }
}

const FORGET_ATTEMPTS = 3

/** A folder that is not there is named now. A server that cannot be asked just now refuses nobody: the inbox's state will tell. */
async function mustHaveFolders(env: Env, connection: Connection, wanted: readonly string[]): Promise<void> {
  const { imap } = accountsOf(connection)
  if (!imap) return
  const there = await foldersOf(env, imap)
  const missing = there && wanted.find(path => !there.some(one => one === path || bothInbox(one, path)))
  if (missing)
    throw new Refusal('invalid_field', `There is no folder "${missing}" in this mailbox.`, 'folders')
}

/** RFC 3501 §5.1: INBOX alone is the same in any case. */
function bothInbox(one: string, other: string): boolean {
  return one.toUpperCase() === 'INBOX' && other.toUpperCase() === 'INBOX'
}

/** One that cannot be read does not hold up the others. */
function isReadable(row: InboxRow): boolean {
  try {
    EmailSettings.parse(JSON.parse(row.settings))
    return true
  } catch {
    log('inbox_settings_unreadable', { inbox: row.id })
    return false
  }
}

async function lively(env: Env, row: InboxRow) {
  return inboxJson(row, await env.MAILBOX.getByName(`${row.siteId}/${row.id}`).status())
}
