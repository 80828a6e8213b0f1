-- Dead letters: jobs that we failed and that keep their document, so that they can be tried again.
-- KEY dead             zset: their uids by when they ended (ms)
-- KEY dead-bytes       hash: bytes of each one's document
-- KEY dead-totals      hash: bytes (of all), dropped (how many lost their document to the bounds), droppedAtMs
-- KEY job:UID          hash: the tombstone; deadReason, and letterGone when it is no dead letter any more: dropped, purged, retried
-- KEY document:UID:N   chunks of the document
local DEAD_MAX = 1000
local DEAD_MAX_BYTES = 67108864

local function drop_document(of, chunks)
  redis.call('HDEL', P .. 'job:' .. of, 'document')
  for n = 0, chunks - 1 do redis.call('UNLINK', P .. 'document:' .. of .. ':' .. n) end
end

-- A tombstone that has ended is not written to: it would come back without an end.
local function bury(of, why)
  local job_key = P .. 'job:' .. of
  drop_document(of, tonumber(redis.call('HGET', job_key, 'documentChunks') or '0'))
  if redis.call('EXISTS', job_key) == 1 then redis.call('HSET', job_key, 'letterGone', why) end
  redis.call('ZREM', P .. 'dead', of)
  local bytes = tonumber(redis.call('HGET', P .. 'dead-bytes', of) or '0')
  redis.call('HDEL', P .. 'dead-bytes', of)
  redis.call('HINCRBY', P .. 'dead-totals', 'bytes', -bytes)
end
