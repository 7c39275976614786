/**
 * An IMAP server that says what a test tells it to: the wordings that real servers use and Dovecot does not. It speaks
 * plain IMAP on loopback; a test gives the answer to each command it cares about, the rest is the least there is.
 */
import net from 'node:net'
export async function startScriptedImap(script) {
  const sockets = new Set()
  const commands = []
  const capabilities = script.capabilities ?? 'IMAP4rev1'
  const defaults = [
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
    const say = (reply, tag) => {
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
      rest = lines.pop()
      for (const line of lines) {
        const [tag = '', ...words] = line.split(' ')
        const command = words.join(' ')
        commands.push(command)
        const found = [...(script.on ?? []), ...defaults].find(([pattern]) => pattern.test(command))
        say(typeof found[1] === 'function' ? found[1](command) : found[1], tag)
      }
    })
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: server.address().port,
    commands,
    connections: () => sockets.size,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
