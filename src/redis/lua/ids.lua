--[[
The dedup index as Redis stores it: the ids that a shard has counted of a topic in one dedup window. It is a log of
fingerprints of 8 bytes, in the order of counting, cut into segments. It is put in front of the scripts that count
events (see scripts.ts).

No script looks an id up. The sender holds the same ids in memory (dedup-index.ts), leaves out duplicates itself, and
states which ids it compared with: the windows, and how many ids of each. If Redis holds others, the script answers so
and writes nothing. Ids are only ever added together with a move of the cursor, and a log of events gives them in one
order: where window, number and cursor are equal, the ids are equal.
]]
local ID_BYTES = 8
-- With what Redis adds to a string and to a request for memory, a segment takes up 64 KiB and no
-- more: see dedup-index.ts.
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
The ids that an event at this offset is compared with, if the sender went by the same; else what to answer him.
  open, openBefore            see findOpenMonth
  period, before              what the sender takes for the open period and the one before; '' for none
  ownCount, previousCount     how many ids of each he knows
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

-- Is all there that the number says? Asked before the first write, so that adding cannot fail after
-- it.
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
      -- Written whole: a string that was appended to keeps room for as much again.
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
