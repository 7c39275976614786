/** Contacts: who writes to us, and the labels that say what may be read for them. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Message } from '../domain/conversation.ts'
import { isUuid } from '../domain/ids.ts'
import { settings } from '../env.ts'
import { labelsOf } from '../store/articles.ts'
import {
  addContact,
  type Contact,
  changeContact,
  contactById,
  contactsAfter,
  neverAgain,
} from '../store/contacts.ts'
import { conversationsById, copiedRow } from '../store/conversations.ts'
import { type Db, db } from '../store/db.ts'
import { forgetAnswers } from '../store/idempotency.ts'
import { conversationsJoined, conversationsWith, forgetContacts, forgetJoined } from '../store/retention.ts'
import { ConversationSchema, conversationsJson } from '../wire/conversation.ts'
import { FullMessageSchema, messageJson } from '../wire/message.ts'
import type { Who } from './access.ts'
import { audited, changesOf } from './audit.ts'
import { mailAddress, ONE_LINE, oneLine } from './inbox-fields.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'
import { idOf, madeAt, primary, readAfter } from './requests.ts'

const labels = z
  .array(z.string().trim().min(1).max(64))
  .max(20)
  .openapi({ description: 'An article with labels is read only for contacts that carry one of them.' })
const ContactSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    avatar: z.string().nullable(),
    address: z.string().nullable(),
    claimedAddress: z
      .string()
      .nullable()
      .openapi({ description: 'What a visitor of a web chat says theirs is; it proves nothing.' }),
    sourceId: z.string().nullable(),
    vip: z.boolean(),
    labels,
    createdAt: z.string(),
  })
  .openapi('Contact')
const ContactChange = z
  .strictObject({
    name: z.string().trim().max(200).regex(ONE_LINE, 'must be one line without control characters'),
    avatar: z
      .url({ protocol: /^https$/ })
      .max(2000)
      .nullable(),
    vip: z.boolean(),
    sourceId: oneLine(200)
      .nullable()
      .openapi({ description: 'What it is called where it comes from, such as a customer’s number.' }),
    labels,
  })
  .partial()
  .openapi('ContactChange')
const NewContact = ContactChange.extend({ address: mailAddress.optional() }).openapi('NewContact')

const shown = {
  200: { description: 'The contact', content: { 'application/json': { schema: ContactSchema } } },
}
const asked = ['unknown_field', 'unauthorized', 'forbidden'] as const
const onlyOfAll = 'A member whose inboxes are limited sees contacts in their conversations only.'

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'List contacts, the oldest first',
  description: `The one of an address or a \`sourceId\` where it is named. ${onlyOfAll}`,
  request: {
    query: z.strictObject({
      address: mailAddress.optional(),
      sourceId: z.string().max(200).optional(),
      limit,
      cursor,
    }),
  },
  responses: {
    200: {
      description: 'A page',
      content: { 'application/json': { schema: listOf('Contacts', ContactSchema) } },
    },
    ...refusals('invalid_field', ...asked),
  },
})

const add = createRoute({
  method: 'post',
  path: '/',
  summary: 'Add a contact',
  request: { body: jsonBody(NewContact) },
  responses: {
    ...shown,
    ...refusals('bad_json', 'missing_field', 'invalid_field', 'contact_taken', ...asked),
  },
})

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'One contact',
  description: onlyOfAll,
  request: byId,
  responses: { ...shown, ...refusals('not_found', ...asked) },
})

const change = createRoute({
  method: 'patch',
  path: '/{id}',
  summary: 'Change a contact’s name or labels',
  description: 'What is not named stays.',
  request: { ...byId, body: jsonBody(ContactChange) },
  responses: { ...shown, ...refusals('not_found', 'bad_json', 'invalid_field', 'contact_taken', ...asked) },
})

const ExportSchema = z
  .object({
    exportedAt: z.string(),
    contact: ContactSchema,
    conversations: z.array(
      z.object({ conversation: ConversationSchema, messages: z.array(FullMessageSchema) }),
    ),
    elsewhere: z
      .array(FullMessageSchema)
      .openapi({ description: 'What they wrote into conversations with others.' }),
  })
  .openapi('ContactExport')

const exported = createRoute({
  method: 'get',
  path: '/{id}/export',
  summary: 'All that is kept of a contact, as one file',
  description:
    'With every conversation and the whole text of each message; attachments are named, and downloaded from where it says.',
  request: byId,
  responses: {
    200: { description: 'A file', content: { 'application/json': { schema: ExportSchema } } },
    ...refusals('not_found', ...asked),
  },
})

const erase = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Erase a contact and every conversation with them, for good',
  description:
    'Messages, attachments, raw mail and search words go with it. Backups of the platform itself keep content up to 30 days more.',
  request: byId,
  responses: { 204: { description: 'They are gone' }, ...refusals('not_found', ...asked) },
})

export const contacts = noun()
  .openapi(list, async c => {
    mustSeeAll(c.get('who'))
    const query = c.req.valid('query')
    const after = readCursor(query.cursor, z.tuple([z.string()]))?.[0] ?? ''
    const { address, sourceId } = query
    const rows = await contactsAfter(
      readAfter(c),
      c.get('siteId'),
      { address, sourceId },
      after,
      query.limit + 1,
    )
    const { page, next } = pageOf(rows, query.limit, row => [row.id])
    return c.json({ items: page.map(contactJson), next }, 200)
  })
  .openapi(add, async c => {
    mustSeeAll(c.get('who'))
    const { address = null, ...typed } = c.req.valid('json')
    const id = await idOf(c)
    const contact: Contact = {
      ...{ siteId: c.get('siteId'), id, address, claimedAddress: null, createdAt: madeAt(c) },
      ...columnsOf({ name: address ?? '', avatar: null, vip: false, sourceId: null, labels: '[]' }, typed),
    }
    const { d1, handOut } = primary(c)
    const other = await addContact(db(d1), contact)
    if (other)
      throw new Refusal(
        'contact_taken',
        `A contact has this ${other} already.`,
        other === 'address' ? 'address' : 'sourceId',
      )
    const made = (await contactById(db(d1), contact.siteId, id)) ?? contact
    handOut()
    return c.json(contactJson(made), 200)
  })
  .openapi(show, async c => {
    mustSeeAll(c.get('who'))
    return c.json(contactJson(await found(c.env, c.get('siteId'), c.req.valid('param').id)), 200)
  })
  .openapi(exported, async c => {
    const d1 = db(c.env.DB)
    const contact = await found(c.env, c.get('siteId'), c.req.valid('param').id)
    c.header('content-disposition', `attachment; filename="contact-${contact.id}.json"`)
    return c.json(await allOf(c.env, d1, contact), 200)
  })
  .openapi(erase, async c => {
    const { siteId, id, address } = await found(c.env, c.get('siteId'), c.req.valid('param').id)
    for (;;) {
      const some = await conversationsWith(db(c.env.DB), siteId, id, ERASED_TOGETHER)
      if (some.length === 0) break
      await Promise.all(some.map(one => c.env.CONVERSATION.getByName(`${siteId}/${one.id}`).erase()))
    }
    if (address !== null) await eraseJoined(c.env, siteId, { id, address })
    const { d1, handOut } = primary(c)
    await neverAgain(db(d1), siteId, id, Date.now())
    await forgetContacts(d1, siteId, [id], { all: true })
    await forgetAnswers(db(c.env.DB), siteId)
    handOut()
    return c.body(null, 204)
  })
  .openapi(change, async c => {
    const wanted = c.req.valid('json')
    const contact = await found(c.env, c.get('siteId'), c.req.valid('param').id)
    const next = columnsOf(contact, wanted)
    const { d1, handOut } = primary(c)
    if (!(await changeContact(db(d1), contact.siteId, contact.id, next)))
      throw new Refusal('contact_taken', 'A contact has this sourceId already.', 'sourceId')
    handOut()
    const after = contactJson({ ...contact, ...next })
    audited(c, { changes: changesOf(contactJson(contact), after, TOLD, NAMED) })
    return c.json(after, 200)
  })

/** Who somebody is stands nowhere but in their own row, which can be erased. */
const NAMED = ['name', 'avatar', 'sourceId'] as const
const TOLD = ['vip'] as const

function columnsOf(
  before: Pick<Contact, 'name' | 'avatar' | 'vip' | 'sourceId' | 'labels'>,
  typed: z.infer<typeof ContactChange>,
) {
  const { labels, ...named } = typed
  const { name, avatar, vip, sourceId } = { ...before, ...named }
  return {
    ...{ name, avatar, vip, sourceId },
    labels: labels ? JSON.stringify([...new Set(labels)]) : before.labels,
  } as Pick<Contact, 'name' | 'avatar' | 'vip' | 'sourceId' | 'labels'>
}

/** What they wrote into conversations with others. */
async function eraseJoined(env: Env, siteId: string, contact: { id: string; address: string }) {
  for (;;) {
    const some = await conversationsJoined(env.DB, siteId, contact, ERASED_TOGETHER)
    if (some.length === 0) return
    for (const id of some) {
      await env.CONVERSATION.getByName(`${siteId}/${id}`).eraseSaidBy(contact.id)
      await forgetJoined(env.DB, siteId, id, contact.address)
    }
  }
}

/** The whole text is with the conversation itself. */
async function allOf(env: Env, d1: Db, contact: Contact): Promise<z.infer<typeof ExportSchema>> {
  const { siteId, id } = contact
  const ids = await conversationsWith(d1, siteId, id, MOST_EXPORTED)
  const rows = await conversationsById(
    d1,
    siteId,
    ids.map(one => one.id),
  )
  const shownRows = await conversationsJson(d1, siteId, rows, settings(env).PUBLIC_URL)
  const conversations: z.infer<typeof ExportSchema>['conversations'] = []
  for (const conversation of shownRows) {
    const live = await env.CONVERSATION.getByName(`${siteId}/${conversation.id}`).read()
    const messages = (live?.messages ?? []).map(one => wholeJson(env, siteId, conversation.id, one))
    conversations.push({ conversation, messages: await Promise.all(messages) })
  }
  const elsewhere: z.infer<typeof ExportSchema>['elsewhere'] = []
  const joined = contact.address
    ? await conversationsJoined(env.DB, siteId, { id, address: contact.address }, MOST_EXPORTED)
    : []
  for (const name of joined) {
    using said = await env.CONVERSATION.getByName(`${siteId}/${name}`).saidBy(id)
    for (const one of said.messages) elsewhere.push(await wholeJson(env, siteId, said.conversationId, one))
  }
  return { exportedAt: String(Date.now()), contact: contactJson(contact), conversations, elsewhere }
}

async function wholeJson(env: Env, siteId: string, conversationId: string, message: Message) {
  const { bodyKey, rest = '' } = message.details
  const body = bodyKey ? await env.MAIL.get(bodyKey) : null
  return {
    ...messageJson(copiedRow(siteId, conversationId, message), settings(env).PUBLIC_URL),
    content: message.content,
    rest: body ? await body.text() : rest,
  }
}

const MOST_EXPORTED = 10_000
const ERASED_TOGETHER = 20

/** A contact belongs to no inbox, so their list would tell an agent who writes to the others (N6). */
function mustSeeAll(who: Who): void {
  if (who.inboxes !== null) throw new Refusal('forbidden', onlyOfAll)
}

async function found(env: Env, siteId: string, id: string): Promise<Contact> {
  const contact = isUuid(id) && (await contactById(db(env.DB), siteId, id))
  if (!contact) throw new Refusal('not_found')
  return contact
}

function contactJson(contact: Contact): z.infer<typeof ContactSchema> {
  return {
    id: contact.id,
    name: contact.name,
    avatar: contact.avatar,
    address: contact.address,
    claimedAddress: contact.claimedAddress,
    sourceId: contact.sourceId,
    vip: contact.vip,
    labels: labelsOf(contact),
    createdAt: String(contact.createdAt),
  }
}
