/**
 * The door of the bridge: every body is taken apart here, field by field, and what comes out is what wire.ts says. A
 * field that is missing, of another kind, out of range or not known is refused by name.
 */
import { isNotifyUrl } from './dial.ts'
import { BridgeFailure } from './failure.ts'
import type {
  AppendRequest,
  CheckRequest,
  FetchRequest,
  FindRequest,
  FlagsRequest,
  FoldersRequest,
  ImapAccount,
  PartRequest,
  ScanRequest,
  WatchRequest,
} from './wire.ts'

type Fields = Record<string, unknown>

const MAX_UID = 0xffffffff
const MAX_UIDS = 1000

export function checkRequest(body: unknown): CheckRequest {
  const fields = object(body, 'body', ['account', 'limitMs'])
  return {
    account: account(fields),
    ...(fields.limitMs === undefined ? {} : { limitMs: integer(fields, 'limitMs', 100, 60_000) }),
  }
}

export function foldersRequest(body: unknown): FoldersRequest {
  return { account: account(object(body, 'body', ['account'])) }
}

export function fetchRequest(body: unknown): FetchRequest {
  const fields = object(body, 'body', [
    ...[
      'account',
      'folder',
      'uidValidity',
      'nextUid',
      'maxMails',
      'maxBytes',
      'reducedAbove',
      'wholeUpTo',
      'uids',
    ],
  ])
  return {
    account: account(fields),
    folder: folder(fields),
    uidValidity: fields.uidValidity === null ? null : integer(fields, 'uidValidity', 0, MAX_UID),
    nextUid: fields.nextUid === null ? null : integer(fields, 'nextUid', 1, MAX_UID + 1),
    maxMails: integer(fields, 'maxMails', 1, 100_000),
    maxBytes: integer(fields, 'maxBytes', 1, 2 ** 40),
    reducedAbove: integer(fields, 'reducedAbove', 0, 2 ** 40),
    wholeUpTo: integer(fields, 'wholeUpTo', 0, 2 ** 40),
    ...(fields.uids === undefined ? {} : { uids: uids(fields) }),
  }
}

export function scanRequest(body: unknown): ScanRequest {
  const fields = object(body, 'body', ['account', 'folder', 'uidValidity', 'nextUid', 'untilUid', 'since'])
  return {
    account: account(fields),
    folder: folder(fields),
    uidValidity: integer(fields, 'uidValidity', 0, MAX_UID),
    nextUid: integer(fields, 'nextUid', 1, MAX_UID + 1),
    ...(fields.untilUid === undefined ? {} : { untilUid: integer(fields, 'untilUid', 0, MAX_UID) }),
    ...(fields.since === undefined ? {} : { since: integer(fields, 'since', 0, 2 ** 43) }),
  }
}

export function findRequest(body: unknown): FindRequest {
  const fields = object(body, 'body', ['account', 'messageId', 'from', 'limit'])
  if ((fields.messageId === undefined) === (fields.from === undefined))
    throw refused('messageId', 'or "from" must be given, and not both')
  return {
    account: account(fields),
    // Longer than a line no Message-ID is (RFC 5322 §2.1.1), and than 320 octets no address (RFC 3696 errata 1690).
    ...(fields.from === undefined
      ? { messageId: text(fields, 'messageId', 998, WITHOUT_CONTROLS) }
      : { from: text(fields, 'from', 320, WITHOUT_CONTROLS) }),
    limit: integer(fields, 'limit', 1, 50),
  }
}

export function partRequest(body: unknown): PartRequest {
  const fields = object(body, 'body', ['account', 'folder', 'uidValidity', 'uid', 'part'])
  return {
    account: account(fields),
    folder: folder(fields),
    uidValidity: integer(fields, 'uidValidity', 0, MAX_UID),
    uid: integer(fields, 'uid', 1, MAX_UID),
    part: text(fields, 'part', 100, /^\d+(\.\d+)*$/),
  }
}

export function appendRequest(body: unknown): AppendRequest {
  const fields = object(body, 'body', ['account', 'folder', 'raw', 'flags', 'internalDate'])
  const raw = fields.raw
  if (typeof raw !== 'string' || raw === '' || raw.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(raw)) {
    throw refused('raw', 'must be a mail in base64')
  }
  return {
    account: account(fields),
    folder: folder(fields),
    raw,
    flags: flags(fields, 'flags'),
    ...(fields.internalDate === undefined
      ? {}
      : { internalDate: integer(fields, 'internalDate', 0, 2 ** 43) }),
  }
}

export function flagsRequest(body: unknown): FlagsRequest {
  const fields = object(body, 'body', ['account', 'folder', 'uidValidity', 'uids', 'add', 'remove'])
  return {
    account: account(fields),
    folder: folder(fields),
    uidValidity: integer(fields, 'uidValidity', 0, MAX_UID),
    uids: uids(fields),
    add: flags(fields, 'add'),
    remove: flags(fields, 'remove'),
  }
}

export function watchRequest(body: unknown, dev: boolean): WatchRequest {
  const fields = object(body, 'body', ['mailbox', 'account', 'folder', 'until', 'notify'])
  const notify = object(fields.notify, 'notify', ['url', 'token'])
  const url = text(notify, 'url', 2048, undefined, 'notify.url')
  if (!isNotifyUrl(url, dev)) throw refused('notify.url', 'must be an https address')
  return {
    mailbox: mailbox(fields),
    account: account(fields),
    folder: folder(fields),
    until: integer(fields, 'until', 0, 2 ** 53 - 1),
    // It becomes a header.
    notify: { url, token: text(notify, 'token', 1024, /^[\x21-\x7e]+$/, 'notify.token') },
  }
}

export function unwatchRequest(body: unknown): { mailbox: string } {
  return { mailbox: mailbox(object(body, 'body', ['mailbox'])) }
}

function account(fields: Fields): ImapAccount {
  const given = object(fields.account, 'account', ['host', 'port', 'security', 'user', 'password'])
  const security = given.security
  if (security !== 'tls' && security !== 'starttls' && security !== 'plain') {
    throw refused('account.security', 'must be "tls", "starttls" or "plain"')
  }
  return {
    host: text(given, 'host', 255, undefined, 'account.host'),
    port: integer(given, 'port', 1, 65535, 'account.port'),
    security,
    // NUL ends a field of AUTHENTICATE PLAIN, and a line's end would end a command.
    user: text(given, 'user', 512, WITHOUT_CONTROLS, 'account.user'),
    password: text(given, 'password', 4096, WITHOUT_CONTROLS, 'account.password'),
  }
}

const WITHOUT_CONTROLS = /^[^\u0000-\u001f\u007f]+$/

function folder(fields: Fields): string {
  return text(fields, 'folder', 1000, WITHOUT_CONTROLS)
}

function mailbox(fields: Fields): string {
  return text(fields, 'mailbox', 200, /^[\w-]+(\/[\w-]+)*$/)
}

function flags(fields: Fields, name: string): string[] {
  const given = fields[name]
  const isFlag = (flag: unknown): flag is string =>
    typeof flag === 'string' && /^\\?[\w$.-]{1,64}$/.test(flag)
  if (!Array.isArray(given) || given.length > 32 || !given.every(isFlag)) {
    throw refused(name, 'must be a list of IMAP flags')
  }
  return given
}

function uids(fields: Fields): number[] {
  const given = fields.uids
  const isUid = (uid: unknown): uid is number =>
    Number.isInteger(uid) && Number(uid) >= 1 && Number(uid) <= MAX_UID
  if (!Array.isArray(given) || given.length === 0 || given.length > MAX_UIDS || !given.every(isUid)) {
    throw refused('uids', `must be a list of 1 to ${MAX_UIDS} UIDs`)
  }
  return given
}

function object(value: unknown, name: string, known: string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refused(name, 'must be an object')
  for (const key of Object.keys(value)) {
    if (!known.includes(key))
      throw refused(name === 'body' ? key.slice(0, 40) : `${name}.${key.slice(0, 40)}`, 'is not known here')
  }
  return value as Fields
}

function text(fields: Fields, name: string, most: number, form?: RegExp, shown = name): string {
  const value = fields[name]
  if (typeof value !== 'string' || value === '') throw refused(shown, 'must be a text')
  if (value.length > most) throw refused(shown, `is longer than ${most}`)
  if (form !== undefined && !form.test(value)) throw refused(shown, 'has characters that are not allowed')
  return value
}

function integer(fields: Fields, name: string, least: number, most: number, shown = name): number {
  const value = fields[name]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most) {
    throw refused(shown, `must be a whole number from ${least} to ${most}`)
  }
  return value
}

function refused(field: string, complaint: string): BridgeFailure {
  return new BridgeFailure('bad_request', `"${field}" ${complaint}.`)
}
