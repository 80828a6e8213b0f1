-- Says what holds for tenants: for the next acceptance and the next release, whoever makes it.
-- KEY tenants          hash: what holds of what is said
-- KEY tenant:NAME      hash: what is said of a name in the configuration: weight, maxQueuedJobs, maxQueuedBytes, maxRunningJobs;
--                      and by the operator while all runs, which goes before: the same after `live.`
-- KEY ready            zset: as in `release`
-- KEY finish           zset: as in `release`
-- KEY held             set: as in `release`
local CONFIGURED, LIVE = '', 'live.'

local function settle_words(name)
  local said = redis.call('HMGET', P .. 'tenant:' .. name, 'live.weight', 'live.maxQueuedJobs', 'live.maxQueuedBytes',
    'live.maxRunningJobs', 'weight', 'maxQueuedJobs', 'maxQueuedBytes', 'maxRunningJobs')
  local words = {}
  for n = 1, #LIMITS do words[n] = said[n] or said[n + #LIMITS] or '?' end
  redis.call('HSET', P .. 'tenants', name, table.concat(words, ' '))
end

-- Words are by limit; an empty one takes back what was said, a missing one leaves it.
local function say(name, layer, words)
  local tenant_key = P .. 'tenant:' .. name
  for _, limit in ipairs(LIMITS) do
    if words[limit] == '' then redis.call('HDEL', tenant_key, layer .. limit)
    elseif words[limit] then redis.call('HSET', tenant_key, layer .. limit, words[limit]) end
  end
  if redis.call('EXISTS', tenant_key) == 1 then settle_words(name) else redis.call('HDEL', P .. 'tenants', name) end
end

-- Nobody waits longer than the present weight asks for, however small an earlier one was.
local function lower_tags(tags_key)
  local V, tags = virtual_now(), redis.call('ZRANGE', tags_key, 0, -1, 'WITHSCORES')
  for n = 1, #tags, 2 do
    local latest = V + COST / tonumber(limits_of(tags[n]).weight)
    if tonumber(tags[n + 1]) > latest then redis.call('ZADD', tags_key, latest, tags[n]) end
  end
end

-- Whoever was held back is looked at again.
local function take_effect()
  known_limits = {}
  lower_tags(P .. 'ready')
  lower_tags(P .. 'finish')
  for _, tenant in ipairs(redis.call('SMEMBERS', P .. 'held')) do
    redis.call('SREM', P .. 'held', tenant)
    enlist(tenant)
  end
end
