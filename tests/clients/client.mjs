// @clickhouse/client against the embedded engine.
import { createRequire } from 'node:module'
import { Readable } from 'node:stream'

const { createClient: create, ClickHouseLogLevel } = createRequire(process.env.CLIENT_MODULES)('@clickhouse/client')
const createClient = (options) => create({ ...options, log: { level: ClickHouseLogLevel.OFF } })
const url = process.env.CLICKHOUSE_URL
const writer = { username: process.env.CLICKHOUSE_USER, password: process.env.CLICKHOUSE_PASSWORD }
const ROWS = 100_000
const START = 1_795_000_000_000

const check = (name, got, expected) => {
  if (JSON.stringify(got) !== JSON.stringify(expected)) {
    console.error(`FAIL ${name}: ${JSON.stringify(got)?.slice(0, 300)} instead of ${JSON.stringify(expected)?.slice(0, 300)}`)
    process.exit(1)
  }
  console.log(`ok   ${name}`)
}
const fails = async (name, code, work) => {
  try {
    await work()
  } catch (e) {
    return check(name, e.code, code)
  }
  check(name, 'no error', code)
}
const json = async (client, query, extra = {}) => (await client.query({ query, format: 'JSONEachRow', ...extra })).json()
const row = (i) => ({ id: i, manager: `m${i % 300}`, at: new Date(START + i).toISOString().replace('T', ' ').replace('Z', ''), tags: ['a', 'Привет\n'] })

const rows = Array.from({ length: ROWS }, (_, i) => row(i))
const checksum = 'SELECT count() AS n, toString(sum(cityHash64(id, manager, at, tags))) AS sum FROM node.events'
const sums = []
for (const compression of [{}, { request: true, response: true }]) {
  const client = createClient({ url, ...writer, compression })
  check('ping', (await client.ping()).success, true)
  check('ping by a query', (await client.ping({ select: true })).success, true)
  await client.command({ query: 'CREATE DATABASE IF NOT EXISTS node ENGINE = Atomic' })
  await client.command({ query: 'DROP TABLE IF EXISTS node.events' })
  await client.command({ query: "CREATE TABLE node.events (id UInt64, manager String, at DateTime64(3, 'UTC'), tags Array(String)) ENGINE = MergeTree ORDER BY id" })
  await client.insert({ table: 'node.events', values: rows, format: 'JSONEachRow' })
  sums.push((await json(client, checksum))[0])
  const result = await client.query({ query: 'SELECT * FROM node.events ORDER BY id', format: 'JSONEachRow' })
  let n = 0
  for await (const part of result.stream()) for (const one of part) {
    const got = one.json()
    if (JSON.stringify({ ...got, id: Number(got.id) }) !== JSON.stringify(row(n))) check(`row ${n}`, got, row(n))
    n += 1
  }
  check(`${ROWS} rows come back`, n, ROWS)
  check('JSON', (await (await client.query({ query: 'SELECT count() AS c FROM node.events', format: 'JSON' })).json()).data, [{ c: ROWS }])
  const odd = "O'Br\n\\Привет"
  check('parameters', await json(client, 'SELECT {m:String} AS a, {x:Array(UInt8)} AS b', { query_params: { m: odd, x: [1, 2] } }), [{ a: odd, b: [1, 2] }])
  const long = 'x'.repeat(20_000)
  check('parameters in a form', await json(client, 'SELECT {m:String} AS a', { query_params: { m: long }, use_multipart_params: true }), [{ a: long }])
  check('settings', await json(client, "SELECT toString(getSetting('max_block_size')) AS a", { clickhouse_settings: { max_block_size: 4321 } }), [{ a: '4321' }])
  const { stream, query_id } = await client.exec({ query: 'SELECT 1 FORMAT CSV', query_id: 'my-id' })
  let text = ''
  for await (const piece of stream) text += piece
  check('exec', [text, query_id], ['1\n', 'my-id'])
  const values = Readable.from(['1000001,a,"2026-01-01 00:00:00.000","[]"\n', '1000002,b,"2026-01-01 00:00:00.000","[]"\n'], { objectMode: false })
  await client.insert({ table: 'node.events', values, format: 'CSV' })
  check('a stream goes in', (await json(client, 'SELECT count() AS n FROM node.events'))[0], { n: ROWS + 2 })
  await fails('an unknown table is error 60', '60', () => client.query({ query: 'SELECT * FROM nope' }))
  await client.close()
}
check('one checksum', sums[0], sums[1])
const client = createClient({ url, ...writer })
const made = `SELECT count() AS n, toString(sum(cityHash64(number, concat('m', toString(number % 300)), fromUnixTimestamp64Milli(toInt64(${START} + number), 'UTC'), ['a', 'Привет\\n']))) AS sum FROM numbers(${ROWS})`
check('the checksum of the rule', (await json(client, made))[0], sums[0])
await client.close()
const reader = createClient({ url, username: 'default', password: '' })
check('a reader counts', (await json(reader, 'SELECT count() AS n FROM node.events'))[0], { n: ROWS + 2 })
await fails('a reader does not write', '164', () => reader.command({ query: 'CREATE TABLE t (a UInt8) ENGINE = Memory' }))
await reader.close()
