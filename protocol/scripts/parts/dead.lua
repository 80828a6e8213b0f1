-- Tombstones of jobs that have ended; and dead letters, those that we failed, which keep their document to be tried again.
-- KEY dead             zset: their uids by when they ended (ms)
-- KEY dead-bytes       hash: bytes of each one's document
-- KEY dead-totals      hash: bytes (of all), dropped (how many lost their document to the bounds), droppedAtMs
-- KEY job:UID          hash: the tombstone; deadReason, and letterGone when it is no dead letter any more: dropped, purged, retried
-- KEY document:UID:N   chunks of the document
local DEAD_MAX = 1000
local DEAD_MAX_BYTES = 67108864

local function drop_chunks(of, chunks)
  for n = 0, chunks - 1 do redis.call('UNLINK', P .. 'document:' .. of .. ':' .. n) end
end

-- What nobody asks for any more goes, and the rest is written anew: a hash that once had a long value keeps the form that takes twice
-- as much. A time to live is kept.
local function compact(job_key)
  redis.call('HDEL', job_key, 'document', 'documentChunks', 'token', 'ownerBootId', 'expiresAtMs')
  local fields, ttl_ms = redis.call('HGETALL', job_key), redis.call('PTTL', job_key)
  if #fields == 0 then return end
  redis.call('DEL', job_key)
  redis.call('HSET', job_key, unpack(fields))
  if ttl_ms > 0 then redis.call('PEXPIRE', job_key, ttl_ms) end
end

-- A tombstone that has ended is not written to: it would come back without an end.
local function bury(of, why)
  local job_key = P .. 'job:' .. of
  drop_chunks(of, tonumber(redis.call('HGET', job_key, 'documentChunks') or '0'))
  if redis.call('EXISTS', job_key) == 1 then redis.call('HSET', job_key, 'letterGone', why) end
  compact(job_key)
  redis.call('ZREM', P .. 'dead', of)
  local bytes = tonumber(redis.call('HGET', P .. 'dead-bytes', of) or '0')
  redis.call('HDEL', P .. 'dead-bytes', of)
  redis.call('HINCRBY', P .. 'dead-totals', 'bytes', -bytes)
end
