// Answers one question a line: the lock, or the error code, that npm's own code gives for a project.
//
// node asker.cjs NPM_FOLDER; a question is {"project", "home", "packuments", "command"}, the answer
// {"lock"} or {"code", "message"}. Packuments are handed over in memory; everything else that npm
// asks for over HTTP is answered from the question's "files", or with 404.
'use strict'
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const readline = require('node:readline')

const npmFolder = process.argv[2]
const REGISTRY = 'http://registry.example/'
const fromNpm = (name) => require(require.resolve(name, { paths: [npmFolder] }))
const Arborist = fromNpm('@npmcli/arborist')
const Config = fromNpm('@npmcli/config')
const { definitions, flatten, nerfDarts, shorthands } = fromNpm('@npmcli/config/lib/definitions')
const npmVersion = JSON.parse(fs.readFileSync(path.join(npmFolder, 'package.json'))).version

if (process.env.HEATSEAL_NPM_TRACE) {
  process.on('log', (level, ...words) => {
    if (words[0] === 'placeDep') {
      process.stderr.write(`npm  ${words.slice(1).join(' ')}\n`)
    }
  })
}

let files = {}
const server = http.createServer((request, response) => {
  const file = files[new URL(request.url, REGISTRY).pathname.slice(1)]
  response.writeHead(file === undefined ? 404 : 200, { 'content-type': 'application/json' })
  response.end(file === undefined ? '{"error":"not found"}' : fs.readFileSync(file))
})

async function options ({ project, home, command }, proxy) {
  const config = new Config({
    npmPath: npmFolder,
    definitions,
    flatten,
    nerfDarts,
    shorthands,
    argv: [process.argv[0], 'npm', ...command],
    cwd: project,
    warn: false,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      npm_config_cache: path.join(home, 'cache'),
      npm_config_userconfig: path.join(home, 'npmrc'),
      npm_config_globalconfig: path.join(home, 'global'),
      npm_config_registry: REGISTRY,
      npm_config_proxy: proxy,
    },
  })
  await config.load()
  const remain = config.parsedArgv.remain
  const flat = { ...config.flat, nodeVersion: process.version, npmVersion, npmCommand: remain[0] }
  return { flat, remain, saves: config.isDefault('save') ? undefined : config.get('save') }
}

async function answer (question, proxy) {
  const { project, packuments } = question
  const { flat, remain, saves } = await options(question, proxy)
  const packumentCache = new Map()
  for (const [name, packument] of Object.entries(packuments)) {
    for (const kind of ['full', 'corgi']) {
      const url = `${REGISTRY}${name.replace('/', '%2f')}`
      packumentCache.set(`${kind}:${url}`, { ...structuredClone(packument), _contentLength: 1 })
    }
  }
  const [verb, ...names] = remain
  const asked = verb === 'update'
    ? { save: saves ?? false, update: names.length ? names : true }
    : { add: names }
  const all = { ...flat, auditLevel: null, path: project, workspaces: [], packumentCache, ...asked }
  await new Arborist(all).reify(all)
  for (const name of ['npm-shrinkwrap.json', 'package-lock.json']) {
    const file = path.join(project, name)
    if (fs.existsSync(file)) {
      return { lock: fs.readFileSync(file, 'utf8') }
    }
  }
  return { code: 'NOLOCK', message: 'npm wrote no lock' }
}

// What npm lets escape ends npm; the next question goes to a new process.
const crash = new Promise((resolve) => process.once('uncaughtException', (error) => {
  resolve({ code: error.code ?? '', message: String(error.message ?? error), gone: true })
}))

server.listen(0, '127.0.0.1', async () => {
  const proxy = `http://127.0.0.1:${server.address().port}/`
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const question = JSON.parse(line)
    files = question.files
    let reply
    try {
      reply = await Promise.race([answer(question, proxy), crash])
    } catch (error) {
      reply = { code: error.code ?? '', message: String(error.message ?? error) }
    }
    process.stdout.write(JSON.stringify(reply) + '\n')
    if (reply.gone) {
      break
    }
  }
  process.exit(0)
})
