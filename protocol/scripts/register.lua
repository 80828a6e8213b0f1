#!lua flags=allow-oom
-- A worker says that it lives and what it offers; the first time and with every heartbeat alike. Releases what waits for its slots.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY worker:INSTANCE   hash: bootId, slots, digest, offer, heartbeatAtMs; ends ttlMs after the last heartbeat
-- KEY workers           zset: live instances by when their offer lapses (ms)
-- KEY slots             hash: their slots
-- (and those of the parts)
-- ARGV 1 instance, 2 bootId, 3 slots, 4 digest, 5 offer, 6 ttlMs, 7 '1': other offers may differ
--
-- {'registered', {released}} | {'differs', instance}
local P = KEYS[1]
--- include clock
--- include release
local instance, boot_id, slots, digest, offer = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local ttl_ms, mixed = tonumber(ARGV[6]), ARGV[7] == '1'

local function find_different()
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers', '(' .. string.format('%.0f', now_ms), '+inf')) do
    local its = other ~= instance and redis.call('HGET', P .. 'worker:' .. other, 'digest')
    if its and its ~= digest then return other end
  end
  return nil
end

local different = not mixed and find_different()
if different then return { 'differs', different } end
local worker_key = P .. 'worker:' .. instance
redis.call('HSET', worker_key, 'bootId', boot_id, 'slots', slots, 'digest', digest, 'offer', offer, 'heartbeatAtMs', now_ms)
redis.call('PEXPIRE', worker_key, ttl_ms)
redis.call('ZADD', P .. 'workers', now_ms + ttl_ms, instance)
redis.call('HSET', P .. 'slots', instance, slots)
return { 'registered', release() }
