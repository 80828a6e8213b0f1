-- The one clock of the protocol: that of Redis. Milliseconds and microseconds since 1970.
local function read_clock()
  local time = redis.call('TIME')
  local us = tonumber(time[1]) * 1000000 + tonumber(time[2])
  return math.floor(us / 1000), us
end
local now_ms, now_us = read_clock()
