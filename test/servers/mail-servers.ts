/**
 * A real mail host for tests: Dovecot and Postfix as Debian packages them, with their whole life (configuration, keys,
 * queue, mail, logs) in one temporary directory, on free loopback ports, under TLS of a test CA. Any address of a
 * `.test` domain is a mailbox and has the same password. The daemons are started directly, without systemd, and go away
 * with the process that started them, even when that one is killed: a guard shell waits for the end of its stdin.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import * as fsSync from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, open, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export const MAIL_PASSWORD = 'secret-password'

export interface MailServersOptions {
  /** Keeps its content after stop() and finds it again at the next start. Without it: a fresh directory, removed. */
  dir?: string
  /** Delivered besides every `*.test` domain. */
  domains?: string[]
  password?: string
}

export interface MailServers {
  dir: string
  /** Path of the CA certificate: `NODE_EXTRA_CA_CERTS`. */
  ca: string
  host: 'localhost'
  password: string
  imap: { port: number; tlsPort: number }
  smtp: {
    /** Like the Internet's port 25: takes mail for our domains from anybody. */
    port: number
    submissionPort: number
    smtpsPort: number
  }
  maildir(address: string): string
  deliverFiles(
    address: string,
    mails: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    how?: DeliverOptions,
  ): Promise<void>
  /** Of a box that somebody has opened before. */
  changeUidValidity(address: string): Promise<void>
  /** From now on everybody's password is wrong, and the open sessions end; false mends it. */
  refuseLogins(on: boolean): Promise<void>
  stopDovecot(): Promise<void>
  startDovecot(): Promise<void>
  stopPostfix(): Promise<void>
  startPostfix(): Promise<void>
  stop(): Promise<void>
}

export interface DeliverOptions {
  /** INTERNALDATE; now if absent. */
  internalDate?: Date
  /** RFC822.SIZE as the server shall state it, for tests of a size that lies. */
  claimedSize?: number
}

/** Dovecot refuses uids under 500; `nobody` is everywhere and owns nothing. */
const OWNER = { uid: 65534, gid: 65534 }
const POSTFIX_MASTER = '/usr/lib/postfix/sbin/master'
const START_MS = 15_000

export async function startMailServers(options: MailServersOptions = {}): Promise<MailServers> {
  requireDaemons()
  const dir = options.dir ?? (await mkdtemp(path.join(tmpdir(), 'mail-')))
  await mkdir(dir, { recursive: true })
  await chmod(dir, 0o755)
  const password = options.password ?? MAIL_PASSWORD
  const addresses = hasIpv6Loopback() ? ['127.0.0.1', '::1'] : ['127.0.0.1']
  const [imapPort, imapTlsPort, lmtpPort, smtpPort, submissionPort, smtpsPort] = await freePorts(6, addresses)
  const ports = { imapPort, imapTlsPort, lmtpPort, smtpPort, submissionPort, smtpsPort } as Ports

  makeCertificates(dir)
  await writePostfixFiles(dir, ports, addresses, options.domains ?? [])
  await writeDovecotFiles(dir, ports, addresses, password)
  const releaseGuard = startGuard(dir, options.dir === undefined)

  const dovecot = daemon(
    dir,
    'dovecot',
    '/usr/sbin/dovecot',
    ['-F', '-c', path.join(dir, 'dovecot.conf')],
    [imapPort!, imapTlsPort!, lmtpPort!],
  )
  const postfix = daemon(
    dir,
    'postfix',
    POSTFIX_MASTER,
    ['-d', '-c', path.join(dir, 'postfix')],
    [smtpPort!, submissionPort!, smtpsPort!],
  )
  const maildir = (address: string) => path.join(dir, 'mail', address.toLowerCase())
  const stop = async () => {
    // Only what is to be found again needs a tidy end; the guard kills the rest, which saves a second a test file.
    if (options.dir !== undefined) await Promise.all([postfix.stop(), dovecot.stop()])
    await releaseGuard()
  }

  try {
    await Promise.all([dovecot.start(), postfix.start()])
  } catch (error) {
    await stop()
    throw error
  }
  return {
    dir,
    ca: path.join(dir, 'ca.pem'),
    host: 'localhost',
    password,
    imap: { port: imapPort!, tlsPort: imapTlsPort! },
    smtp: { port: smtpPort!, submissionPort: submissionPort!, smtpsPort: smtpsPort! },
    maildir,
    deliverFiles: (address, mails, how = {}) => deliverFiles(maildir(address), mails, how),
    changeUidValidity: address => changeUidValidity(dir, address, maildir(address)),
    refuseLogins: on => refuseLogins(dir, password, on),
    stopDovecot: dovecot.stop,
    startDovecot: dovecot.start,
    stopPostfix: postfix.stop,
    startPostfix: postfix.start,
    stop,
  }
}

interface Ports {
  imapPort: number
  imapTlsPort: number
  lmtpPort: number
  smtpPort: number
  submissionPort: number
  smtpsPort: number
}

function requireDaemons(): void {
  if (process.getuid?.() !== 0) {
    throw new Error(
      'The test mail servers need root: Dovecot and Postfix drop their rights themselves. Run as root.',
    )
  }
  for (const file of ['/usr/sbin/dovecot', '/usr/lib/dovecot/lmtp', POSTFIX_MASTER, '/usr/bin/openssl']) {
    if (!fsSync.existsSync(file)) {
      throw new Error(`${file} is missing: apt-get install dovecot-imapd dovecot-lmtpd postfix openssl`)
    }
  }
}

function hasIpv6Loopback(): boolean {
  return Object.values(networkInterfaces()).some(list => list?.some(address => address.address === '::1'))
}

/** Ports free on every loopback address; all are held until the last is found, so that none comes twice. */
async function freePorts(count: number, addresses: string[]): Promise<number[]> {
  const held: net.Server[] = []
  const ports: number[] = []
  while (ports.length < count) {
    const first = await listen(0, addresses[0]!)
    const port = (first!.address() as net.AddressInfo).port
    const others = await Promise.all(addresses.slice(1).map(address => listen(port, address)))
    held.push(first!, ...others.filter(server => server !== null))
    if (others.every(server => server !== null)) ports.push(port)
  }
  await Promise.all(held.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

function listen(port: number, address: string): Promise<net.Server | null> {
  return new Promise(resolve => {
    const server = net.createServer()
    server.once('error', () => resolve(null))
    server.listen({ port, host: address, ipv6Only: true }, () => resolve(server))
  })
}

/** A CA and one leaf. The leaf must not be a CA certificate: workerd's BoringSSL refuses such a one as a server's. */
function makeCertificates(dir: string): void {
  const file = (name: string) => path.join(dir, name)
  if (fsSync.existsSync(file('leaf.pem'))) return
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  fsSync.writeFileSync(
    file('leaf.ext'),
    [
      'basicConstraints=critical,CA:FALSE',
      'keyUsage=critical,digitalSignature',
      'extendedKeyUsage=serverAuth',
      'subjectAltName=DNS:localhost,DNS:mail.test,IP:127.0.0.1,IP:::1',
    ].join('\n'),
  )
  openssl([
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
    '-days',
    '3650',
    '-subj',
    '/CN=Edgedesk test CA',
  ])
  openssl(['req', ...newKey, '-keyout', file('leaf.key'), '-out', file('leaf.csr'), '-subj', '/CN=mail.test'])
  openssl([
    ...[
      'x509',
      '-req',
      '-in',
      file('leaf.csr'),
      '-CA',
      file('ca.pem'),
      '-CAkey',
      file('ca.key'),
      '-CAcreateserial',
    ],
    ...['-days', '3650', '-extfile', file('leaf.ext'), '-out', file('leaf.pem')],
  ])
}

function openssl(args: string[]): void {
  const run = spawnSync('/usr/bin/openssl', args, { encoding: 'utf8' })
  if (run.status !== 0) throw new Error(`openssl ${args[0]} failed: ${run.stderr}`)
}

async function writeDovecotFiles(
  dir: string,
  ports: Ports,
  addresses: string[],
  password: string,
): Promise<void> {
  await mkdir(path.join(dir, 'mail'), { recursive: true })
  await chown(path.join(dir, 'mail'), OWNER.uid, OWNER.gid)
  const listenOn = addresses.map(address => (address.includes(':') ? `[${address}]` : address)).join(' ')
  await writeFile(
    path.join(dir, 'dovecot.conf'),
    `# Sockets live in base_dir; its path is short because a socket's path ends at 108 bytes.
base_dir = ${dir}/run
state_dir = ${dir}/state
log_path = ${dir}/dovecot.log
listen = ${addresses.join(', ')}
protocols = imap lmtp
ssl = required
ssl_cert = <${dir}/leaf.pem
ssl_key = <${dir}/leaf.key
disable_plaintext_auth = yes
# Loopback counts as secure and would otherwise be let in without TLS.
login_trusted_networks =
auth_mechanisms = plain login
auth_failure_delay = 0
auth_cache_size = 0
first_valid_uid = 500
mail_location = maildir:~
mail_max_userip_connections = 1000
default_process_limit = 1000
default_client_limit = 4000
default_vsz_limit = 1G
lmtp_user_concurrency_limit = 0
passdb {
  driver = static
  args = password=${password}
}
userdb {
  driver = static
  args = uid=${OWNER.uid} gid=${OWNER.gid} home=${dir}/mail/%Lu allow_all_users=yes
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Drafts {
    auto = subscribe
    special_use = \\Drafts
  }
  mailbox Sent {
    auto = subscribe
    special_use = \\Sent
  }
  mailbox Trash {
    auto = subscribe
    special_use = \\Trash
  }
  mailbox Junk {
    auto = subscribe
    special_use = \\Junk
  }
}
service imap-login {
  # Many logins in one process: tests open hundreds of connections.
  service_count = 0
  process_min_avail = 1
  inet_listener imap {
    address = ${listenOn}
    port = ${ports.imapPort}
  }
  inet_listener imaps {
    address = ${listenOn}
    port = ${ports.imapTlsPort}
    ssl = yes
  }
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${ports.lmtpPort}
  }
}
service anvil {
  # The penalty for wrong passwords would slow later tests down, and they all come from one address.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  unix_listener ${dir}/queue/private/auth {
    mode = 0666
  }
}
`,
  )
}

async function writePostfixFiles(
  dir: string,
  ports: Ports,
  addresses: string[],
  domains: string[],
): Promise<void> {
  const owner = idsOf('postfix')
  const setgid = gidOf('postdrop')
  const queue = path.join(dir, 'queue')
  await mkdir(path.join(dir, 'postfix'), { recursive: true })
  const folders: [name: string, gid: number, mode: number][] = [
    ...[
      'active',
      'bounce',
      'corrupt',
      'defer',
      'deferred',
      'flush',
      'hold',
      'incoming',
      'private',
      'saved',
      'trace',
    ].map((name): [string, number, number] => [name, owner.gid, 0o700]),
    ['maildrop', setgid, 0o730],
    ['public', setgid, 0o710],
  ]
  for (const [name, gid, mode] of folders) {
    await mkdir(path.join(queue, name), { recursive: true })
    await chown(path.join(queue, name), owner.uid, gid)
    await chmod(path.join(queue, name), mode)
  }
  await mkdir(path.join(queue, 'pid'), { recursive: true })
  await mkdir(path.join(dir, 'data'), { recursive: true })
  await chown(path.join(dir, 'data'), owner.uid, owner.gid)

  await writeFile(
    path.join(dir, 'postfix', 'domains'),
    ['test', ...domains]
      .map(name => `/${name === 'test' ? '\\.test' : `^${name.replaceAll('.', '\\.')}`}$/ ok\n`)
      .join(''),
  )
  await writeFile(
    path.join(dir, 'postfix', 'main.cf'),
    `compatibility_level = 3.6
queue_directory = ${queue}
data_directory = ${dir}/data
maillog_file = ${dir}/postfix.log
maillog_file_prefixes = ${dir}
myhostname = mail.test
mydestination =
mynetworks =
inet_interfaces = ${addresses.join(', ')}
inet_protocols = ${addresses.length > 1 ? 'all' : 'ipv4'}
alias_maps =
alias_database =
local_recipient_maps =
biff = no
smtputf8_enable = yes

virtual_mailbox_domains = regexp:${dir}/postfix/domains
virtual_mailbox_maps = static:all
virtual_transport = lmtp:inet:127.0.0.1:${ports.lmtpPort}
# Nothing ever leaves this machine: what is not ours bounces at once.
default_transport = error:5.1.2 this test server sends nothing out
relay_transport = error:5.1.2 this test server sends nothing out
smtp_dns_support_level = disabled
smtpd_peername_lookup = no

smtpd_tls_cert_file = ${dir}/leaf.pem
smtpd_tls_key_file = ${dir}/leaf.key
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions =
# Missing headers stay missing, as they would from a stranger.
local_header_rewrite_clients =

message_size_limit = 62914560
mailbox_size_limit = 0
virtual_mailbox_limit = 0
default_process_limit = 100
in_flow_delay = 0
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 10000
smtpd_hard_error_limit = 10000
smtpd_junk_command_limit = 10000
smtpd_recipient_limit = 5000
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_client_recipient_rate_limit = 0
smtpd_client_new_tls_session_rate_limit = 0
smtpd_client_auth_rate_limit = 0
# While Dovecot is stopped mail waits, and goes on within seconds after it is back.
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
`,
  )
  // Postfix sleeps two seconds over a main.cf that is younger than that, lest it be half written.
  const earlier = new Date(Date.now() - 60_000)
  await utimes(path.join(dir, 'postfix', 'main.cf'), earlier, earlier)
  const at = (port: number) =>
    addresses.map(address => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`))
  const authenticated =
    '  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n'
  await writeFile(
    path.join(dir, 'postfix', 'master.cf'),
    [
      ...at(ports.smtpPort).map(name => `${name} inet n - n - - smtpd\n`),
      ...at(ports.submissionPort).map(
        name => `${name} inet n - n - - smtpd\n  -o smtpd_tls_security_level=encrypt\n${authenticated}`,
      ),
      ...at(ports.smtpsPort).map(
        name => `${name} inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n${authenticated}`,
      ),
      'cleanup unix n - n - 0 cleanup\n',
      'qmgr unix n - n 300 1 qmgr\n',
      'tlsmgr unix - - n 1000? 1 tlsmgr\n',
      'rewrite unix - - n - - trivial-rewrite\n',
      'bounce unix - - n - 0 bounce\n',
      'defer unix - - n - 0 bounce\n',
      'trace unix - - n - 0 bounce\n',
      'verify unix - - n - 1 verify\n',
      'flush unix n - n 1000? 0 flush\n',
      'proxymap unix - - n - - proxymap\n',
      'smtp unix - - n - - smtp\n',
      'lmtp unix - - n - - lmtp\n',
      'error unix - - n - - error\n',
      'retry unix - - n - - error\n',
      'discard unix - - n - - discard\n',
      'anvil unix - - n - 1 anvil\n',
      'scache unix - - n - 1 scache\n',
      'showq unix n - n - - showq\n',
      'postlog unix-dgram n - n - 1 postlogd\n',
    ].join(''),
  )
}

function idsOf(user: string): { uid: number; gid: number } {
  const line = fsSync
    .readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find(row => row.startsWith(`${user}:`))
  if (line === undefined) throw new Error(`no system user "${user}": is Debian's package installed?`)
  const [, , uid, gid] = line.split(':')
  return { uid: Number(uid), gid: Number(gid) }
}

function gidOf(group: string): number {
  const line = fsSync
    .readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find(row => row.startsWith(`${group}:`))
  if (line === undefined) throw new Error(`no system group "${group}": is Debian's package installed?`)
  return Number(line.split(':')[2])
}

/**
 * Outlives this process by a moment: when our end of its stdin closes, however we ended, it kills both process groups
 * and removes the directory. Signal handlers would not see a SIGKILL, and would get in the way of a test runner's own.
 */
function startGuard(dir: string, removes: boolean): () => Promise<void> {
  const script = `cat >/dev/null
for pid in "$1"/*.pid; do [ -f "$pid" ] && kill -s KILL -- "-$(cat "$pid")" 2>/dev/null; done
[ "$2" = yes ] && { sleep 0.1; rm -rf "$1"; }
exit 0`
  const guard = spawn('/bin/sh', ['-c', script, 'guard', dir, removes ? 'yes' : 'no'], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  })
  guard.unref()
  // A pipe is a net.Socket, which the type of a child's stdin does not say.
  const stdin = guard.stdin as unknown as net.Socket
  stdin.unref()
  return () => {
    const gone = new Promise<void>(resolve => guard.once('exit', () => resolve()))
    guard.ref()
    stdin.end()
    return gone
  }
}

interface Daemon {
  start(): Promise<void>
  stop(): Promise<void>
}

/** A server in the foreground of a process group of its own; its pid stands in a file for the guard. */
function daemon(dir: string, name: string, command: string, args: string[], ports: number[]): Daemon {
  const pidFile = path.join(dir, `${name}.pid`)
  let child: ChildProcess | null = null

  async function start(): Promise<void> {
    if (child !== null) return
    const output = await open(path.join(dir, `${name}.out`), 'a')
    child = spawn(command, args, { stdio: ['ignore', output.fd, output.fd], detached: true, cwd: '/' })
    child.unref()
    await output.close()
    await writeFile(pidFile, String(child.pid))
    const until = Date.now() + START_MS
    for (const port of ports) {
      while (!(await answers(port))) {
        if (child.exitCode !== null || Date.now() > until) {
          throw new Error(`${name} did not start:\n${await lastLines(dir, name)}`)
        }
        await sleep(20)
      }
    }
  }

  async function stop(): Promise<void> {
    const running = child
    if (running === null) return
    child = null
    const group = -running.pid!
    const gone = running.exitCode !== null || running.signalCode !== null
    if (!gone) {
      const exited = new Promise<void>(resolve => running.once('exit', () => resolve()))
      running.ref()
      signal(running.pid!, 'SIGTERM')
      await Promise.race([exited, sleep(3_000, undefined, { ref: false })])
    }
    signal(group, 'SIGKILL')
    await rm(pidFile, { force: true })
  }

  return { start, stop }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // already gone
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function lastLines(dir: string, name: string): Promise<string> {
  const texts = await Promise.all(
    ['out', 'log'].map(end => readFile(path.join(dir, `${name}.${end}`), 'utf8').catch(() => '')),
  )
  return texts.join('').split('\n').slice(-20).join('\n')
}

let delivered = 0

/**
 * Straight into Maildir's new/, which is many times quicker than SMTP. Dovecot gives UIDs in the order of the names'
 * seconds and microseconds; S= and W= save it reading each file for its size.
 */
async function deliverFiles(
  maildir: string,
  mails: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  how: DeliverOptions,
): Promise<void> {
  for (const name of ['', 'cur', 'new', 'tmp']) {
    const folder = path.join(maildir, name)
    await mkdir(folder, { recursive: true })
    await chown(folder, OWNER.uid, OWNER.gid)
  }
  let inTurn = 0
  for await (const mail of mails) {
    delivered = Math.max(delivered + 1, Date.now() * 1000)
    const seconds = Math.floor(delivered / 1_000_000)
    const micros = String(delivered % 1_000_000).padStart(6, '0')
    const name = `${seconds}.M${micros}P${process.pid}.mail,S=${mail.length},W=${how.claimedSize ?? sizeWithCrlf(mail)}`
    const draft = path.join(maildir, 'tmp', name)
    fsSync.writeFileSync(draft, mail)
    fsSync.chownSync(draft, OWNER.uid, OWNER.gid)
    if (how.internalDate !== undefined) fsSync.utimesSync(draft, how.internalDate, how.internalDate)
    fsSync.renameSync(draft, path.join(maildir, 'new', name))
    inTurn += 1
    if (inTurn % 200 === 0) await new Promise(resolve => setImmediate(resolve))
  }
}

function sizeWithCrlf(mail: Uint8Array): number {
  let size = mail.length
  for (let at = mail.indexOf(10); at !== -1; at = mail.indexOf(10, at + 1)) {
    if (mail[at - 1] !== 13) size += 1
  }
  return size
}

/** Another password in the configuration, read anew. */
async function refuseLogins(dir: string, password: string, on: boolean): Promise<void> {
  const file = path.join(dir, 'dovecot.conf')
  const config = await readFile(file, 'utf8')
  const now = on ? `${password}-no-more` : password
  await writeFile(file, config.replace(/^ {2}args = password=.*$/m, `  args = password=${now}`))
  const doveadm = (...args: string[]) =>
    spawnSync('/usr/bin/doveadm', ['-c', file, ...args], { encoding: 'utf8' })
  doveadm('reload')
  for (let n = 0; n < 100; n++) {
    const { status } = doveadm('auth', 'test', 'somebody@example.test', password)
    if ((status === 0) !== on) break
    await sleep(50)
  }
  if (on) doveadm('kick', '*')
}

/**
 * A higher UIDVALIDITY, by Dovecot's own hand: open sessions on the box end, and mail that comes at that moment waits for it. Removing its
 * lists would not do: who has the box open numbers it anew under the UIDVALIDITY it knows, which RFC 3501 §2.3.1.1 forbids.
 */
async function changeUidValidity(dir: string, address: string, maildir: string): Promise<void> {
  const head = await readFile(path.join(maildir, 'dovecot-uidlist'), 'utf8')
  const next = Number(/ V(\d+)/.exec(head)![1]) + 1
  const args = ['mailbox', 'update', '-u', address.toLowerCase(), '--uid-validity', String(next), 'INBOX']
  const done = spawnSync('/usr/bin/doveadm', ['-c', path.join(dir, 'dovecot.conf'), ...args], {
    encoding: 'utf8',
  })
  if (done.status !== 0) throw new Error(`doveadm ${args.join(' ')}: ${done.stderr}`)
}
