--[[
Notes that a closed month leaves a shard: from now on, its totals are read from the ledger. Nothing is deleted here.

KEYS
  1  left      hash: closed month -> where the ledger holds it
  2  cursor    hash: topic -> next offset to apply
  3  closed    hash: frozen month -> JSON of topic -> next offset at the freeze
  4  projects  set of the projects with totals in the month
  5  writes    hash that also notes which months have left, so that a loss of KEYS[1] is noticed

ARGV
  1  month
  2  count  how many projects of the month the ledger holds, all of which were compared
  3  index  where, see month-index.ts
  4  field  of KEYS[5]
  5  digest  of the month

Answers
  LEAVING
  UNFROZEN         the month is not frozen
  BEHIND topic     the log is still being replayed up to the freeze, so the month is not complete
  COUNT projects   the shard has another number of projects
]]
local leftKey, cursorKey, closedKey, projectsKey, month = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1]

local _, incomplete = completeFreeze(cursorKey, closedKey, month)
if incomplete then
  return incomplete
end
local projects = redis.call('SCARD', projectsKey)
if projects ~= tonumber(ARGV[2]) then
  return { 'COUNT', projects }
end
redis.call('HSET', KEYS[5], ARGV[4], ARGV[5])
redis.call('HSET', leftKey, month, ARGV[3])
return { 'LEAVING' }
