/**
 * The folder of the account's own sent mail, looked at like any other and with a cursor of its own: what a person answers from another
 * program is seen there (B10), and so is a mail of ours of which nobody could say whether it was handed over (H1). It is looked at
 * beside the folders that are the inbox, so where it is missing or cannot be read the sync is a good one all the same.
 */
import { isFoldersOwn, sameFolder } from '../domain/sync.ts'
import { log } from '../log.ts'
import type { EmailSettings } from '../store/inboxes.ts'
import type { Records } from './records.ts'
import { asProblem, type SyncTools, syncFolder } from './sync.ts'

/** A server without such a folder is asked again after this: some make it with the first mail that is sent. */
const ASK_AGAIN_MS = 10 * 60_000

/** @throws ImapFailure where the line is dead or the server takes nobody. */
export async function syncSent(settings: EmailSettings, tools: SyncTools): Promise<void> {
  if (!settings.watchSent) return
  try {
    const path = await findSent(settings, tools)
    if (path !== null) await syncFolder(path, tools, { sent: true })
  } catch (error) {
    const why = asProblem(error)
    if (!isFoldersOwn(why.code)) throw error
    // It was renamed or removed: it is looked for again.
    if (why.code === 'folder_missing') tools.records.forgetSentFolder()
    else log('sent_folder_failed', { inbox: tools.inboxId, code: why.code }, error)
  }
}

/** Its path as far as it is known without asking; null where there is none, where it is not looked at, or where it is the inbox itself. */
export function sentPath(settings: EmailSettings, records: Records): string | null {
  if (!settings.watchSent) return null
  const path = settings.sentFolder ?? records.sentFolder()?.path ?? null
  return path === null || settings.folders.some(one => sameFolder(one, path)) ? null : path
}

async function findSent(settings: EmailSettings, tools: SyncTools): Promise<string | null> {
  const { records, imap, account, now } = tools
  const known = records.sentFolder()
  const old = known?.path === null && now() - known.at >= ASK_AGAIN_MS
  if (settings.sentFolder === null && (!known || old)) {
    const { folders } = await imap.folders({ account }).catch(error => {
      // A server that cannot list its folders is not asked at every sync.
      if (isFoldersOwn(asProblem(error).code)) records.saveSentFolder(null, now())
      throw error
    })
    const found = folders.find(folder => folder.use === '\\Sent' && folder.selectable)
    records.saveSentFolder(found?.path ?? null, now())
  }
  return sentPath(settings, records)
}
