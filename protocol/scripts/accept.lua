#!lua
-- Accepts a job, once. Answering `created` is the moment of acceptance.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY id:TENANT:ID     string: uid of the first job accepted under this id
-- KEY job:UID          hash: the job
-- KEY document:UID:N   chunks of a document above 64 KiB, written before this script with a TTL
-- KEY sequence         counter: order of acceptance
-- KEY due              zset: waiting jobs by when they expire (ms); cancelled ones at 0
-- KEY arrived          zset: waiting jobs by when they were accepted (ms)
-- KEY inflight         zset: released and begun jobs
-- (and those of the parts)
-- ARGV 1 uid, 2 tenant, 3 id, 4 sha256 of the document, 5 document (empty if in chunks), 6 number of chunks,
--      7 attempts, 8 priority, 9 expiresInMs, 10 bytes of the content that lies beside the document,
--      11 where the caller's trace goes on (empty: nobody traces), 12 signature (may be empty)
--
-- {'created', uid, {released}} | {'exists', uid, state} | {'conflict', uid} | {'quota', name, limit, retryAfterMs}
local P = KEYS[1]
--- include clock
--- include limits
--- include queued
--- include memory
--- include release
--- include quota
local uid, tenant, id, sha256 = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local document, chunks = ARGV[5], tonumber(ARGV[6])
local attempts, priority, expires_in_ms = ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
local content_bytes, trace, signature = tonumber(ARGV[10] or '0'), ARGV[11] or '', ARGV[12] or ''
-- Ten priorities, each with room for 2^49 jobs: exact in a double.
local PRIORITY_STEP = 562949953421312

local function drop_chunks()
  for n = 0, chunks - 1 do redis.call('UNLINK', P .. 'document:' .. uid .. ':' .. n) end
end

local function keep_chunks()
  for n = 0, chunks - 1 do redis.call('PERSIST', P .. 'document:' .. uid .. ':' .. n) end
end

local function has_all_chunks()
  for n = 0, chunks - 1 do
    if redis.call('EXISTS', P .. 'document:' .. uid .. ':' .. n) == 0 then return false end
  end
  return true
end

-- The same uid again is the producer whose reply was lost: it gets the answer it missed.
local function answer_seen(first, stored)
  local same_document = stored[2] == sha256
  if first == uid and same_document then
    if stored[1] ~= 'final' then keep_chunks() end
    local released = release()
    if stored[1] == 'waiting' and redis.call('ZSCORE', P .. 'inflight', uid) then released[#released + 1] = uid end
    return { 'created', uid, released }
  end
  if first ~= uid then drop_chunks() end
  if same_document then return { 'exists', first, stored[1] } end
  return { 'conflict', first }
end

local function document_bytes()
  local bytes = #document
  for n = 0, chunks - 1 do bytes = bytes + redis.call('STRLEN', P .. 'document:' .. uid .. ':' .. n) end
  return bytes
end

local function write_job(bytes)
  local expires_at_ms = now_ms + expires_in_ms
  redis.call('SET', P .. 'id:' .. tenant .. ':' .. id, uid)
  redis.call('HSET', P .. 'job:' .. uid, 'tenant', tenant, 'id', id, 'state', 'waiting', 'epoch', 0,
    'attempts', attempts, 'priority', priority, 'document', document, 'documentChunks', chunks, 'sha256', sha256,
    'bytes', bytes, 'acceptedAtUs', now_us, 'expiresAtMs', expires_at_ms)
  if trace ~= '' then redis.call('HSET', P .. 'job:' .. uid, 'trace', trace) end
  if signature ~= '' then redis.call('HSET', P .. 'job:' .. uid, 'signature', signature) end
  keep_chunks()
  redis.call('ZADD', P .. 'due', expires_at_ms, uid)
  redis.call('ZADD', P .. 'arrived', now_ms, uid)
  local sequence = redis.call('INCR', P .. 'sequence')
  enqueue(tenant, uid, priority * PRIORITY_STEP + sequence, bytes)
  enlist(tenant)
end

local first = redis.call('GET', P .. 'id:' .. tenant .. ':' .. id)
local stored = first and redis.call('HMGET', P .. 'job:' .. first, 'state', 'sha256')
if stored and stored[1] then return answer_seen(first, stored) end
local bytes = document_bytes() + content_bytes
local quota = find_quota(tenant, bytes)
if quota then
  drop_chunks()
  return quota
end
if not has_all_chunks() then return redis.error_reply('BULLPEN a chunk of the document is missing: write them again') end
write_job(bytes)
return { 'created', uid, release() }
