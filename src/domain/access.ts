/**
 * Who may do what: ONE table with a row for every route, and the one function that reads it. A route without a row is refused to
 * everybody, so a new route begins with its row here.
 *
 * Three kinds ask. An API key may do what its scopes say. A member (by session, token or Cloudflare Access) may do what their role says.
 * A contact (by the token of a web chat's session) may do nothing but where a row says otherwise, and only in conversations that are
 * theirs. What stands in an inbox that the asker may not see is not there for them; that is looked up by the handlers, row by row.
 */

/** From the least to the most. */
export const ROLES = ['agent', 'admin', 'owner'] as const
export type Role = (typeof ROLES)[number]

/** `write` does not include `read`. */
export const SCOPES = [
  'conversations:read',
  'conversations:write',
  'messages:read',
  'messages:write',
  'contacts:read',
  'contacts:write',
  'inboxes:read',
  'inboxes:write',
  'emails:read',
  'emails:write',
  'assistants:read',
  'assistants:write',
  'articles:read',
  'articles:write',
  'endpoints:read',
  'endpoints:write',
  'members:read',
  'members:write',
  'keys:read',
  'keys:write',
  'audit:read',
  'settings:read',
  'settings:write',
] as const
export type Scope = (typeof SCOPES)[number]

/** Whoever has one of these can become anybody: only an owner, or a key that has it, gives it away. */
export const OWNERS_SCOPES: readonly Scope[] = ['members:write', 'keys:write']

/** What a key that is limited to some inboxes may have: everything else is of the whole site. */
export const INBOX_SCOPES: readonly Scope[] = [
  'conversations:read',
  'conversations:write',
  'messages:read',
  'messages:write',
  'inboxes:read',
  'emails:read',
]

export interface Right {
  /** What a key needs; null where any key may. */
  scope: Scope | null
  /** What it needs besides; null where that is all. */
  also: Scope | null
  /** The lowest role of a member who may; null where none may. */
  role: Role | null
  /** Whether a contact's token may. */
  contact: boolean
  /** Whether keys may at all: signing in is for people. */
  keys: boolean
  /** What the audit log calls it, `target.done`; null where nothing is written there. */
  audit: string | null
}

function may(scope: Scope | null, role: Role = 'agent', more: Partial<Right> = {}): Right {
  return { scope, also: null, role, contact: false, keys: true, audit: null, ...more }
}

/** What an admin changes, and what the audit log says of it. */
function changes(scope: Scope, audit: string, role: Role = 'admin'): Right {
  return may(scope, role, { audit })
}

/** What visitors of a web chat do, each for themself. */
function visitors(): Right {
  return { scope: null, also: null, role: null, contact: true, keys: false, audit: null }
}

/** About the person themself. */
function person(more: Partial<Right> = {}): Right {
  return may(null, 'agent', { keys: false, ...more })
}

/** `METHOD /path/as/in/the/openapi/{document}`, without a slash at its end → who may. `anybody` asks for no key. */
export const RIGHTS: Readonly<Record<string, Right | 'anybody'>> = {
  'GET /api/v1/health': 'anybody',

  'GET /api/v1/me': may(null),
  'PATCH /api/v1/me': person(),
  'GET /api/v1/me/sessions': person(),
  'DELETE /api/v1/me/sessions': person({ audit: 'session.revoked' }),
  'DELETE /api/v1/me/sessions/{id}': person({ audit: 'session.revoked' }),

  'GET /api/v1/conversations': may('conversations:read'),
  'GET /api/v1/conversations/{id}': may('conversations:read'),
  'PATCH /api/v1/conversations/{id}': may('conversations:write', 'agent', { audit: 'conversation.changed' }),
  'DELETE /api/v1/conversations/{id}': changes('conversations:write', 'conversation.erased'),
  'POST /api/v1/conversations': may('conversations:write'),
  'POST /api/v1/conversations/{id}/merge': may('conversations:write', 'agent', {
    audit: 'conversation.merged',
  }),
  'POST /api/v1/conversations/{id}/forward': may('messages:write', 'agent', {
    audit: 'conversation.forwarded',
  }),
  'GET /api/v1/drafts': may('messages:read'),
  'PATCH /api/v1/drafts/{id}': may('messages:write'),
  'POST /api/v1/drafts/{id}/approve': may('messages:write'),
  'DELETE /api/v1/drafts/{id}': may('messages:write'),
  'GET /api/v1/messages': may('messages:read'),
  'GET /api/v1/messages/{id}': may('messages:read'),
  'POST /api/v1/messages': may('messages:write'),
  'PUT /api/v1/messages/{id}/feedback': may('messages:write'),
  'POST /api/v1/messages/{id}/undo': may('messages:write'),
  'GET /api/v1/messages/{id}/attachments/{n}/link': may('messages:read'),
  'GET /api/v1/attachments/{id}': may('messages:write'),
  'POST /api/v1/attachments': may('messages:write'),
  'GET /api/v1/messages/{id}/original': may('messages:read'),
  'GET /api/v1/messages/{id}/attachments/{n}': may('messages:read'),
  'POST /api/v1/messages/{id}/delivery': may('messages:write'),
  'POST /api/v1/messages/outgoing': may('messages:write'),

  'GET /api/v1/conversations/{id}/ws': may('conversations:read', 'agent', {
    also: 'messages:read',
    contact: true,
  }),
  'GET /api/v1/ws': may('conversations:read', 'agent', { also: 'messages:read' }),
  'GET /api/v1/contacts': may('contacts:read'),
  'GET /api/v1/contacts/{id}': may('contacts:read'),
  'POST /api/v1/contacts': may('contacts:write'),
  'GET /api/v1/contacts/{id}/export': may('contacts:read', 'admin', { audit: 'contact.exported' }),
  'DELETE /api/v1/contacts/{id}': changes('contacts:write', 'contact.erased'),
  'GET /api/v1/site': may('settings:read', 'admin'),
  'PATCH /api/v1/site': changes('settings:write', 'site.changed'),
  'POST /api/v1/site/search-index': changes('settings:write', 'search.rebuilt'),
  'PATCH /api/v1/contacts/{id}': changes('contacts:write', 'contact.changed'),

  'GET /api/v1/email-providers': may(null),
  'GET /api/v1/inboxes': may('inboxes:read'),
  'POST /api/v1/inboxes': changes('inboxes:write', 'inbox.created'),
  'GET /api/v1/inboxes/{id}': may('inboxes:read'),
  'PATCH /api/v1/inboxes/{id}': changes('inboxes:write', 'inbox.changed'),
  'DELETE /api/v1/inboxes/{id}': changes('inboxes:write', 'inbox.removed'),
  'GET /api/v1/web-chats': may('inboxes:read'),
  'POST /api/v1/web-chats': changes('inboxes:write', 'web_chat.created'),
  'GET /api/v1/web-chats/{id}': may('inboxes:read'),
  'PATCH /api/v1/web-chats/{id}': changes('inboxes:write', 'web_chat.changed'),
  'DELETE /api/v1/web-chats/{id}': changes('inboxes:write', 'web_chat.removed'),
  'POST /api/v1/web-chats/{id}/identity-secret': changes('inboxes:write', 'web_chat.identity_secret_made'),
  // What a visitor asks first, and what only they may ask.
  'POST /api/v1/web-chats/{id}/sessions': 'anybody',
  'POST /api/v1/chat/conversations': visitors(),
  'POST /api/v1/chat/attachments': visitors(),
  'POST /api/v1/chat/emails': visitors(),
  'GET /api/v1/chat/messages/{id}/attachments/{n}/link': visitors(),
  'PUT /api/v1/chat/messages/{id}/feedback': visitors(),
  'POST /api/v1/inboxes/test-connection': may('inboxes:write', 'admin'),
  'POST /api/v1/inboxes/{id}/check': may('inboxes:write', 'admin'),
  'POST /api/v1/inboxes/{id}/history': changes('inboxes:write', 'inbox.history_started'),
  'GET /api/v1/inboxes/{id}/history': may('inboxes:read', 'admin'),
  'DELETE /api/v1/inboxes/{id}/history': changes('inboxes:write', 'inbox.history_stopped'),
  'GET /api/v1/emails': may('emails:read'),
  'GET /api/v1/emails/trace': may('emails:read'),
  'POST /api/v1/emails/{id}/reparse': may('emails:write'),
  'POST /api/v1/emails/reparse': may('emails:write', 'admin'),

  'GET /api/v1/assistants': may('assistants:read'),
  'POST /api/v1/assistants': changes('assistants:write', 'assistant.created'),
  'GET /api/v1/assistants/{id}': may('assistants:read'),
  'PATCH /api/v1/assistants/{id}': changes('assistants:write', 'assistant.changed'),
  'DELETE /api/v1/assistants/{id}': changes('assistants:write', 'assistant.removed'),
  'POST /api/v1/assistants/{id}/ask': may('assistants:read'),
  'GET /api/v1/articles': may('articles:read'),
  'POST /api/v1/articles': changes('articles:write', 'article.created'),
  'POST /api/v1/articles/import': changes('articles:write', 'article.imported'),
  'GET /api/v1/articles/{id}': may('articles:read'),
  'PATCH /api/v1/articles/{id}': changes('articles:write', 'article.changed'),
  'DELETE /api/v1/articles/{id}': changes('articles:write', 'article.removed'),

  'GET /api/v1/endpoints': may('endpoints:read', 'admin'),
  'POST /api/v1/endpoints': changes('endpoints:write', 'endpoint.created'),
  'GET /api/v1/endpoints/{id}': may('endpoints:read', 'admin'),
  'PATCH /api/v1/endpoints/{id}': changes('endpoints:write', 'endpoint.changed'),
  'DELETE /api/v1/endpoints/{id}': changes('endpoints:write', 'endpoint.removed'),
  'POST /api/v1/endpoints/{id}/test': may('endpoints:write', 'admin'),
  'POST /api/v1/endpoints/{id}/rotate': changes('endpoints:write', 'endpoint.secret_rotated'),
  'GET /api/v1/endpoints/{id}/deliveries': may('endpoints:read', 'admin'),
  // What was sent is shown word for word.
  'GET /api/v1/endpoints/{id}/deliveries/{deliveryId}': may('endpoints:read', 'admin', {
    also: 'messages:read',
  }),
  'POST /api/v1/endpoints/{id}/deliveries/{deliveryId}/replay': changes(
    'endpoints:write',
    'endpoint.replayed',
  ),
  'POST /api/v1/endpoints/{id}/replay': changes('endpoints:write', 'endpoint.replayed'),
  'GET /api/v1/assistants/{id}/reply-webhook': may('endpoints:read', 'admin'),
  'PATCH /api/v1/assistants/{id}/reply-webhook': changes('endpoints:write', 'reply_webhook.changed'),
  'POST /api/v1/assistants/{id}/reply-webhook/rotate': changes(
    'endpoints:write',
    'reply_webhook.secret_rotated',
  ),
  'GET /api/v1/assistants/{id}/reply-webhook/deliveries': may('endpoints:read', 'admin'),
  'GET /api/v1/assistants/{id}/reply-webhook/deliveries/{deliveryId}': may('endpoints:read', 'admin', {
    also: 'messages:read',
  }),
  'POST /api/v1/assistants/{id}/reply-webhook/deliveries/{deliveryId}/replay': changes(
    'endpoints:write',
    'reply_webhook.replayed',
  ),
  'POST /api/v1/assistants/{id}/reply-webhook/replay': changes('endpoints:write', 'reply_webhook.replayed'),

  'GET /api/v1/members': may('members:read', 'admin'),
  'POST /api/v1/members': changes('members:write', 'member.created'),
  'GET /api/v1/members/{id}': may('members:read', 'admin'),
  'PATCH /api/v1/members/{id}': changes('members:write', 'member.changed'),
  'DELETE /api/v1/members/{id}': changes('members:write', 'member.removed'),
  'POST /api/v1/members/{id}/token': changes('members:write', 'member.token_made'),
  'DELETE /api/v1/members/{id}/token': changes('members:write', 'member.token_revoked'),
  'DELETE /api/v1/members/{id}/sessions': changes('members:write', 'member.signed_out'),
  'POST /api/v1/members/{id}/reset-link': may(null, 'owner', {
    keys: false,
    audit: 'member.reset_link_made',
  }),
  'GET /api/v1/invitations': may('members:read', 'admin'),
  'POST /api/v1/invitations': changes('members:write', 'invitation.created'),
  'POST /api/v1/invitations/{id}/resend': changes('members:write', 'invitation.resent'),
  'DELETE /api/v1/invitations/{id}': changes('members:write', 'invitation.revoked'),
  'GET /api/v1/api-keys': may('keys:read', 'admin'),
  'POST /api/v1/api-keys': changes('keys:write', 'api_key.created'),
  'GET /api/v1/api-keys/{id}': may('keys:read', 'admin'),
  'PATCH /api/v1/api-keys/{id}': changes('keys:write', 'api_key.changed'),
  'DELETE /api/v1/api-keys/{id}': changes('keys:write', 'api_key.revoked'),
  'GET /api/v1/audit-log': may('audit:read', 'admin'),

  // Seed 001's, which are of the site's one inbox.
  'POST /api/secure-tokens/encrypt': changes('inboxes:write', 'secret.sealed'),
  'GET /api/sites/{site_id}/settings': may('inboxes:read', 'admin'),
  'PATCH /api/sites/{site_id}/settings': changes('inboxes:write', 'inbox.changed'),
  'POST /api/agents/email/check': may('emails:read', 'admin'),
  'POST /api/agents/tools/sendEmail': may('messages:write'),
}

/** Whoever asks, as far as the table looks at them. `scopes` null is all of them. */
export interface Asker {
  kind: 'key' | 'member' | 'contact'
  role: Role
  scopes: readonly string[] | null
}

const ONLY_VISITORS = 'Only a visitor of a web chat may do that, with the token of their session.'

/** Why this may not be done, as a sentence for whoever asks; null where it may. */
export function hindrance(right: Right | undefined, asker: Asker): string | null {
  if (!right) return 'Nobody may do that.'
  switch (asker.kind) {
    case 'contact':
      return right.contact ? null : 'A contact may not do that.'
    case 'key': {
      if (right.role === null) return ONLY_VISITORS
      if (!right.keys) return 'Only a person who is signed in may do that, not an API key.'
      const lacking = [right.scope, right.also].find(
        scope => scope && !(asker.scopes?.includes(scope) ?? true),
      )
      return lacking ? `This API key needs the scope ${lacking} for that.` : null
    }
    case 'member':
      if (right.role === null) return ONLY_VISITORS
      if (ROLES.indexOf(asker.role) >= ROLES.indexOf(right.role)) return null
      return right.role === 'owner' ? 'Only an owner may do that.' : 'Only an owner or an admin may do that.'
  }
}

/** Whether they could do what a route does, where it can be done by another way as well. */
export function mayDo(route: string, asker: Asker): boolean {
  const right = RIGHTS[route]
  return right === 'anybody' || hindrance(right, asker) === null
}

/** The scopes a new key may not be given by whoever makes it; empty where it may have them all. @param wanted null is everything */
export function beyond(wanted: readonly Scope[] | null, asker: Asker): readonly Scope[] {
  const scopes = wanted ?? SCOPES
  if (asker.kind === 'key') {
    if (asker.scopes === null) return []
    const own = asker.scopes
    return scopes.filter(scope => !own.includes(scope))
  }
  return asker.role === 'owner' ? [] : scopes.filter(scope => OWNERS_SCOPES.includes(scope))
}
