--[[
Deletes the totals and days of one project in a month that leaves, if they are what the ledger holds. It may be
repeated: what is not there any more was deleted by an earlier call.

KEYS
  1  left      hash: closed month -> where the ledger holds it
  2  totals    hash: meter, or <late month>@<meter> -> integer
  3  daily     hash: <day>/<meter> -> integer
  4  projects  set of the projects with totals in the month

ARGV
  1  month
  2  project
  3  totals  how many fields the ledger holds, 4 days: how many
  5  field, integer, field, integer ...: first the totals, then the days

Answers
  LEFT
  NOT_LEAVING    readers do not read the month from the ledger, for instance because Redis was rebuilt
  DIFFERS key    something else is stored there. Nothing was deleted
]]
local leftKey, projectsKey, month = KEYS[1], KEYS[4], ARGV[1]
local FIRST_FIELD = 5

local function isGoneOrEqual(key, first, count)
  local held = redis.call('HGETALL', key)
  if #held == 0 then
    return true
  end
  if #held ~= 2 * count then
    return false
  end
  local expected = {}
  for i = first, first + 2 * count - 1, 2 do
    expected[ARGV[i]] = ARGV[i + 1]
  end
  for i = 1, #held, 2 do
    if expected[held[i]] ~= held[i + 1] then
      return false
    end
  end
  return true
end

if redis.call('HEXISTS', leftKey, month) == 0 then
  return { 'NOT_LEAVING' }
end
local totals, days = tonumber(ARGV[3]), tonumber(ARGV[4])
if not isGoneOrEqual(KEYS[2], FIRST_FIELD, totals) then
  return { 'DIFFERS', KEYS[2] }
end
if not isGoneOrEqual(KEYS[3], FIRST_FIELD + 2 * totals, days) then
  return { 'DIFFERS', KEYS[3] }
end
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('SREM', projectsKey, ARGV[2])
return { 'LEFT' }
