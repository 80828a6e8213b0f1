#!lua flags=allow-oom
-- What holds for a tenant, who said it, and what it has in the queue.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY tenant:NAME      hash: what is said of it
-- KEY pending:TENANT   zset: waiting jobs that are not released
-- KEY queued-bytes     hash: their bytes
-- KEY running:TENANT   set: released and begun jobs
-- KEY due              zset: waiting jobs of all tenants
-- KEY inflight         zset: released and begun jobs of all tenants
-- (and those of the part)
-- ARGV 1 name (a tenant, `*`, `+`)
--
-- {{value, from} of weight, maxQueuedJobs, maxQueuedBytes, maxRunningJobs, queued jobs, queued bytes, running jobs}
local P = KEYS[1]
--- include limits
local name = ARGV[1]

local function who_says(limit)
  local layers = { { name, 'live.', 'live' }, { name, '', 'configured' } }
  if name ~= TOTAL and name ~= EVERY then
    layers[3], layers[4] = { EVERY, 'live.', 'every-live' }, { EVERY, '', 'every-configured' }
  end
  for _, layer in ipairs(layers) do
    if redis.call('HEXISTS', P .. 'tenant:' .. layer[1], layer[2] .. limit) == 1 then return layer[3] end
  end
  return 'built-in'
end

local answer = {}
for n, limit in ipairs(LIMITS) do answer[n] = { limits_of(name)[limit] or 'none', who_says(limit) } end
answer[5] = name == TOTAL and redis.call('ZCARD', P .. 'due') or redis.call('ZCARD', P .. 'pending:' .. name)
answer[6] = tonumber(redis.call('HGET', P .. 'queued-bytes', name) or '0')
answer[7] = name == TOTAL and redis.call('ZCARD', P .. 'inflight') or redis.call('SCARD', P .. 'running:' .. name)
return answer
