-- What holds for a tenant. The first word counts: the operator's while all runs, the workers' configuration, then both about every
-- tenant that isn't named, then what is built in. `none` is no cap.
-- KEY tenant:NAME   hash: weight and caps as the configuration says them; said live: the same names after `live.`.
--                   NAME is a tenant, `*` (every tenant that isn't named) or `+` (all together)
local LIMITS = { 'weight', 'maxQueuedJobs', 'maxQueuedBytes', 'maxRunningJobs' }
local BUILT_IN = { weight = '1', maxQueuedJobs = '100000', maxQueuedBytes = '1073741824', maxRunningJobs = 'none' }
local BUILT_IN_TOTAL = { maxQueuedJobs = '1000000', maxQueuedBytes = '4294967296', maxRunningJobs = 'none' }
local EVERY, TOTAL = '*', '+'
local known_limits = {}

local function read_limits(name, otherwise)
  local said = redis.call('HMGET', P .. 'tenant:' .. name, 'live.weight', 'live.maxQueuedJobs', 'live.maxQueuedBytes',
    'live.maxRunningJobs', 'weight', 'maxQueuedJobs', 'maxQueuedBytes', 'maxRunningJobs')
  local limits = {}
  for n, limit in ipairs(LIMITS) do limits[limit] = said[n] or said[n + #LIMITS] or otherwise[limit] end
  return limits
end

-- Each is read once per script.
local function limits_of(name)
  if known_limits[name] then return known_limits[name] end
  local otherwise
  if name == TOTAL then otherwise = BUILT_IN_TOTAL
  elseif name == EVERY then otherwise = BUILT_IN
  else
    known_limits[EVERY] = known_limits[EVERY] or read_limits(EVERY, BUILT_IN)
    otherwise = known_limits[EVERY]
  end
  known_limits[name] = read_limits(name, otherwise)
  return known_limits[name]
end

-- Nil where there is no cap.
local function cap_of(name, limit)
  return tonumber(limits_of(name)[limit])
end
