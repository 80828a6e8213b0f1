-- Whether there is room for one more job
-- KEY pending:TENANT   zset: waiting jobs of a tenant that are not released
-- KEY due              zset: waiting jobs of all
-- KEY queued-bytes     hash: bytes by tenant, and of all under `+`
-- KEY pace             hash: how fast jobs leave the queue
-- When nothing tells how fast the queue moves; when nobody serves it; when Redis is full.
local RETRY_MS, RETRY_UNSERVED_MS, RETRY_FULL_MS = 1000, 5000, 5000
local RETRY_LEAST_MS, RETRY_MOST_MS = 100, 60000

-- About when so many jobs of a tenant, or of all, will have left the queue. A queue that stands still isn't asked more often than
-- it has stood.
local function retry_after(name, jobs)
  if live_slots() == 0 then return RETRY_UNSERVED_MS end
  local last, mean = (redis.call('HGET', P .. 'pace', name) or ''):match('^(%S+) (%S+)$')
  if not last then return RETRY_MS end
  local expected = mean == '?' and RETRY_MS or tonumber(mean) * jobs
  local wait = math.ceil(math.max(expected, now_ms - tonumber(last)))
  return math.min(math.max(wait, RETRY_LEAST_MS), RETRY_MOST_MS)
end

-- Jobs and bytes that are queued under a name against its caps; nil while there is room.
local function find_over(name, scope, jobs, new_bytes)
  local max_jobs, max_bytes = cap_of(name, 'maxQueuedJobs'), cap_of(name, 'maxQueuedBytes')
  if max_jobs and jobs >= max_jobs then
    return { 'quota', scope .. '-queued-jobs', max_jobs, retry_after(name, jobs - max_jobs + 1) }
  end
  local bytes = tonumber(redis.call('HGET', P .. 'queued-bytes', name) or '0')
  if max_bytes and bytes + new_bytes > max_bytes then
    local too_many = math.ceil((bytes + new_bytes - max_bytes) * jobs / math.max(bytes, 1))
    return { 'quota', scope .. '-queued-bytes', max_bytes, retry_after(name, math.max(too_many, 1)) }
  end
  return nil
end

local function find_full()
  local used, max = read_memory()
  if max > 0 and used > max * ACCEPT_SHARE then return { 'quota', 'redis-memory', max, RETRY_FULL_MS } end
  return nil
end

-- The answer that refuses a job of so many bytes; nil while there is room. The costly question comes last.
local function find_quota(tenant, bytes)
  return find_over(tenant, 'tenant', redis.call('ZCARD', P .. 'pending:' .. tenant), bytes)
    or find_over(TOTAL, 'total', redis.call('ZCARD', P .. 'due'), bytes)
    or find_full()
end
