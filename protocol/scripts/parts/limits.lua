-- What holds for a tenant. Where nothing is said of one, what is said of every tenant counts, then what is built in.
-- KEY tenants   hash: of each name of which something is said its weight, maxQueuedJobs, maxQueuedBytes and maxRunningJobs, a space
--               between: a number, `none` (no cap) or `?` (unsaid). A name is a tenant, `*` (every tenant that isn't named) or
--               `+` (all together)
local LIMITS = { 'weight', 'maxQueuedJobs', 'maxQueuedBytes', 'maxRunningJobs' }
local BUILT_IN = { weight = '1', maxQueuedJobs = '100000', maxQueuedBytes = '1073741824', maxRunningJobs = 'none' }
local BUILT_IN_TOTAL = { maxQueuedJobs = '1000000', maxQueuedBytes = '4294967296', maxRunningJobs = 'none' }
local EVERY, TOTAL = '*', '+'
local known_limits = {}

local function fill(said, otherwise)
  if not said then return otherwise end
  local limits, place = {}, 0
  for word in said:gmatch('%S+') do
    place = place + 1
    limits[LIMITS[place]] = word ~= '?' and word or otherwise[LIMITS[place]]
  end
  return limits
end

-- Each is read once per script, with the two that hold for more than one tenant.
local function limits_of(name)
  if not known_limits[name] then
    local said = redis.call('HMGET', P .. 'tenants', name, EVERY, TOTAL)
    local every = fill(said[2], BUILT_IN)
    known_limits[name] = fill(said[1], every)
    known_limits[EVERY], known_limits[TOTAL] = every, fill(said[3], BUILT_IN_TOTAL)
  end
  return known_limits[name]
end

-- Nil where there is no cap.
local function cap_of(name, limit)
  return tonumber(limits_of(name)[limit])
end
