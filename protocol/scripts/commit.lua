#!lua flags=allow-oom
-- Ends a job: its one result, written once, fenced by the epoch; wakes who waits and releases the next.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY job:UID          hash: becomes the tombstone
-- KEY id:TENANT:ID     string: uid; ends with the tombstone
-- KEY document:UID:N   chunks of the document
-- KEY result:UID       hash: bytes, sha256, log and seq of its audit record
-- KEY dead             zset: dead letters
-- KEY dead-bytes       hash: bytes of each one's document
-- KEY dead-totals      hash: bytes of all, and how many were dropped
-- CHANNEL done:UID     the outcome's kind
-- (and those of the parts)
-- ARGV 1 uid, 2 epoch (0: never began), 3 result, 4 its sha256, 5 outcome kind, 6 why it is a dead letter (empty: it is none),
--      7 result TTL ms, 8 tombstone TTL ms, 9 log, 10 number of records, then the records
--
-- {'ok', {released}, {dead letters that lost their document to the bounds}} | {'already', 'same' or 'other', outcome}
-- | {'fenced', epoch} | {'gone'}, each followed by the verdict that the records have beside them | {'gap', seq, sha256}
local P = KEYS[1]
--- include clock
--- include audit
--- include limits
--- include queued
--- include memory
--- include release
--- include dead
--- include expiry
local uid, epoch, result, result_sha256, outcome = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local dead_reason, result_ttl_ms, tombstone_ttl_ms = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local job_key = P .. 'job:' .. uid

local function judge(job)
  if not job.state then return 'gone' end
  if job.state == 'final' then return 'already' end
  if job.epoch ~= epoch then return 'fenced' end
  return 'ok'
end

local function document_bytes(chunks)
  local bytes = redis.call('HSTRLEN', job_key, 'document')
  for n = 0, chunks - 1 do bytes = bytes + redis.call('STRLEN', P .. 'document:' .. uid .. ':' .. n) end
  return bytes
end

local function is_beyond_bounds()
  if redis.call('ZCARD', P .. 'dead') > DEAD_MAX then return true end
  return tonumber(redis.call('HGET', P .. 'dead-totals', 'bytes') or '0') > DEAD_MAX_BYTES
end

-- Those whose tombstone has ended leave; then, beyond the bounds, the oldest lose their document. Returns these.
local function drop_beyond_bounds()
  for _, ended in ipairs(redis.call('ZRANGEBYSCORE', P .. 'dead', '-inf', now_ms - tombstone_ttl_ms)) do bury(ended, 'ended') end
  local dropped = {}
  while is_beyond_bounds() and redis.call('ZCARD', P .. 'dead') > 1 do
    local oldest = redis.call('ZRANGE', P .. 'dead', 0, 0)[1]
    bury(oldest, 'dropped')
    dropped[#dropped + 1] = oldest
  end
  if #dropped > 0 then
    redis.call('HINCRBY', P .. 'dead-totals', 'dropped', #dropped)
    redis.call('HSET', P .. 'dead-totals', 'droppedAtMs', now_ms)
  end
  return dropped
end

local function keep_document(chunks)
  for n = 0, chunks - 1 do redis.call('PEXPIRE', P .. 'document:' .. uid .. ':' .. n, tombstone_ttl_ms) end
  local bytes = document_bytes(chunks)
  redis.call('HSET', job_key, 'deadReason', dead_reason)
  redis.call('ZADD', P .. 'dead', now_ms, uid)
  redis.call('HSET', P .. 'dead-bytes', uid, bytes)
  redis.call('HINCRBY', P .. 'dead-totals', 'bytes', bytes)
  return drop_beyond_bounds()
end

local function write_result(seq)
  local result_key = P .. 'result:' .. uid
  redis.call('HSET', result_key, 'bytes', result, 'sha256', result_sha256)
  if seq > 0 then redis.call('HSET', result_key, 'log', ARGV[9], 'seq', seq) end
  redis.call('PEXPIRE', result_key, result_ttl_ms)
  will_expire('result:' .. uid, result_ttl_ms)
  expire_due(2) -- one comes, two go: they can't pile up
end

local function write_tombstone(job)
  redis.call('HSET', job_key, 'state', 'final', 'outcome', outcome, 'resultSha256', result_sha256, 'finishedAtUs', now_us)
  if dead_reason == '' then compact(job_key) end
  redis.call('PEXPIRE', job_key, tombstone_ttl_ms)
  redis.call('PEXPIRE', P .. 'id:' .. job.tenant .. ':' .. job.id, tombstone_ttl_ms)
  if dead_reason ~= '' then return keep_document(job.chunks) end
  drop_chunks(uid, job.chunks)
  return {}
end

local records = read_records(9)
local gap = find_gap(records)
if gap then return gap end
local f = redis.call('HMGET', job_key, 'state', 'epoch', 'tenant', 'id', 'documentChunks', 'outcome', 'resultSha256')
local job = { state = f[1], epoch = tonumber(f[2] or '0'), tenant = f[3], id = f[4], chunks = tonumber(f[5] or '0') }
local verdict = judge(job)
local seq = store_records(records, verdict)
if verdict == 'gone' then return with_verdict({ 'gone' }, records) end
if verdict == 'already' then
  return with_verdict({ 'already', f[7] == result_sha256 and 'same' or 'other', f[6] }, records)
end
if verdict == 'fenced' then return with_verdict({ 'fenced', job.epoch }, records) end
write_result(seq)
local dropped = write_tombstone(job)
forget(uid, job.tenant)
redis.call('PUBLISH', P .. 'done:' .. uid, outcome)
enlist(job.tenant)
return with_verdict({ 'ok', release(), dropped }, records)
