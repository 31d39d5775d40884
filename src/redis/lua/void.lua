--[[
Takes one usage event back from the totals of its month. If that month is no longer open, it is taken back as late
usage below zero. The id of the event shows whether it was counted, and the void repeats its quantities.

KEYS  1 to 7 as in apply.lua
  8  left  hash: closed month that has left Redis -> where the ledger holds it, see month-index.ts
ARGV
  1  topic
  2  offset        of the void
  3  period, 4 period before, 5 and 6 number of ids in each: what the void was compared with, see agreeOnIds
  7  state         of the event, by these ids: COUNTED, UNKNOWN, or VOIDED if it was taken back already
  8  fingerprints  to store: that of the void, and the event's own if the open period lacks it
  9  project
 10  month         of the event
 11  day           of the event
 12  closed        the latest closed month that the sender has seen; empty if there is none
 13  epoch, 14 follows: as in apply.lua
 15  lane, 16 last, 17 mark: as 13 to 15 in apply.lua
 18  left          months from that of the event on that have left Redis, separated by commas
 19  meter, quantity, held, meter, quantity, held ...: what the event was counted as, each meter once, and what these
     months hold of its day

Answers
  VOIDED [count]   as APPLIED in apply.lua, like UNKNOWN
  DUPLICATE        it was taken back already
  UNKNOWN          it was not counted in this period or the one before. Its id is stored, so that the event counts
                   nothing if it comes later: the order of the two does not matter
  LEFT months      other months than ARGV[18] have left: read what they hold of the day, and send again
  MISMATCH field   that day holds less, so the void does not repeat the event as it was. Nothing was written
  ALREADY_APPLIED cursor | GAP cursor | UNINITIALISED | EPOCH epoch | UNFROZEN month | BEHIND lane | IDS ...
  REJECTED detail | TORN detail  as in apply.lua
Everything is checked before the first write, so nothing has to be undone.
]]
local cursorKey, closedKey = KEYS[1], KEYS[2]
local totalsStem, dailyStem, projectsStem, idsStem, writesKey = KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local topic, offset = ARGV[1], tonumber(ARGV[2])
local state, fingerprints = ARGV[7], ARGV[8]
local project, month, day = ARGV[9], ARGV[10], ARGV[11]
local lane = ARGV[15]
local leftKey = KEYS[8]
local FIRST_USAGE = 19
-- Nothing that old can have been counted, given the limit on an event's age and two periods. This
-- keeps the search short.
local YEARS_BACK = 10

local cursor = call('HGET', cursorKey, lane)
if not cursor then
  return { 'UNINITIALISED' }
end
local at = tonumber(cursor)
if not (at and offset) then
  return { 'REJECTED', 'cursor ' .. cursor .. ' or ' .. ARGV[2] .. ' is not an offset' }
end
if offset < at then
  return { 'ALREADY_APPLIED', cursor }
end
if offset > at then
  return { 'GAP', cursor }
end

local otherEpoch = checkEpoch(writesKey, lane, cursor, ARGV[13], ARGV[14])
if otherEpoch then
  return otherEpoch
end
local torn = checkEnded(writesKey)
if torn then
  return torn
end

if ARGV[12] ~= '' and call('HEXISTS', closedKey, ARGV[12]) == 0 then
  return { 'UNFROZEN', ARGV[12] }
end

local open, openBefore, _, behind = findOpenMonth(closedKey, cursorKey, topic, lane, offset, offset + 1)
if behind then
  return { 'BEHIND', behind }
end
local shared = isShared(cursorKey, topic) and { last = ARGV[16], fingerprints = fingerprints, mark = ARGV[17] }
local ids, others = agreeOnIds(idsStem, topic, open, openBefore, ARGV[3], ARGV[4], ARGV[5], ARGV[6], shared)
if not ids then
  return others
end
local damage = checkIds(ids)
if damage then
  return { 'REJECTED', damage }
end
local isLate = open and month < open
local bill = isLate and open or month

-- Sums of large integers. They are added in halves, because Lua's numbers are exact up to 2^53.
local HALF = 1000000000

local function add(sum, text, sign)
  local digits = string.gsub(text, '^-', '')
  if digits ~= text then
    sign = -sign
  end
  sum.high = sum.high + sign * (tonumber(sub(digits, 1, -10)) or 0)
  sum.low = sum.low + sign * tonumber(sub(digits, -9))
end

local function isAtLeast(sum, high, low)
  local carried = sum.high + math.floor(sum.low / HALF)
  return carried > high or (carried == high and sum.low % HALF >= low)
end

local hasLeft = {}

local function findLeft()
  local left, taking = {}, month
  while taking <= bill do
    -- If only its note is there, the sender reports that the index is lost.
    if call('HEXISTS', leftKey, taking) == 1 or call('HEXISTS', writesKey, 'left:' .. taking) == 1 then
      hasLeft[taking] = true
      left[#left + 1] = taking
    end
    taking = monthAfter(taking)
  end
  return table.concat(left, ',')
end

-- Whether the usage of a day, over all months that contain it, is at least `quantity`.
local function holds(field, quantity, heldByLeft)
  local sum = { high = 0, low = 0 }
  add(sum, heldByLeft, 1)
  local taking = month
  while taking <= bill do
    local quantityThere = not hasLeft[taking] and call('HGET', dailyStem .. taking .. ':' .. project, field)
    if quantityThere then
      add(sum, quantityThere, 1)
    end
    taking = monthAfter(taking)
  end
  add(sum, quantity, -1)
  return isAtLeast(sum, 0, 0)
end

-- Whether HINCRBY takes the quantity, and the result: neither may be below -(2^63-1). After the
-- first write, an error could not be undone.
local function canTake(key, field, quantity)
  for _, there in ipairs({ '0', call('HGET', key, field) or '0' }) do
    local sum = { high = 0, low = 0 }
    add(sum, there, 1)
    add(sum, quantity, -1)
    if not isAtLeast(sum, -9223372037, 145224193) then
      return false
    end
  end
  return true
end

local function totalsField(meter)
  return isLate and month .. '@' .. meter or meter
end

local function take(key, field, quantity)
  if call('HINCRBY', key, field, '-' .. quantity) == 0 then
    call('HDEL', key, field) -- A zero is never stored.
  end
end

local function moveCursor()
  local nextOffset = string.format('%.0f', offset + 1)
  call('HSET', cursorKey, lane, nextOffset)
  storeEpoch(writesKey, lane, ARGV[13], nextOffset)
end

checkRights(cursorKey, totalsStem, dailyStem, projectsStem, idsStem, writesKey)
if state == 'VOIDED' then
  moveCursor()
  return { 'DUPLICATE' }
end
local totalsKey, dailyKey
if state == 'COUNTED' then
  local isTooOld = tonumber(sub(bill, 1, 4)) - tonumber(sub(month, 1, 4)) > YEARS_BACK
  local left = isTooOld and ARGV[18] or findLeft()
  if left ~= ARGV[18] then
    return { 'LEFT', left }
  end
  for i = FIRST_USAGE, #ARGV, 3 do
    local field = day .. '/' .. ARGV[i]
    if isTooOld or not holds(field, ARGV[i + 1], ARGV[i + 2]) then
      return { 'MISMATCH', field }
    end
  end
  totalsKey, dailyKey = totalsStem .. bill .. ':' .. project, dailyStem .. bill .. ':' .. project
  -- A key of a wrong type must fail here, or else the other keys would be written without it.
  call('HLEN', totalsKey)
  call('SISMEMBER', projectsStem .. bill, project)
  for i = FIRST_USAGE, #ARGV, 3 do
    local meter, quantity = ARGV[i], ARGV[i + 1]
    if not (canTake(totalsKey, totalsField(meter), quantity) and canTake(dailyKey, day .. '/' .. meter, quantity)) then
      return { 'REJECTED', 'a total would pass 2^63-1' }
    end
  end
end
beginWrites(writesKey)
if state == 'COUNTED' then
  for i = FIRST_USAGE, #ARGV, 3 do
    local meter = ARGV[i]
    take(totalsKey, totalsField(meter), ARGV[i + 1])
    take(dailyKey, day .. '/' .. meter, ARGV[i + 1])
    call('SADD', projectsStem .. bill, project)
  end
end
addIds(ids, fingerprints)
moveCursor()
endWrites(writesKey)
return { state == 'COUNTED' and 'VOIDED' or 'UNKNOWN', shared and ids.count or nil }
