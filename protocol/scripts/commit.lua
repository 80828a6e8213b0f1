#!lua flags=allow-oom
-- Ends a job: its one result, written once, fenced by the epoch; wakes who waits and releases the next.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY job:UID          hash: becomes the tombstone
-- KEY id:TENANT:ID     string: uid; ends with the tombstone
-- KEY document:UID:N   chunks of the document
-- KEY result:UID       hash: bytes, sha256, log and seq of its audit record
-- KEY dead             zset: dead letters (jobs whose document is kept) by when they ended, bounded
-- CHANNEL done:UID     the outcome's kind
-- (and those of the parts)
-- ARGV 1 uid, 2 epoch (0: never began), 3 result, 4 its sha256, 5 outcome kind, 6 '1': keep the document,
--      7 result TTL ms, 8 tombstone TTL ms, 9 log, 10 number of records, then the records
--
-- {'ok', {released}} | {'already', 'same' or 'other', outcome} | {'fenced', epoch} | {'gone'} | {'gap', seq, sha256}
local P = KEYS[1]
--- include clock
--- include audit
--- include release
local uid, epoch, result, result_sha256, outcome = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local keep, result_ttl_ms, tombstone_ttl_ms = ARGV[6] == '1', tonumber(ARGV[7]), tonumber(ARGV[8])
local job_key = P .. 'job:' .. uid
local DEAD_MAX = 1000

local function judge(job)
  if not job.state then return 'gone' end
  if job.state == 'final' then return 'already' end
  if job.epoch ~= epoch then return 'fenced' end
  return 'ok'
end

local function drop_document(of, chunks)
  redis.call('HDEL', P .. 'job:' .. of, 'document')
  for n = 0, chunks - 1 do redis.call('UNLINK', P .. 'document:' .. of .. ':' .. n) end
end

local function bury(of)
  local chunks = tonumber(redis.call('HGET', P .. 'job:' .. of, 'documentChunks') or '0')
  drop_document(of, chunks)
  redis.call('ZREM', P .. 'dead', of)
end

-- Dead letters are a bounded set: those whose tombstone has ended leave it, then the oldest.
local function keep_document(chunks)
  for n = 0, chunks - 1 do redis.call('PEXPIRE', P .. 'document:' .. uid .. ':' .. n, tombstone_ttl_ms) end
  redis.call('ZADD', P .. 'dead', now_ms, uid)
  redis.call('ZREMRANGEBYSCORE', P .. 'dead', '-inf', now_ms - tombstone_ttl_ms)
  local excess = redis.call('ZCARD', P .. 'dead') - DEAD_MAX
  if excess > 0 then
    for _, oldest in ipairs(redis.call('ZRANGE', P .. 'dead', 0, excess - 1)) do bury(oldest) end
  end
end

local function write_result(seq)
  local result_key = P .. 'result:' .. uid
  redis.call('HSET', result_key, 'bytes', result, 'sha256', result_sha256)
  if seq > 0 then redis.call('HSET', result_key, 'log', ARGV[9], 'seq', seq) end
  redis.call('PEXPIRE', result_key, result_ttl_ms)
end

local function write_tombstone(job)
  redis.call('HSET', job_key, 'state', 'final', 'outcome', outcome, 'resultSha256', result_sha256, 'finishedAtUs', now_us)
  if keep then keep_document(job.chunks) else drop_document(uid, job.chunks) end
  redis.call('PEXPIRE', job_key, tombstone_ttl_ms)
  redis.call('PEXPIRE', P .. 'id:' .. job.tenant .. ':' .. job.id, tombstone_ttl_ms)
end

local records = read_records(9)
local gap = find_gap(records)
if gap then return gap end
local f = redis.call('HMGET', job_key, 'state', 'epoch', 'tenant', 'id', 'documentChunks', 'outcome', 'resultSha256')
local job = { state = f[1], epoch = tonumber(f[2] or '0'), tenant = f[3], id = f[4], chunks = tonumber(f[5] or '0') }
local verdict = judge(job)
local seq = store_records(records, verdict)
if verdict == 'gone' then return { 'gone' } end
if verdict == 'already' then return { 'already', f[7] == result_sha256 and 'same' or 'other', f[6] } end
if verdict == 'fenced' then return { 'fenced', job.epoch } end
write_result(seq)
write_tombstone(job)
forget(uid, job.tenant)
redis.call('PUBLISH', P .. 'done:' .. uid, outcome)
enlist(job.tenant)
return { 'ok', release() }
