/**
 * All tables of D1 on one page, as drizzle sees them; `migrations/db` makes them. Every query takes the site as its first
 * argument. Times are integer milliseconds UTC. JSON columns are parsed by the file that owns the noun.
 */
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

export const sites = sqliteTable('sites', {
  id: text().primaryKey(),
  name: text().notNull(),
  dataKey: text('data_key').notNull(),
  /** So many days after the last thing was said a conversation is erased; null keeps it. */
  retentionDays: integer('retention_days').default(90),
  createdAt: integer('created_at').notNull(),
})

export const apiKeys = sqliteTable(
  'api_keys',
  {
    id: text().primaryKey(),
    siteId: text('site_id').notNull(),
    name: text().notNull(),
    secretHash: text('secret_hash').notNull(),
    /** JSON list of scopes (domain/access.ts); null is all of them. */
    scopes: text(),
    /** JSON list of inbox ids it may see; null is all. */
    inboxes: text(),
    /** Requests a minute; null is the usual. */
    rateLimit: integer('rate_limit'),
    /** JSON of who made it. */
    createdBy: text('created_by'),
    expiresAt: integer('expires_at'),
    lastUsedAt: integer('last_used_at'),
    createdAt: integer('created_at').notNull(),
  },
  t => [index('api_keys_by_site').on(t.siteId)],
)

export const assistants = sqliteTable(
  'assistants',
  {
    id: text().primaryKey(),
    siteId: text('site_id').notNull(),
    name: text().notNull(),
    kind: text().notNull(),
    settings: text().notNull(),
    /** The key to its model, sealed. */
    apiKey: text('api_key'),
    createdAt: integer('created_at').notNull(),
  },
  t => [index('assistants_by_site').on(t.siteId)],
)

export const inboxes = sqliteTable(
  'inboxes',
  {
    id: text().primaryKey(),
    siteId: text('site_id').notNull(),
    assistantId: text('assistant_id'),
    name: text().notNull(),
    channelType: text('channel_type').notNull(),
    address: text().notNull(),
    provider: text().notNull().default('custom'),
    settings: text().notNull(),
    imapPassword: text('imap_password'),
    smtpPassword: text('smtp_password'),
    version: integer().notNull().default(1),
    state: text().notNull(),
    stateReason: text('state_reason'),
    stateAt: integer('state_at'),
    verifiedAt: integer('verified_at'),
    paused: integer({ mode: 'boolean' }).notNull().default(false),
    createdAt: integer('created_at').notNull(),
  },
  t => [index('inboxes_by_site').on(t.siteId), index('inboxes_by_channel').on(t.channelType, t.state)],
)

/** Attachments that were uploaded before the message they belong to. */
export const uploads = sqliteTable(
  'uploads',
  {
    siteId: text('site_id').notNull(),
    id: text().notNull(),
    filename: text().notNull(),
    contentType: text('content_type').notNull(),
    size: integer().notNull(),
    /** Whose attachment it is; null while it waits. */
    messageId: text('message_id'),
    createdAt: integer('created_at').notNull(),
  },
  t => [primaryKey({ columns: [t.siteId, t.id] }), index('uploads_untaken').on(t.createdAt)],
)

/** Answers to requests that carried an Idempotency-Key; `answer` is sealed, and null as long as the request is at work. */
export const idempotency = sqliteTable(
  'idempotency',
  {
    siteId: text('site_id').notNull(),
    keyHash: text('key_hash').notNull(),
    bodyHash: text('body_hash').notNull(),
    status: integer(),
    answer: text(),
    createdAt: integer('created_at').notNull(),
  },
  t => [primaryKey({ columns: [t.siteId, t.keyHash] }), index('idempotency_by_age').on(t.createdAt)],
)

/** Every address of ours, aliases too: one inbox each within a site. */
export const inboxAddresses = sqliteTable(
  'inbox_addresses',
  {
    siteId: text('site_id').notNull(),
    address: text().notNull(),
    inboxId: text('inbox_id').notNull(),
    claimedAt: integer('claimed_at').notNull().default(0),
  },
  t => [
    primaryKey({ columns: [t.siteId, t.address] }),
    index('inbox_addresses_by_address').on(t.address),
    index('inbox_addresses_by_inbox').on(t.siteId, t.inboxId),
  ],
)

export const connectionTests = sqliteTable(
  'connection_tests',
  {
    id: text().primaryKey(),
    siteId: text('site_id').notNull(),
    fingerprint: text().notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  t => [index('connection_tests_by_expiry').on(t.expiresAt)],
)

export const secureTokens = sqliteTable(
  'secure_tokens',
  {
    siteId: text('site_id').notNull(),
    tokenType: text('token_type').notNull(),
    identifier: text().notNull(),
    sealed: text().notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  t => [primaryKey({ columns: [t.siteId, t.tokenType, t.identifier] })],
)

export const members = sqliteTable(
  'members',
  {
    id: text().primaryKey(),
    siteId: text('site_id').notNull(),
    name: text().notNull(),
    email: text().notNull(),
    role: text({ enum: ['owner', 'admin', 'agent'] }).notNull(),
    /** JSON list of inbox ids an agent may see; null is all. */
    inboxes: text(),
    tokenHash: text('token_hash'),
    tokenUsedAt: integer('token_used_at'),
    /** Who signs in as this member; null where nobody does. */
    userId: text('user_id'),
    createdAt: integer('created_at').notNull(),
  },
  t => [uniqueIndex('members_by_email').on(t.siteId, t.email)],
)

export const articles = sqliteTable(
  'articles',
  {
    id: text().primaryKey(),
    siteId: text('site_id').notNull(),
    assistantId: text('assistant_id').notNull(),
    title: text().notNull(),
    body: text().notNull(),
    url: text(),
    language: text().notNull(),
    /** JSON list; empty is for everyone. */
    labels: text().notNull().default('[]'),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  t => [index('articles_by_assistant').on(t.siteId, t.assistantId)],
)

export const contacts = sqliteTable(
  'contacts',
  {
    siteId: text('site_id').notNull(),
    id: text().notNull(),
    address: text(),
    name: text().notNull(),
    avatar: text(),
    labels: text().notNull().default('[]'),
    vip: integer({ mode: 'boolean' }).notNull().default(false),
    /** What the contact is called where it comes from: the id of a customer in the caller's own database. */
    sourceId: text('source_id'),
    /** What a visitor of a web chat says; it proves nothing. */
    claimedAddress: text('claimed_address'),
    createdAt: integer('created_at').notNull(),
  },
  t => [
    primaryKey({ columns: [t.siteId, t.id] }),
    uniqueIndex('contacts_by_source').on(t.siteId, t.sourceId),
    uniqueIndex('contacts_by_address').on(t.siteId, t.address),
  ],
)

export const conversations = sqliteTable(
  'conversations',
  {
    siteId: text('site_id').notNull(),
    id: text().notNull(),
    inboxId: text('inbox_id').notNull(),
    contactId: text('contact_id').notNull(),
    title: text().notNull(),
    status: text().notNull(),
    snoozedUntil: integer('snoozed_until'),
    priority: text(),
    assigneeId: text('assignee_id'),
    labels: text().notNull().default('[]'),
    owner: text().notNull(),
    autoReplyEnabled: integer('auto_reply_enabled', { mode: 'boolean' }).notNull(),
    linkedTo: text('linked_to'),
    unreadCount: integer('unread_count').notNull(),
    lastReadAt: integer('last_read_at'),
    lastMessageId: text('last_message_id'),
    lastMessageAt: integer('last_message_at').notNull(),
    nextDueAt: integer('next_due_at'),
    seq: integer().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  t => [
    primaryKey({ columns: [t.siteId, t.id] }),
    index('conversations_by_activity').on(t.siteId, t.lastMessageAt, t.id),
    index('conversations_by_inbox').on(t.siteId, t.inboxId, t.lastMessageAt, t.id),
    index('conversations_by_status').on(t.siteId, t.status, t.lastMessageAt, t.id),
    index('conversations_by_inbox_status').on(t.siteId, t.inboxId, t.status, t.lastMessageAt, t.id),
    index('conversations_by_assignee').on(t.siteId, t.assigneeId, t.status, t.lastMessageAt, t.id),
    index('conversations_by_contact').on(t.siteId, t.contactId, t.lastMessageAt, t.id),
  ],
)

export const messages = sqliteTable(
  'messages',
  {
    siteId: text('site_id').notNull(),
    conversationId: text('conversation_id').notNull(),
    position: integer().notNull(),
    id: text().notNull(),
    seq: integer().notNull(),
    direction: text().notNull(),
    senderKind: text('sender_kind').notNull(),
    senderId: text('sender_id').notNull(),
    senderName: text('sender_name').notNull(),
    content: text().notNull(),
    details: text().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  t => [
    primaryKey({ columns: [t.siteId, t.conversationId, t.position] }),
    uniqueIndex('messages_by_id').on(t.siteId, t.id),
  ],
)

export const emails = sqliteTable(
  'emails',
  {
    siteId: text('site_id').notNull(),
    contentKey: text('content_key').notNull(),
    messageId: text('message_id').notNull(),
    conversationId: text('conversation_id').notNull(),
    contactId: text('contact_id').notNull(),
    createdAt: integer('created_at').notNull(),
    erasedAt: integer('erased_at'),
  },
  t => [
    primaryKey({ columns: [t.siteId, t.contentKey] }),
    index('emails_by_conversation').on(t.siteId, t.conversationId),
  ],
)

export const messageIds = sqliteTable(
  'message_ids',
  {
    siteId: text('site_id').notNull(),
    rfcId: text('rfc_id').notNull(),
    messageId: text('message_id').notNull(),
    conversationId: text('conversation_id').notNull(),
    ours: integer({ mode: 'boolean' }).notNull(),
  },
  t => [
    primaryKey({ columns: [t.siteId, t.rfcId, t.messageId] }),
    index('message_ids_by_conversation').on(t.siteId, t.conversationId),
  ],
)

/** Ids that mails of a conversation cite and that no mail here has. */
export const citedIds = sqliteTable(
  'cited_ids',
  {
    siteId: text('site_id').notNull(),
    rfcId: text('rfc_id').notNull(),
    writer: text().notNull(),
    conversationId: text('conversation_id').notNull(),
  },
  t => [
    primaryKey({ columns: [t.siteId, t.rfcId, t.writer, t.conversationId] }),
    index('cited_ids_by_conversation').on(t.siteId, t.conversationId),
  ],
)

/** Conversations that turned out to be one; the loser's id leads to the winner. */
export const merges = sqliteTable(
  'merges',
  {
    siteId: text('site_id').notNull(),
    loserId: text('loser_id').notNull(),
    winnerId: text('winner_id').notNull(),
    at: integer().notNull(),
    toldAt: integer('told_at'),
  },
  t => [primaryKey({ columns: [t.siteId, t.loserId] }), index('merges_by_winner').on(t.siteId, t.winnerId)],
)

/** Message-IDs of our own mail in erased conversations. */
export const erasedIds = sqliteTable(
  'erased_ids',
  { siteId: text('site_id').notNull(), rfcId: text('rfc_id').notNull() },
  t => [primaryKey({ columns: [t.siteId, t.rfcId] })],
)

/** Addresses that mail servers refused for good. */
export const bouncedAddresses = sqliteTable(
  'bounced_addresses',
  {
    siteId: text('site_id').notNull(),
    address: text().notNull(),
    status: text(),
    messageId: text('message_id').notNull(),
    at: integer().notNull(),
  },
  t => [primaryKey({ columns: [t.siteId, t.address] })],
)

export const participants = sqliteTable(
  'participants',
  {
    siteId: text('site_id').notNull(),
    conversationId: text('conversation_id').notNull(),
    address: text().notNull(),
    wrote: integer({ mode: 'boolean' }).notNull().default(false),
  },
  t => [primaryKey({ columns: [t.siteId, t.conversationId, t.address] })],
)

/** A reset is a cut: what this writer sends into this conversation after it goes to the new one. */
export const cuts = sqliteTable(
  'cuts',
  {
    siteId: text('site_id').notNull(),
    conversationId: text('conversation_id').notNull(),
    address: text().notNull(),
    toConversationId: text('to_conversation_id').notNull(),
    at: integer().notNull(),
  },
  t => [primaryKey({ columns: [t.siteId, t.conversationId, t.address] })],
)

export const clock = sqliteTable('clock', {
  job: text().primaryKey(),
  lastTickAt: integer('last_tick_at').notNull(),
})

// What better-auth keeps (src/auth/auth.ts): it wants moments as Dates and names its columns itself.
const moment = (name: string) => integer(name, { mode: 'timestamp_ms' })

export const users = sqliteTable('users', {
  id: text().primaryKey(),
  name: text().notNull(),
  email: text().notNull(),
  emailVerified: integer('email_verified', { mode: 'boolean' }).notNull().default(false),
  image: text(),
  twoFactorEnabled: integer('two_factor_enabled', { mode: 'boolean' }).notNull().default(false),
  createdAt: moment('created_at').notNull(),
  updatedAt: moment('updated_at').notNull(),
})

export const sessions = sqliteTable('sessions', {
  id: text().primaryKey(),
  userId: text('user_id').notNull(),
  /** The site this session asks for. */
  siteId: text('site_id').notNull(),
  token: text().notNull(),
  expiresAt: moment('expires_at').notNull(),
  ipAddress: text('ip_address'),
  userAgent: text('user_agent'),
  createdAt: moment('created_at').notNull(),
  updatedAt: moment('updated_at').notNull(),
})

export const accounts = sqliteTable('accounts', {
  id: text().primaryKey(),
  userId: text('user_id').notNull(),
  providerId: text('provider_id').notNull(),
  accountId: text('account_id').notNull(),
  password: text(),
  accessToken: text('access_token'),
  refreshToken: text('refresh_token'),
  idToken: text('id_token'),
  accessTokenExpiresAt: moment('access_token_expires_at'),
  refreshTokenExpiresAt: moment('refresh_token_expires_at'),
  scope: text(),
  createdAt: moment('created_at').notNull(),
  updatedAt: moment('updated_at').notNull(),
})

export const verifications = sqliteTable('verifications', {
  id: text().primaryKey(),
  identifier: text().notNull(),
  value: text().notNull(),
  expiresAt: moment('expires_at').notNull(),
  createdAt: moment('created_at').notNull(),
  updatedAt: moment('updated_at').notNull(),
})

export const twoFactors = sqliteTable('two_factors', {
  id: text().primaryKey(),
  userId: text('user_id').notNull(),
  secret: text().notNull(),
  backupCodes: text('backup_codes').notNull(),
  verified: integer({ mode: 'boolean' }).notNull().default(true),
  failedVerificationCount: integer('failed_verification_count').notNull().default(0),
  lockedUntil: moment('locked_until'),
})

export const passkeys = sqliteTable('passkeys', {
  id: text().primaryKey(),
  userId: text('user_id').notNull(),
  name: text(),
  publicKey: text('public_key').notNull(),
  credentialID: text('credential_id').notNull(),
  counter: integer().notNull(),
  deviceType: text('device_type').notNull(),
  backedUp: integer('backed_up', { mode: 'boolean' }).notNull(),
  transports: text(),
  aaguid: text(),
  createdAt: moment('created_at'),
})

/** Keys of the deployment itself, wrapped as the data keys of sites are. */
export const deploymentKeys = sqliteTable('deployment_keys', {
  name: text().primaryKey(),
  dataKey: text('data_key').notNull(),
})

export const oneTimeLinks = sqliteTable(
  'one_time_links',
  {
    id: text().primaryKey(),
    siteId: text('site_id').notNull(),
    kind: text({ enum: ['setup', 'invite', 'reset'] }).notNull(),
    secretHash: text('secret_hash').notNull(),
    email: text(),
    name: text(),
    role: text({ enum: ['owner', 'admin', 'agent'] }),
    /** As of members. */
    inboxes: text(),
    memberId: text('member_id'),
    /** Whether a reset takes second factors and passkeys away as well. */
    removesFactors: integer('removes_factors', { mode: 'boolean' }).notNull().default(false),
    createdBy: text('created_by'),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
    usedAt: integer('used_at'),
  },
  t => [
    index('one_time_links_by_site').on(t.siteId, t.kind, t.id),
    index('one_time_links_by_member').on(t.siteId, t.memberId),
  ],
)

export const auditLog = sqliteTable(
  'audit_log',
  {
    id: text().primaryKey(),
    siteId: text('site_id').notNull(),
    actorKind: text('actor_kind').notNull(),
    actorId: text('actor_id').notNull(),
    actorName: text('actor_name').notNull(),
    /** `inbox.changed`: what it was done to, and what. */
    action: text().notNull(),
    targetId: text('target_id').notNull(),
    /** JSON: the names of fields, and where it is no secret what they were and became. */
    changes: text().notNull(),
    requestId: text('request_id').notNull(),
    at: integer().notNull(),
  },
  t => [
    index('audit_log_by_site').on(t.siteId, t.id),
    index('audit_log_by_actor').on(t.siteId, t.actorId, t.id),
    index('audit_log_by_target').on(t.siteId, t.targetId, t.id),
  ],
)

/** Where webhooks go; `kind` reply is an assistant's, whose address is in its settings. */
export const endpoints = sqliteTable(
  'endpoints',
  {
    siteId: text('site_id').notNull(),
    id: text().notNull(),
    kind: text({ enum: ['events', 'reply'] }).notNull(),
    assistantId: text('assistant_id'),
    description: text().notNull().default(''),
    url: text().notNull().default(''),
    /** JSON lists; null inboxes are all. */
    types: text().notNull().default('["*"]'),
    inboxes: text(),
    /** JSON list of sealed secrets, the newest first. */
    secrets: text().notNull(),
    settings: text().notNull().default('{"v":1}'),
    state: text({ enum: ['active', 'paused', 'off'] })
      .notNull()
      .default('active'),
    stateReason: text('state_reason'),
    stateAt: integer('state_at'),
    version: integer().notNull().default(1),
    nextDueAt: integer('next_due_at'),
    createdAt: integer('created_at').notNull(),
  },
  t => [primaryKey({ columns: [t.siteId, t.id] })],
)

/** Addresses that want no mail from a web chat. */
export const optOuts = sqliteTable(
  'opt_outs',
  {
    siteId: text('site_id').notNull(),
    addressHash: text('address_hash').notNull(),
    createdAt: integer('created_at').notNull(),
  },
  t => [primaryKey({ columns: [t.siteId, t.addressHash] })],
)

/** What is kept of an erased contact: that it is not to be made again. */
export const erasedContacts = sqliteTable(
  'erased_contacts',
  {
    siteId: text('site_id').notNull(),
    id: text().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  t => [primaryKey({ columns: [t.siteId, t.id] })],
)
