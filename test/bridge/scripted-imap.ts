/**
 * An IMAP server that says what a test tells it to: the wordings that real servers use and Dovecot does not. It speaks
 * plain IMAP on loopback; a test gives the answer to each command it cares about, the rest is the least there is.
 */
import net from 'node:net'

export interface ScriptedImap {
  port: number
  /** Commands so far, without tags. */
  commands: string[]
  connections(): number
  stop(): Promise<void>
}

/** Lines to send; `$` is the command's tag, and a null among them closes the line. 'silence' says nothing. */
export type Reply = (string | null)[] | 'silence'

export interface Script {
  greeting?: Reply
  capabilities?: string
  /** The first entry whose pattern matches the command (without its tag) answers it. */
  on?: [pattern: RegExp, reply: Reply | ((command: string) => Reply)][]
}

export async function startScriptedImap(script: Script): Promise<ScriptedImap> {
  const sockets = new Set<net.Socket>()
  const commands: string[] = []
  const capabilities = script.capabilities ?? 'IMAP4rev1'
  const defaults: NonNullable<Script['on']> = [
    [/^CAPABILITY/i, [`* CAPABILITY ${capabilities}`, '$ OK done']],
    [/^LOGIN/i, ['$ OK logged in']],
    [/^NAMESPACE/i, ['* NAMESPACE (("" "/")) NIL NIL', '$ OK done']],
    [/^LIST "" ""/i, ['* LIST (\\Noselect) "/" ""', '$ OK done']],
    [/^(LIST|LSUB)/i, ['* LIST () "/" INBOX', '$ OK done']],
    [
      /^(SELECT|EXAMINE)/i,
      ['* 0 EXISTS', '* OK [UIDVALIDITY 7] ok', '* OK [UIDNEXT 1] ok', '$ OK [READ-ONLY] done'],
    ],
    [/^UID SEARCH/i, ['* SEARCH', '$ OK done']],
    [/^LOGOUT/i, ['* BYE bye', '$ OK done']],
    [/^/, ['$ OK done']],
  ]
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    const say = (reply: Reply, tag: string) => {
      if (reply === 'silence') return
      for (const line of reply) {
        if (line === null) socket.end()
        else socket.write(`${line.replace(/^\$/, tag)}\r\n`)
      }
    }
    say(script.greeting ?? ['* OK ready'], '*')
    let rest = ''
    socket.on('data', data => {
      const lines = (rest + data.toString('latin1')).split('\r\n')
      rest = lines.pop()!
      for (const line of lines) {
        const [tag = '', ...words] = line.split(' ')
        const command = words.join(' ')
        commands.push(command)
        const found = [...(script.on ?? []), ...defaults].find(([pattern]) => pattern.test(command))!
        say(typeof found[1] === 'function' ? found[1](command) : found[1], tag)
      }
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as net.AddressInfo).port,
    commands,
    connections: () => sockets.size,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
