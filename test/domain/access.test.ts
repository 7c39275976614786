import { describe, expect, it } from 'vitest'
import {
  type Asker,
  beyond,
  hindrance,
  INBOX_SCOPES,
  OWNERS_SCOPES,
  RIGHTS,
  type Right,
  ROLES,
  type Role,
  SCOPES,
} from '../../src/domain/access.ts'

const right = (about: Partial<Right> = {}): Right => ({
  scope: 'messages:read',
  also: null,
  role: 'admin',
  contact: false,
  keys: true,
  audit: null,
  ...about,
})
const key = (scopes: Asker['scopes']): Asker => ({ kind: 'key', role: 'admin', scopes })
const person = (role: Role): Asker => ({ kind: 'member', role, scopes: null })
const contact: Asker = { kind: 'contact', role: 'agent', scopes: null }

describe('who may', () => {
  it('AC8 what has no row, nobody may', () => {
    for (const asker of [key(null), person('owner'), contact])
      expect(hindrance(undefined, asker)).toBe('Nobody may do that.')
  })

  it('AC9 a key may what its scopes say, whatever the role of the row', () => {
    expect(hindrance(right(), key(['messages:read']))).toBeNull()
    expect(hindrance(right({ role: 'owner' }), key(null))).toBeNull()
    expect(hindrance(right({ scope: null }), key([]))).toBeNull()
    expect(hindrance(right(), key(SCOPES.filter(scope => scope !== 'messages:read')))).toContain(
      'messages:read',
    )
    expect(hindrance(right({ keys: false, scope: null }), key(null))).toContain('person')
    const both = right({ scope: 'endpoints:read', also: 'messages:read' })
    expect(hindrance(both, key(['endpoints:read']))).toContain('messages:read')
    expect(hindrance(both, key(['messages:read']))).toContain('endpoints:read')
    for (const scopes of [null, ['messages:read', 'endpoints:read']])
      expect(hindrance(both, key(scopes))).toBeNull()
  })

  it('MB7 a member may what their role says, whatever the scope of the row', () => {
    for (const [least, needed] of ROLES.entries())
      for (const [mine, role] of ROLES.entries())
        expect(hindrance(right({ role: needed }), person(role)) === null, `${role} for ${needed}`).toBe(
          mine >= least,
        )
  })

  it('AC11 a contact may nothing but what a row says: its own chat', () => {
    const theirs = Object.entries(RIGHTS).filter(
      ([, one]) => one !== 'anybody' && hindrance(one, contact) === null,
    )
    expect(theirs.map(([row]) => row)).toEqual([
      'GET /api/v1/conversations/{id}/ws',
      'POST /api/v1/chat/conversations',
      'POST /api/v1/chat/attachments',
      'POST /api/v1/chat/emails',
      'GET /api/v1/chat/messages/{id}/attachments/{n}/link',
      'PUT /api/v1/chat/messages/{id}/feedback',
    ])
    expect(hindrance(right({ contact: false }), contact)).toBe('A contact may not do that.')
    expect(hindrance(right({ contact: true }), contact)).toBeNull()
  })

  it('AC11 what is a visitor’s is nobody else’s', () => {
    const visitors = right({ contact: true, role: null, keys: false })
    for (const asker of [key(null), person('owner')])
      expect(hindrance(visitors, asker)).toContain('Only a visitor')
  })
})

describe('the table', () => {
  it('AC8 has rows as the OpenAPI document writes paths', () => {
    for (const row of Object.keys(RIGHTS))
      expect(row).toMatch(/^(GET|POST|PATCH|PUT|DELETE) \/api(\/[\w-]+|\/\{\w+\})+$/)
  })

  it('AC8 lets nobody but admins and owners change what an audit entry is written for', () => {
    const loose = Object.entries(RIGHTS).filter(
      ([, one]) => one !== 'anybody' && one.audit !== null && one.role === 'agent' && one.keys,
    )
    // What agents do with conversations, and themselves.
    expect(loose.map(([row]) => row).filter(row => !/conversations|messages|contacts/.test(row))).toEqual([])
  })
})

describe('what may be given away', () => {
  it('AK3 an owner gives everything, an admin nothing that makes an owner, a key what it has', () => {
    expect(beyond(null, person('owner'))).toEqual([])
    expect(beyond(null, person('admin'))).toEqual(OWNERS_SCOPES)
    expect(beyond(['members:read', 'keys:read'], person('admin'))).toEqual([])
    expect(beyond(null, key(null))).toEqual([])
    expect(beyond(['keys:write', 'audit:read'], key(['keys:write']))).toEqual(['audit:read'])
    expect(beyond(null, key(['keys:write'])).length).toBe(SCOPES.length - 1)
  })

  it('AK4 a key of some inboxes has nothing of the whole site', () => {
    for (const scope of INBOX_SCOPES)
      expect(scope).not.toMatch(/^(members|keys|audit|settings|endpoints|contacts)/)
  })
})
