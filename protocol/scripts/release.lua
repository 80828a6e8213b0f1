#!lua flags=allow-oom
-- Releases what the slots have room for.
--
-- KEYS[1] the queue's prefix; keys below it are those of the parts
--
-- {'released', {released}}
local P = KEYS[1]
--- include clock
--- include limits
--- include queued
--- include memory
--- include release
return { 'released', release() }
