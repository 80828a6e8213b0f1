-- A job whose executions begin and never end takes its workers with it: after so many it is not begun again, whatever its attempts.
-- `epoch` counts the executions that began, `ended` those of which an end was told (the script `yield`).
local POISON_AFTER = 3

local function is_poison(job)
  return job.epoch - job.ended >= POISON_AFTER
end
