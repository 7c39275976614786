/** Contacts as the API changes them; mail makes them (store/emails.ts). */
import { and, eq, gt, sql } from 'drizzle-orm'
import { type Db, steady } from './db.ts'
import { contacts, erasedContacts } from './schema.ts'

export type Contact = typeof contacts.$inferSelect

/** The oldest first, from just after one; the one with this address or source where it is named. */
export async function contactsAfter(
  db: Db,
  siteId: string,
  named: { address?: string | undefined; sourceId?: string | undefined },
  after: string,
  limit: number,
): Promise<Contact[]> {
  return steady(() =>
    db
      .select()
      .from(contacts)
      .where(
        and(
          eq(contacts.siteId, siteId),
          gt(contacts.id, after),
          named.address === undefined ? undefined : eq(contacts.address, named.address),
          named.sourceId === undefined ? undefined : eq(contacts.sourceId, named.sourceId),
        ),
      )
      .orderBy(contacts.id)
      .limit(limit),
  )
}

export async function contactById(db: Db, siteId: string, id: string): Promise<Contact | undefined> {
  return steady(() => db.select().from(contacts).where(theOne(siteId, id)).get())
}

/** What another contact has already; null where it was added, or is here since the same request came before. */
export async function addContact(db: Db, contact: Contact): Promise<'address' | 'sourceId' | null> {
  const { meta } = await steady(() => db.insert(contacts).values(contact).onConflictDoNothing())
  if (meta.changes > 0) return null
  if (await contactById(db, contact.siteId, contact.id)) return null
  const { siteId, address } = contact
  const other =
    address !== null &&
    (await steady(() =>
      db
        .select({ id: contacts.id })
        .from(contacts)
        .where(and(eq(contacts.siteId, siteId), eq(contacts.address, address)))
        .get(),
    ))
  return other ? 'address' : 'sourceId'
}

/** False where another contact has its `sourceId`. */
export async function changeContact(
  db: Db,
  siteId: string,
  id: string,
  change: Pick<Contact, 'name' | 'avatar' | 'vip' | 'sourceId' | 'labels'>,
): Promise<boolean> {
  const { sourceId } = change
  const free = sql`(${sourceId} IS NULL OR NOT EXISTS (
    SELECT 1 FROM contacts other WHERE other.site_id = ${siteId} AND other.source_id = ${sourceId} AND other.id <> ${id}))`
  const { meta } = await steady(() =>
    db
      .update(contacts)
      .set(change)
      .where(and(theOne(siteId, id), free)),
  )
  return meta.changes > 0
}

/** Somebody of whom nothing is known yet. */
export async function newContact(db: Db, siteId: string, id: string, at: number): Promise<Contact> {
  const row = { siteId, id, address: null, name: '', avatar: null, claimedAddress: null, createdAt: at }
  await steady(() => db.insert(contacts).values(row).onConflictDoNothing())
  return { ...row, labels: '[]', vip: false, sourceId: null }
}

/** A visitor of a web chat, made where there is none; what they say of themselves now holds. */
export async function visitor(
  db: Db,
  about: { siteId: string; id: string; name: string; claimedAddress: string | null; at: number },
): Promise<Contact> {
  const { siteId, id, name, claimedAddress, at } = about
  const said = { ...(name === '' ? {} : { name }), ...(claimedAddress === null ? {} : { claimedAddress }) }
  return steady(() =>
    db
      .insert(contacts)
      .values({ siteId, id, address: null, name, claimedAddress, createdAt: at })
      .onConflictDoUpdate({ target: [contacts.siteId, contacts.id], set: { siteId, ...said } })
      .returning()
      .get(),
  )
}

/** Whether it was erased: nothing makes it again. */
export async function isErased(db: Db, siteId: string, id: string): Promise<boolean> {
  const row = await steady(() =>
    db
      .select({ id: erasedContacts.id })
      .from(erasedContacts)
      .where(and(eq(erasedContacts.siteId, siteId), eq(erasedContacts.id, id)))
      .get(),
  )
  return row !== undefined
}

/** Safe to repeat. */
export async function neverAgain(db: Db, siteId: string, id: string, at: number): Promise<void> {
  await steady(() => db.insert(erasedContacts).values({ siteId, id, createdAt: at }).onConflictDoNothing())
}

/** What a visitor says of themself now, where anything is kept of them yet. */
export async function changeClaim(
  db: Db,
  siteId: string,
  id: string,
  said: Pick<Contact, 'name' | 'claimedAddress'>,
): Promise<void> {
  await steady(() => db.update(contacts).set(said).where(theOne(siteId, id)))
}

/** The contact with this address, made where there is none; whoever was first keeps the name. */
export async function contactWithAddress(
  db: Db,
  siteId: string,
  contact: { id: string; name: string; address: string; at: number },
): Promise<Pick<Contact, 'id' | 'name'>> {
  const { id, address, at } = contact
  await steady(() =>
    db
      .insert(contacts)
      .values({ siteId, id, address, name: contact.name || address, createdAt: at })
      .onConflictDoNothing(),
  )
  const row = await steady(() =>
    db
      .select({ id: contacts.id, name: contacts.name })
      .from(contacts)
      .where(and(eq(contacts.siteId, siteId), eq(contacts.address, address)))
      .get(),
  )
  return row!
}

function theOne(siteId: string, id: string) {
  return and(eq(contacts.siteId, siteId), eq(contacts.id, id))
}
