#!lua flags=allow-oom
-- A worker says that it lives and what it offers; the first time and with every heartbeat alike. Releases what waits for its slots.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY worker:INSTANCE   hash: bootId, slots, digest, offer, heartbeatAtMs; ends ttlMs after the last heartbeat
-- KEY workers           zset: live instances by when their offer lapses (ms)
-- KEY slots             hash: their slots
-- KEY tenants           hash: names of which something is said
-- (and those of the parts)
-- ARGV 1 instance, 2 bootId, 3 slots, 4 digest, 5 offer, 6 ttlMs, 7 '1': other offers may differ,
--      8 number of names whose limits are configured (empty: as before), then of each name, weight, maxQueuedJobs,
--      maxQueuedBytes, maxRunningJobs, empty where nothing is said
--
-- {'registered', {released}} | {'differs', instance}
local P = KEYS[1]
--- include clock
--- include limits
--- include queued
--- include memory
--- include release
--- include limiting
local instance, boot_id, slots, digest, offer = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local ttl_ms, mixed = tonumber(ARGV[6]), ARGV[7] == '1'

local function find_different()
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers', '(' .. string.format('%.0f', now_ms), '+inf')) do
    local its = other ~= instance and redis.call('HGET', P .. 'worker:' .. other, 'digest')
    if its and its ~= digest then return other end
  end
  return nil
end

-- What the configuration says replaces what one said before, of every name.
local function configure(count)
  local configured = {}
  for n = 0, count - 1 do
    local words, at = {}, 9 + n * (1 + #LIMITS)
    for place, limit in ipairs(LIMITS) do words[limit] = ARGV[at + place] end
    say(ARGV[at], CONFIGURED, words)
    configured[ARGV[at]] = true
  end
  for _, name in ipairs(redis.call('HKEYS', P .. 'tenants')) do
    if not configured[name] then
      say(name, CONFIGURED, { weight = '', maxQueuedJobs = '', maxQueuedBytes = '', maxRunningJobs = '' })
    end
  end
  take_effect()
end

look_at_memory()
local different = not mixed and find_different()
if different then return { 'differs', different } end
local worker_key = P .. 'worker:' .. instance
redis.call('HSET', worker_key, 'bootId', boot_id, 'slots', slots, 'digest', digest, 'offer', offer, 'heartbeatAtMs', now_ms)
redis.call('PEXPIRE', worker_key, ttl_ms)
redis.call('ZADD', P .. 'workers', now_ms + ttl_ms, instance)
redis.call('HSET', P .. 'slots', instance, slots)
if (ARGV[8] or '') ~= '' then configure(tonumber(ARGV[8])) end
return { 'registered', release() }
