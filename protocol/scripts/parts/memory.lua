-- How full Redis is. Results are taken whatever that is; so what has not begun waits, before results leave no room.
-- KEY full   string that ends by itself: Redis was too full to release jobs when a script last looked
local ACCEPT_SHARE, RELEASE_SHARE = 0.85, 0.9
local FULL_MS = 10000

-- Bytes used, and the most that may be; 0: as many as there are.
local function read_memory()
  local info = redis.call('INFO', 'memory')
  return tonumber(info:match('used_memory:(%d+)')), tonumber(info:match('maxmemory:(%d+)'))
end

local function look_at_memory()
  local used, max = read_memory()
  if max > 0 and used > max * RELEASE_SHARE then redis.call('SET', P .. 'full', '1', 'PX', FULL_MS)
  else redis.call('DEL', P .. 'full') end
end

-- Reading takes as long as fifty other commands: every sixteenth call or so looks, and each while it is full.
local function is_full()
  if now_us % 16 == 0 or redis.call('EXISTS', P .. 'full') == 1 then look_at_memory() end
  return redis.call('EXISTS', P .. 'full') == 1
end
