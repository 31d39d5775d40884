--[[
The dedup index in Redis: the ids that a shard has counted of a topic in one dedup window. It is a log of fingerprints
of 8 bytes, in the order of counting, cut into segments. This file precedes the scripts that count events (see
scripts.ts).

No script looks up an id. The sender holds the same ids in memory (dedup-index.ts), leaves out duplicates itself, and
states what it compared with: the windows, and the number of ids in each. If Redis holds others, the script answers IDS
and writes nothing. Ids are only added together with a move of the cursor, and the log gives them in one order. So if
window, number and cursor are equal, the ids are equal.
]]
local ID_BYTES = 8
-- With the overhead of strings and of memory allocation, a segment takes up 64 KiB at most: see
-- dedup-index.ts.
local IDS_PER_SEGMENT = 8190

local call, byte, sub, tonumber = redis.call, string.byte, string.sub, tonumber

local function segmentKey(ids, segment)
  return string.format('%s:%s:%08d', ids.key, ids.topic, segment)
end

local function openIds(idsStem, period, topic)
  local key = idsStem .. period
  return { key = key, topic = topic, count = tonumber(call('HGET', key, topic) or 0) }
end

--[[
Returns the ids that an event at this offset is compared with, if the sender used the same; otherwise nil and an answer.
  open, openBefore            see findOpenMonth
  period, before              the sender's open period and the one before; '' for none
  ownCount, previousCount     how many ids of each the sender holds
]]
local function agreeOnIds(idsStem, topic, open, openBefore, period, before, ownCount, previousCount)
  local openPeriod = open or 'first'
  local periodBefore = open and (openBefore or 'first') or ''
  local own = openIds(idsStem, openPeriod, topic)
  local previous = periodBefore == '' and { count = 0 } or openIds(idsStem, periodBefore, topic)
  if
    period == openPeriod
    and before == periodBefore
    and tonumber(ownCount) == own.count
    and tonumber(previousCount) == previous.count
  then
    return own
  end
  return nil, { 'IDS', openPeriod, periodBefore, own.count, previous.count }
end

-- Whether as many ids are stored as were counted. Called before the first write, so that adding
-- cannot fail after it.
local function checkIds(ids)
  local inSegment = ids.count % IDS_PER_SEGMENT
  local length = call('STRLEN', segmentKey(ids, (ids.count - inSegment) / IDS_PER_SEGMENT))
  if length ~= inSegment * ID_BYTES then
    return 'the ids of ' .. ids.topic .. ' are damaged: ' .. ids.count .. ' were counted'
  end
end

local function addIds(ids, fingerprints)
  local at = 1
  while at <= #fingerprints do
    local inSegment = ids.count % IDS_PER_SEGMENT
    local key = segmentKey(ids, (ids.count - inSegment) / IDS_PER_SEGMENT)
    local part = sub(fingerprints, at, at + (IDS_PER_SEGMENT - inSegment) * ID_BYTES - 1)
    local added = #part / ID_BYTES
    if inSegment + added == IDS_PER_SEGMENT then
      -- Written whole, because a string that was appended to reserves as much space again.
      call('SET', key, (call('GET', key) or '') .. part)
    else
      call('APPEND', key, part)
    end
    ids.count = ids.count + added
    at = at + #part
  end
  if at > 1 then
    call('HSET', ids.key, ids.topic, string.format('%.0f', ids.count))
  end
end
