--[[
Marks a shard whose month is frozen and complete. A Redis that goes back to before the mark loses it. So while the mark
exists, whatever was read of the month since is what was frozen.

KEYS
  1  cursor  hash: topic -> next offset to apply
  2  closed  hash: frozen month -> JSON of topic -> next offset at the freeze
  3  seals   hash: run of a close -> its month

ARGV
  1  month
  2  run      names this run of the close
  3  seconds  the marks of all runs expire this long after the last one

Answers
  SEALED cursors   JSON of the freeze
  UNFROZEN         the month is not frozen
  BEHIND topic     the freeze was restored, and the log is still being replayed up to it
]]
local cursorKey, closedKey, sealsKey, month = KEYS[1], KEYS[2], KEYS[3], ARGV[1]

local frozen, incomplete = completeFreeze(cursorKey, closedKey, month)
if not frozen then
  return incomplete
end
redis.call('HSET', sealsKey, ARGV[2], month)
redis.call('EXPIRE', sealsKey, ARGV[3])
return { 'SEALED', frozen }
