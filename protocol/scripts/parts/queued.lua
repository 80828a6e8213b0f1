-- Waiting jobs that are not released, and how many bytes they are. Only these functions change the two, and only together.
-- KEY pending:TENANT   zset: waiting jobs by (priority, sequence)
-- KEY queued-bytes     hash: their bytes by tenant, and of all tenants under `+`; nothing of a tenant with none waiting
-- KEY pace             hash: when a job of a tenant was last released and how long that takes; nothing of a tenant with none waiting
-- KEY job:UID          hash: the job
local queued_bytes = {}

local function count_bytes(tenant, bytes)
  if bytes == 0 then return end
  queued_bytes[tenant] = redis.call('HINCRBY', P .. 'queued-bytes', tenant, bytes)
  queued_bytes['+'] = redis.call('HINCRBY', P .. 'queued-bytes', '+', bytes)
end

-- Whatever may have gone wrong with the sum ends with the last of a tenant's jobs. Returns how many there are.
local function settle_empty(tenant)
  local left = redis.call('ZCARD', P .. 'pending:' .. tenant)
  if left > 0 then return left end
  count_bytes(tenant, -tonumber(redis.call('HGET', P .. 'queued-bytes', tenant) or '0'))
  redis.call('HDEL', P .. 'queued-bytes', tenant)
  redis.call('HDEL', P .. 'pace', tenant)
  if redis.call('HLEN', P .. 'queued-bytes') <= 1 then
    redis.call('DEL', P .. 'queued-bytes')
    redis.call('DEL', P .. 'pace')
  end
  return 0
end

local function enqueue(tenant, uid, place, bytes)
  if redis.call('ZADD', P .. 'pending:' .. tenant, 'NX', place, uid) == 1 then count_bytes(tenant, bytes) end
end

local function dequeue(tenant, uid)
  if redis.call('ZREM', P .. 'pending:' .. tenant, uid) == 0 then return end
  count_bytes(tenant, -tonumber(redis.call('HGET', P .. 'job:' .. uid, 'bytes') or '0'))
  settle_empty(tenant)
end

-- The first job that still waits (nil when there is none), and how many more do.
local function dequeue_first(tenant)
  local popped = redis.call('ZPOPMIN', P .. 'pending:' .. tenant)
  while popped[1] do
    local job = redis.call('HMGET', P .. 'job:' .. popped[1], 'state', 'bytes')
    count_bytes(tenant, -tonumber(job[2] or '0'))
    if job[1] == 'waiting' then break end
    popped = redis.call('ZPOPMIN', P .. 'pending:' .. tenant)
  end
  return popped[1], settle_empty(tenant)
end
