--[[
Replaces a field of a hash if it still holds what was read.

KEYS
  1  hash

ARGV
  1  the field
  2  its value as it was read; empty: there was none
  3  its new value

Answers
  SWAPPED   the field holds the new value
  CHANGED   another process was faster; nothing was written
]]
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
  return { 'CHANGED' }
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return { 'SWAPPED' }
