-- Start-time fair queueing between tenants: hands waiting jobs to BullMQ while fewer than slots * 1.5 are in flight.
-- KEY ready            zset: tenants with waiting jobs, by the virtual time at which their next job may start
-- KEY held             set: tenants with waiting jobs that are kept out of `ready` by their cap of running jobs
-- KEY finish           zset: virtual finish time of each tenant's latest job; below V it means nothing and is dropped
-- KEY V                virtual time: the start tag of the latest job released
-- KEY pace             hash: of each tenant and of all (`+`) `WHEN MS`: when one was last released, and the mean time between two
-- KEY pending:TENANT   zset: waiting jobs by (priority, sequence)
-- KEY running:TENANT   set: jobs released or begun, until they end
-- KEY inflight         zset: the same of all tenants, by when a sweep last looked at them
-- KEY due              zset: waiting jobs, released or not, by when they end unbegun
-- KEY arrived          zset: the same, by when they were accepted
-- KEY workers          zset: live worker instances by when their offer lapses (ms)
-- KEY slots            hash: slots of each live instance
local RELEASE_BATCH = 500
local COST = 1
-- How much the latest release counts in the mean time between two.
local PACE_SHARE, PACE_MOST_MS = 0.2, 60000

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

-- Takes a job out of every list that unfinished jobs are in.
local function forget(uid, tenant)
  redis.call('ZREM', P .. 'inflight', uid)
  redis.call('ZREM', P .. 'due', uid)
  redis.call('ZREM', P .. 'arrived', uid)
  dequeue(tenant, uid)
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

local function is_at_cap(tenant)
  local cap = cap_of(tenant, 'maxRunningJobs')
  return cap ~= nil and redis.call('SCARD', P .. 'running:' .. tenant) >= cap
end

-- Charges a tenant for one job that starts at `start`, and puts it where its next job belongs.
local function charge(tenant, start, left)
  local finish = start + COST / tonumber(limits_of(tenant).weight)
  redis.call('ZADD', P .. 'finish', finish, tenant)
  if left == 0 then redis.call('ZREM', P .. 'ready', tenant) else redis.call('ZADD', P .. 'ready', finish, tenant) end
end

local function is_above_total(in_flight)
  local cap = cap_of(TOTAL, 'maxRunningJobs')
  return cap ~= nil and in_flight >= cap
end

local function is_half_full(name, jobs)
  local max_jobs, max_bytes = cap_of(name, 'maxQueuedJobs'), cap_of(name, 'maxQueuedBytes')
  return max_jobs ~= nil and jobs * 2 >= max_jobs or max_bytes ~= nil and (queued_bytes[name] or 0) * 2 >= max_bytes
end

-- Notes how fast jobs leave the queue, for whoever will be told when to try again: while there may be such.
local function note_pace(of, jobs, count)
  if jobs == 0 or not is_half_full(of, jobs) then return end
  local seen = redis.call('HGET', P .. 'pace', of)
  local last, mean = (seen or ''):match('^(%S+) (%S+)$')
  local latest = last and math.min((now_ms - tonumber(last)) / count, PACE_MOST_MS)
  if latest and mean ~= '?' then latest = tonumber(mean) + (latest - tonumber(mean)) * PACE_SHARE end
  redis.call('HSET', P .. 'pace', of, string.format('%.0f ', now_ms) .. (latest and string.format('%.3f', latest) or '?'))
end

-- By tenant: how many jobs were released, and how many are left.
local function note_paces(released, counts, left)
  for tenant, count in pairs(counts) do note_pace(tenant, left[tenant], count) end
  note_pace(TOTAL, redis.call('ZCARD', P .. 'due') - #released, #released)
end

-- Returns the uids that the caller adds to BullMQ: none while Redis is full.
local function release()
  if is_full() then return {} end
  local in_flight = redis.call('ZCARD', P .. 'inflight')
  local room = math.min(math.ceil(live_slots() * 1.5) - in_flight, RELEASE_BATCH)
  local released, counts, left, V = {}, {}, {}, nil
  while #released < room do
    local first = redis.call('ZRANGE', P .. 'ready', 0, 0, 'WITHSCORES')
    local tenant, start, uid = first[1], tonumber(first[2]), nil
    if not tenant then break end
    local is_held = is_at_cap(tenant)
    if is_above_total(in_flight + #released) then break end
    if not is_held then uid, left[tenant] = dequeue_first(tenant) end
    if uid then
      charge(tenant, start, left[tenant])
      V = math.max(V or virtual_now(), start)
      redis.call('ZADD', P .. 'inflight', now_ms, uid)
      redis.call('SADD', P .. 'running:' .. tenant, uid)
      released[#released + 1] = uid
      counts[tenant] = (counts[tenant] or 0) + 1
    else
      redis.call('ZREM', P .. 'ready', tenant)
      if is_held then redis.call('SADD', P .. 'held', tenant) end
    end
  end
  if V then
    redis.call('SET', P .. 'V', string.format('%.17g', V))
    redis.call('ZREMRANGEBYSCORE', P .. 'finish', '-inf', string.format('%.17g', V))
    note_paces(released, counts, left)
  end
  return released
end
