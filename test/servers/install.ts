/** What the tests need of Debian, mail servers and a browser, where they are missing. Says plainly what to do where it may not install them. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const NEEDED = {
  'dovecot-imapd': '/usr/lib/dovecot/imap',
  'dovecot-lmtpd': '/usr/lib/dovecot/lmtp',
  postfix: '/usr/sbin/postfix',
  openssl: '/usr/bin/openssl',
  chromium: '/usr/bin/chromium',
}

export function installFromDebian(): void {
  const missing = Object.entries(NEEDED).flatMap(([name, path]) => (existsSync(path) ? [] : [name]))
  if (missing.length === 0) return
  console.log(`Installing ${missing.join(', ')} (apt) …`)
  const root = process.getuid?.() === 0 ? [] : ['sudo', '-n']
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args: string[]) => {
    const [command, ...rest] = [...root, 'apt-get', '-qq', '-o', 'Dpkg::Use-Pty=0', ...args] as [
      string,
      ...string[],
    ]
    return spawnSync(command, rest, { env, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
  }
  if (!(apt('update') && apt('install', '-y', '--no-install-recommends', ...missing))) {
    console.error(
      `These tests need ${missing.join(', ')}, and installing them failed. As root: apt-get install ${missing.join(' ')}`,
    )
    process.exit(1)
  }
}
