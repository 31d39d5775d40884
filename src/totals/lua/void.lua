--[[
Takes one usage event back: off the totals of its month, or, if that month is no longer open, as late usage below zero.
Whether the event was counted is told by its id; the quantities come with the void.

KEYS  as in apply.lua
ARGV
  1  topic
  2  offset        of the void
  3  fingerprint   of the event to take back
  4  fingerprint   of its being void: remembered beside the event's own, so that a second void finds it
  5  project
  6  month         of the event
  7  day           of the event
  8  closed        the latest month that the sender knows to be closed; empty if it knows of none
  9  meter, quantity, meter, quantity ...: what the event was counted as, each meter once

Answers
  VOIDED
  DUPLICATE        it was taken back already
  UNKNOWN          it was not counted in this period or the one before. Its id is taken: should it still come, it counts
                   nothing, so that it does not matter which of the two comes first
  MISMATCH field   that day does not hold as much: the void does not repeat the event as it was. Nothing was written
  ALREADY_APPLIED cursor | GAP cursor | UNINITIALISED | UNFROZEN month | REJECTED detail   as in apply.lua
Everything is checked before the first write, so there is nothing to undo; but see splitFullBuckets.
]]
local cursorKey, closedKey = KEYS[1], KEYS[2]
local totalsStem, dailyStem, projectsStem, idsStem = KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local topic, offset = ARGV[1], tonumber(ARGV[2])
local fingerprint, voidFingerprint = ARGV[3], ARGV[4]
local project, month, day = ARGV[5], ARGV[6], ARGV[7]
local FIRST_USAGE = 9
-- Nothing can have been counted so long ago: the limit on an event's age, and two periods. Keeps the search short.
local YEARS_BACK = 10

local cursor = call('HGET', cursorKey, topic)
if not cursor then
  return { 'UNINITIALISED' }
end
local at = tonumber(cursor)
if not (at and offset) then
  return { 'REJECTED', 'cursor ' .. cursor .. ' or ' .. ARGV[2] .. ' is no offset' }
end
if offset < at then
  return { 'ALREADY_APPLIED', cursor }
end
if offset > at then
  return { 'GAP', cursor }
end

if ARGV[8] ~= '' and call('HEXISTS', closedKey, ARGV[8]) == 0 then
  return { 'UNFROZEN', ARGV[8] }
end

local open, openBefore = findOpenMonth(closedKey, topic, offset, offset + 1)
local isLate = open and month < open
local bill = isLate and open or month

-- Is what a day's usage comes to, over all months that took it in, at least `quantity`? By halves: Lua holds 2^53.
local function holds(field, quantity)
  local high, low = 0, 0
  local function add(text, sign)
    local digits = string.gsub(text, '^-', '')
    if digits ~= text then
      sign = -sign
    end
    high = high + sign * (tonumber(sub(digits, 1, -10)) or 0)
    low = low + sign * tonumber(sub(digits, -9))
  end
  local taking = month
  while taking <= bill do
    local quantityThere = call('HGET', dailyStem .. taking .. ':' .. project, field)
    if quantityThere then
      add(quantityThere, 1)
    end
    taking = monthAfter(taking)
  end
  add(quantity, -1)
  return high + math.floor(low / 1000000000) >= 0
end

local own = openIds(idsStem, open or 'first')
local previous = open and openIds(idsStem, openBefore or 'first')

local function isIn(ids, digits)
  return ids and call('SISMEMBER', bucketOf(ids, hashOf(digits, #digits)), digits) == 1
end

local function remember(digits)
  own.count = own.count + call('SADD', bucketOf(own, hashOf(digits, #digits)), digits)
end

local function take(key, field, quantity)
  if call('HINCRBY', key, field, '-' .. quantity) == 0 then
    call('HDEL', key, field) -- A zero is never stored.
  end
end

if isIn(own, voidFingerprint) or isIn(previous, voidFingerprint) then
  call('HSET', cursorKey, topic, string.format('%.0f', offset + 1))
  return { 'DUPLICATE' }
end
local isKnown = isIn(own, fingerprint) or isIn(previous, fingerprint)
if isKnown then
  for i = FIRST_USAGE, #ARGV, 2 do
    local field = day .. '/' .. ARGV[i]
    if tonumber(sub(bill, 1, 4)) - tonumber(sub(month, 1, 4)) > YEARS_BACK or not holds(field, ARGV[i + 1]) then
      return { 'MISMATCH', field }
    end
  end
  local totalsKey, dailyKey = totalsStem .. bill .. ':' .. project, dailyStem .. bill .. ':' .. project
  -- Of a wrong type: found now, or the other keys would be written without it.
  call('HLEN', totalsKey)
  call('SISMEMBER', projectsStem .. bill, project)
  for i = FIRST_USAGE, #ARGV, 2 do
    local meter = ARGV[i]
    take(totalsKey, isLate and month .. '@' .. meter or meter, ARGV[i + 1])
    take(dailyKey, day .. '/' .. meter, ARGV[i + 1])
    call('SADD', projectsStem .. bill, project)
  end
end
remember(voidFingerprint)
remember(fingerprint) -- Again if it was counted in the period before: an id lasts as long as its void.
noteIds(own)
call('HSET', cursorKey, topic, string.format('%.0f', offset + 1))
splitFullBuckets(own)
return { isKnown and 'VOIDED' or 'UNKNOWN' }
