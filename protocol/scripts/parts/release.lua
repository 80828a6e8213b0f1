-- Start-time fair queueing between tenants: hands waiting jobs to BullMQ while fewer than slots * 1.5 are in flight.
-- KEY ready            zset: tenants with waiting jobs, by the virtual time at which their next job may start
-- KEY held             set: tenants with waiting jobs that are kept out of `ready` by their cap of running jobs
-- KEY finish           zset: virtual finish time of each tenant's latest job; below V it means nothing and is dropped
-- KEY V                virtual time: the start tag of the latest job released
-- KEY tenant:TENANT    hash, all optional: weight (default 1), maxRunning, maxQueued
-- KEY pending:TENANT   zset: waiting jobs by (priority, sequence)
-- KEY running:TENANT   set: jobs released or begun, until they end
-- KEY inflight         zset: the same of all tenants, by when a sweep last looked at them
-- KEY due              zset: waiting jobs, released or not, by when they end unbegun
-- KEY workers          zset: live worker instances by when their offer lapses (ms)
-- KEY slots            hash: slots of each live instance
-- KEY job:UID          hash: the job
local RELEASE_BATCH = 500
local COST = 1

local function virtual_now()
  return tonumber(redis.call('GET', P .. 'V') or '0')
end

-- Puts a tenant that has waiting jobs among those to be served, unless it is there.
local function enlist(tenant)
  if redis.call('ZCARD', P .. 'pending:' .. tenant) == 0 then return end
  local finish = tonumber(redis.call('ZSCORE', P .. 'finish', tenant) or '0')
  redis.call('SREM', P .. 'held', tenant)
  redis.call('ZADD', P .. 'ready', 'NX', math.max(virtual_now(), finish), tenant)
end

local function state_of(uid)
  return redis.call('HGET', P .. 'job:' .. uid, 'state')
end

-- Takes a job out of every list that unfinished jobs are in.
local function forget(uid, tenant)
  redis.call('ZREM', P .. 'inflight', uid)
  redis.call('ZREM', P .. 'due', uid)
  redis.call('ZREM', P .. 'pending:' .. tenant, uid)
  redis.call('SREM', P .. 'running:' .. tenant, uid)
end

local function live_slots()
  for _, instance in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers', '-inf', now_ms)) do
    redis.call('ZREM', P .. 'workers', instance)
    redis.call('HDEL', P .. 'slots', instance)
  end
  local total = 0
  for _, slots in ipairs(redis.call('HVALS', P .. 'slots')) do total = total + tonumber(slots) end
  return total
end

-- Before a tenant is held back, members that have no unfinished job any more are removed: they would hold it back for ever.
local function is_at_cap(tenant)
  local cap = tonumber(redis.call('HGET', P .. 'tenant:' .. tenant, 'maxRunning') or nil)
  local running = P .. 'running:' .. tenant
  if not cap or redis.call('SCARD', running) < cap then return false end
  for _, uid in ipairs(redis.call('SMEMBERS', running)) do
    local state = state_of(uid)
    if not state or state == 'final' then redis.call('SREM', running, uid) end
  end
  return redis.call('SCARD', running) >= cap
end

local function take_first(tenant)
  local popped = redis.call('ZPOPMIN', P .. 'pending:' .. tenant)
  while popped[1] and state_of(popped[1]) ~= 'waiting' do
    popped = redis.call('ZPOPMIN', P .. 'pending:' .. tenant)
  end
  return popped[1]
end

-- Charges a tenant for one job that starts at `start`, and puts it where its next job belongs. Returns V.
local function charge(tenant, start, V)
  local weight = tonumber(redis.call('HGET', P .. 'tenant:' .. tenant, 'weight') or '1')
  local finish = start + COST / weight
  redis.call('ZADD', P .. 'finish', finish, tenant)
  if redis.call('ZCARD', P .. 'pending:' .. tenant) == 0 then
    redis.call('ZREM', P .. 'ready', tenant)
  else
    redis.call('ZADD', P .. 'ready', finish, tenant)
  end
  return math.max(V, start)
end

-- Returns the uids that the caller adds to BullMQ.
local function release()
  local room = math.ceil(live_slots() * 1.5) - redis.call('ZCARD', P .. 'inflight')
  local released, V = {}, virtual_now()
  while #released < math.min(room, RELEASE_BATCH) do
    local first = redis.call('ZRANGE', P .. 'ready', 0, 0, 'WITHSCORES')
    local tenant, start = first[1], tonumber(first[2])
    if not tenant then break end
    local is_held = is_at_cap(tenant)
    local uid = not is_held and take_first(tenant)
    if uid then
      V = charge(tenant, start, V)
      redis.call('ZADD', P .. 'inflight', now_ms, uid)
      redis.call('SADD', P .. 'running:' .. tenant, uid)
      released[#released + 1] = uid
    else
      redis.call('ZREM', P .. 'ready', tenant)
      if is_held then redis.call('SADD', P .. 'held', tenant) end
    end
  end
  if #released > 0 then
    redis.call('SET', P .. 'V', string.format('%.17g', V))
    redis.call('ZREMRANGEBYSCORE', P .. 'finish', '-inf', string.format('%.17g', V))
  end
  return released
end
