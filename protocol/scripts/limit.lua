#!lua flags=allow-oom
-- An operator says what holds for a tenant from now on, above what the workers' configuration says of it.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY tenants     hash: names of which something is said, bounded
-- CHANNEL sweep   empty, to all workers: there may be something to release
-- (and those of the parts)
-- ARGV 1 name (a tenant, `*`, `+`), then weight, maxQueuedJobs, maxQueuedBytes, maxRunningJobs: a number, `none` (no cap),
--      `unsaid` (as configured) or empty (as it was)
--
-- {'said'} | {'too-many', limit}
local P = KEYS[1]
--- include clock
--- include limits
--- include queued
--- include memory
--- include release
--- include limiting
local name = ARGV[1]
local NAMES_MAX = 10000

local function read_words()
  local words = {}
  for n, limit in ipairs(LIMITS) do
    local word = ARGV[n + 1]
    if word == 'unsaid' then words[limit] = '' elseif word ~= '' then words[limit] = word end
  end
  return words
end

local is_new = redis.call('HEXISTS', P .. 'tenants', name) == 0
if is_new and redis.call('HLEN', P .. 'tenants') >= NAMES_MAX then return { 'too-many', NAMES_MAX } end
say(name, LIVE, read_words())
take_effect()
redis.call('PUBLISH', P .. 'sweep', '')
return { 'said' }
